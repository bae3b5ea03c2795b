"""What Slack posts -> events. Pure.

https://docs.slack.dev/apis/events-api · https://docs.slack.dev/interactivity
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from core.events import (
    Address,
    AnyEvent,
    Attachment,
    Command,
    Deleted,
    Edited,
    Joined,
    Message,
    Press,
    Reaction,
    User,
    kind_of,
)

Payload = Mapping[str, Any]

_SAID = frozenset({"", "file_share", "thread_broadcast", "bot_message", "me_message"})
"""Subtypes of `message` in which somebody says something; the others tell of topics, joins and the like."""
_SHORT = frozenset({"help", "reset"})
"""`/ai help` means `/help`."""
_MARKUP = re.compile(r"<([^<>]*)>")
_NAMES_SOMEBODY = re.compile(r"<(?:@[UW]|!subteam\^)")


@dataclass(frozen=True, slots=True)
class Me:
    """Who we are in this workspace, by `auth.test`."""

    user_id: str
    bot_id: str = ""


@dataclass(frozen=True, slots=True)
class _Delivery:
    """What stands around each event."""

    channel: str
    team: str
    uid: str
    time: float
    me: Me

    def is_foreign(self, done: Payload) -> bool:
        """Done by somebody, and not by us: by id, for names can be chosen."""
        user, bot = _string(done, "user"), _string(done, "bot_id")
        return bool(user or bot) and user != self.me.user_id and (not bot or bot != self.me.bot_id)

    def common(self, room: str, done: Payload, thread: str | None = None, reply: str | None = None) -> dict[str, Any]:
        """What events of all kinds have; `done` names its author."""
        user, bot = _string(done, "user"), _string(done, "bot_id")
        team = _string(done, "user_team") or self.team
        return {
            "uid": self.uid,
            "address": Address(self.channel, room, thread, reply),
            "user": User(f"{team}:{user or bot}", _string(done, "username"), bool(bot) or user == "USLACKBOT"),
            "direct": _is_direct(room),
            "time": self.time,
        }


def to_event(channel: str, payload: Payload, me: Me) -> AnyEvent | None:
    """None: there is nothing in it for us, or it is not as Slack writes it."""
    try:
        match payload:
            case {"type": "event_callback", "team_id": str(team), "event_id": str(uid), "event": dict(event)}:
                at = float(_string(event, "event_ts") or _string(event, "ts") or 0)
                if not isfinite(at):
                    return None
                return _happened(_Delivery(channel, team, uid, at, me), event)
            case {
                "type": "block_actions",
                "team": {"id": str(team)},
                "trigger_id": str(uid),
                "actions": [{"action_ts": str(at)} as button, *_],
            }:
                return _pressed(_Delivery(channel, team, uid, float(at), me), payload, button)
            case {
                "command": str(),
                "team_id": str(team),
                "channel_id": str(),
                "user_id": str(),
                "trigger_id": str(uid),
            }:
                return _commanded(_Delivery(channel, team, uid, 0, me), payload)
    except ValueError:  # a time that is none
        pass
    return None


def _happened(delivery: _Delivery, event: Payload) -> AnyEvent | None:
    match event:
        case {"type": "message" | "app_mention", "channel": str(room)}:
            return _said(delivery, room, event)
        case {
            "type": "reaction_added" | "reaction_removed" as kind,
            "reaction": str(emoji),
            "item": {"channel": str(room), "ts": str(ts)},
        } if delivery.is_foreign(event):
            added = kind == "reaction_added"
            return Reaction(**delivery.common(room, event), message_id=ts, emoji=emoji, added=added)
        case {"type": "member_joined_channel", "channel": str(room), "user": str(user)}:
            return Joined(**delivery.common(room, event), is_me=user == delivery.me.user_id)
    return None


def _said(delivery: _Delivery, room: str, event: Payload) -> Message | Edited | Deleted | None:
    """A message, its edit or its deletion."""
    subtype = _string(event, "subtype")
    before, after = _mapping(event, "previous_message"), _mapping(event, "message")
    # The first message of a thread leaves its place behind: it is changed into a "tombstone".
    is_gone = subtype == "message_deleted" or after.get("subtype") == "tombstone"
    is_edit = subtype == "message_changed"
    said = before if is_gone else after if is_edit else event
    if not delivery.is_foreign(said) or not (ts := _string(said, "ts")):
        return None
    # In a group the answer to a message at the top opens the thread under it.
    thread = _string(said, "thread_ts") or (None if _is_direct(room) else ts)
    common = {**delivery.common(room, said, thread), "message_id": ts}
    if is_gone:
        return Deleted(**common)
    raw = _string(said, "text")
    text, is_named = _text(raw, delivery.me)
    if is_edit:  # also told of Slack's own link previews: then the text is the same
        return Edited(**common, text=text, mentioned=is_named) if after.get("text") != before.get("text") else None
    if subtype not in _SAID:
        return None
    files = event["files"] if isinstance(event.get("files"), list) else ()
    mentioned = is_named or event["type"] == "app_mention" or event.get("parent_user_id") == delivery.me.user_id
    return Message(
        **common,
        # A mention comes as `message` and as `app_mention`, under two event ids: its place and time are the same.
        also=(f"{delivery.team}:{room}:{ts}",),
        text=text,
        mentioned=mentioned,
        # Whom a reply in a thread is for cannot be told, unless it says so.
        to_others=not mentioned and _NAMES_SOMEBODY.search(raw) is not None,
        attachments=tuple(_attachment(file) for file in files if isinstance(file, dict)),
    )


def _pressed(delivery: _Delivery, payload: Payload, button: Payload) -> Press | None:
    match payload:
        case {"user": {"id": str(user)} as who, "container": {"channel_id": str(room), "message_ts": str(ts)} as at}:
            is_private = at.get("is_ephemeral") is True
            thread = _string(at, "thread_ts") or (None if is_private or _is_direct(room) else ts)
            reply = _reply(user, payload) if is_private else None
            return Press(
                **delivery.common(room, {**who, "user": user}, thread, reply),
                message_id=ts,
                value=_string(button, "value") or _string(button, "action_id"),
                label=_string(_mapping(button, "text"), "text"),
            )
    return None


def _commanded(delivery: _Delivery, form: Payload) -> Command:
    """A command cannot be typed in a thread, and its answer is for the one who typed it."""
    user = form["user_id"]
    who = {"user": user, "username": _string(form, "user_name")}
    name, text = form["command"].lstrip("/").lower(), _text(_string(form, "text"), delivery.me)[0]
    if name not in _SHORT and text.lower() in _SHORT:
        name, text = text.lower(), ""
    common = delivery.common(form["channel_id"], who, reply=_reply(user, form))
    return Command(**common, name=name, text=text)


def _reply(user: str, payload: Payload) -> str:
    """The handle of an answer that one user alone sees: `U1 https://hooks.slack.com/…`."""
    return f"{user} {_string(payload, 'response_url')}"


def _attachment(file: Payload) -> Attachment:
    mime, size = _string(file, "mimetype"), file.get("size")
    return Attachment(
        # A voice clip may be called a video: what recorded it knows better.
        kind=kind_of(_string(file, "subtype").removeprefix("slack_") or mime),
        id=_string(file, "url_private") or _string(file, "id"),
        name=_string(file, "name"),
        mime=mime,
        size=size if isinstance(size, int) else None,
        text=_string(_mapping(_mapping(file, "transcription"), "preview"), "content"),
    )


def _is_direct(room: str) -> bool:
    return room.startswith("D")


def _string(mapping: Payload, key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""


def _mapping(mapping: Payload, key: str) -> Payload:
    value = mapping.get(key)
    return value if isinstance(value, dict) else {}


def _text(raw: str, me: Me) -> tuple[str, bool]:
    """As it was typed, without our own mention; and whether we were mentioned.

    https://docs.slack.dev/messaging/formatting-message-text"""
    mentions = 0
    if "<" in raw:
        raw, mentions = re.subn(rf"<@{me.user_id}(?:\|[^<>]*)?>[:,]?[ \t]*", "", raw)
        raw = _MARKUP.sub(_shown, raw)
    # `&amp;` last, so that a typed `&lt;` stays what it was.
    return raw.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip(), mentions > 0


def _shown(markup: re.Match[str]) -> str:
    """A name or a link as its author saw it."""
    target, _, label = markup[1].partition("|")
    match target[:1]:
        case "@" | "#" as sign:
            return sign + (label or target[1:])
        case "!":
            return label or "@" + target[1:]
    return label or target if target.endswith(label) else f"{label} ({target})"
