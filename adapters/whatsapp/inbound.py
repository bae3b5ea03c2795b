"""Turns the form of a webhook into an event. Pure."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from core.events import Address, AnyEvent, Attachment, Command, Message, Press, Reaction, User, kind_of

_COMMAND = re.compile(r"/([a-z][a-z0-9_-]{0,31})(?:\s+(.*))?", re.IGNORECASE | re.DOTALL)
_MOST_MEDIA = 10
"""Twilio's limit for one message."""


class Delivery(msgspec.Struct, frozen=True):
    """What became of a message of ours."""

    sid: str
    status: str
    code: int
    """Twilio's error code, 0 without one."""

    @property
    def failed(self) -> bool:
        return self.status in ("failed", "undelivered")


def to_delivery(form: Mapping[str, str]) -> Delivery | None:
    """The status callback in a form, if it is one."""
    status = form.get("MessageStatus", "")
    if not status:
        return None
    code = form.get("ErrorCode", "")
    return Delivery(form.get("MessageSid", ""), status, int(code) if re.fullmatch(r"[0-9]{1,6}", code) else 0)


def to_event(channel: str, form: Mapping[str, str], now: float, token: str = "") -> AnyEvent | None:
    """The event in a form, if it is one for us. `now`: when it was received, in Unix seconds, for Twilio does not tell
    when it was sent. `token`: Twilio's id of this request, the same on its retries."""
    sid, sender = form.get("MessageSid", ""), form.get("From", "")
    # The part after the prefix is opaque: a phone number, or an id of a user who has chosen a name instead.
    account = sender.removeprefix("whatsapp:")
    if not sid or not account or account == sender:
        return None
    common: dict[str, Any] = {
        "uid": sid,
        "also": (token,) if token else (),
        "address": Address(channel, room=sender, reply=sid),
        "user": User(account, form.get("ProfileName", "")),
        "direct": True,
        "time": now,
    }
    kind, text = form.get("MessageType", ""), form.get("Body", "")
    about = form.get("OriginalRepliedMessageSid", "")
    if kind == "reaction":
        return Reaction(**common, message_id=about, emoji=text, added=bool(text))
    if value := form.get("ButtonPayload") or form.get("ListId"):
        label = form.get("ButtonText") or form.get("ListTitle") or text
        return Press(**common, message_id=about, value=value, label=label)
    attachments = _attachments(form)
    if not attachments and (command := _COMMAND.fullmatch(text.strip())):
        return Command(**common, message_id=sid, name=command[1].lower(), text=command[2] or "")
    text = text or form.get("ButtonText", "")
    return Message(**common, message_id=sid, text=text, attachments=attachments)


def _attachments(form: Mapping[str, str]) -> tuple[Attachment, ...]:
    found = []
    for number in range(_MOST_MEDIA):
        url = form.get(f"MediaUrl{number}")
        if not url:
            break
        mime = form.get(f"MediaContentType{number}", "")
        found.append(Attachment(_kind(mime, form.get("MessageType", "")), url, mime=mime))
    latitude, longitude = form.get("Latitude"), form.get("Longitude")
    if latitude and longitude:
        place = f"{latitude},{longitude}"
        words = [place, form.get("Label", ""), form.get("Address", "")]
        found.append(Attachment("location", place, name=form.get("Label", ""), text=" ".join(filter(None, words))))
    return tuple(found)


def _kind(mime: str, message_type: str) -> str:
    if message_type == "sticker":
        return "sticker"
    if message_type == "contacts" or mime in ("text/vcard", "text/x-vcard"):
        return "contact"
    return kind_of(mime)
