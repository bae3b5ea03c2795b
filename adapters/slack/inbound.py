"""What Slack posts -> events. Pure.

https://docs.slack.dev/apis/events-api · https://docs.slack.dev/interactivity
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
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
)

Payload = Mapping[str, Any]

_SAID = frozenset({"", "file_share", "thread_broadcast", "bot_message", "me_message"})
"""Subtypes of `message` in which somebody says something; the others tell of topics, joins and the like."""
_SHORT = frozenset({"help", "reset"})
"""`/ai help` means `/help`."""
_STAMP = re.compile(r"\d{1,12}(\.\d{1,9})?")
_MARKUP = re.compile(r"<([^<>]*)>")
_ENTITIES = re.compile(r"&(amp|lt|gt);")
_CHARACTERS = {"amp": "&", "lt": "<", "gt": ">"}


@dataclass(frozen=True, slots=True)
class Me:
    """Who we are in this workspace, by `auth.test`."""

    user_id: str
    bot_id: str = ""


@dataclass(frozen=True, slots=True)
class _Source:
    """Through which channel of ours and from which workspace something came, and who we are there."""

    channel: str
    team: str
    uid: str
    """Slack's event id; absent in old recordings."""
    me: Me

    def address(self, room: str, thread: str, ts: str) -> Address:
        """In a group the answer to a message at the top opens the thread under it."""
        return Address(self.channel, room, thread or (None if _is_direct(room) else ts))

    def user(self, said: Payload) -> User:
        name = _string(said, "username") or _string(_mapping(said, "bot_profile"), "name")
        account, bot = _string(said, "user"), _string(said, "bot_id")
        is_bot = bool(bot) or account == "USLACKBOT"
        return User(f"{_string(said, 'user_team') or self.team}:{account or bot}", name, is_bot)

    def is_foreign(self, said: Payload) -> bool:
        """Said by somebody, and not by us: by id, for names can be chosen."""
        account, bot = _string(said, "user"), _string(said, "bot_id")
        return bool(account or bot) and account != self.me.user_id and (not bot or bot != self.me.bot_id)


def to_event(channel: str, payload: Payload, me: Me) -> AnyEvent | None:
    """None: there is nothing in it for us, or it is not as Slack writes it."""
    try:
        match payload:
            case {"type": "event_callback", "team_id": str(team), "event": {"type": str(kind)} as event}:
                source = _Source(channel, team, _string(payload, "event_id"), me)
                return _happened(source, kind, _string(event, "subtype"), event)
            case {"type": "block_actions", "user": {"id": str()}, "team": {"id": str()}, "container": dict()}:
                return _pressed(channel, payload)
            case {"command": str(), "team_id": str(), "channel_id": str(), "user_id": str(), "trigger_id": str()}:
                return _command(channel, payload)
    except ValueError:  # a time that is none
        pass
    return None


def _happened(source: _Source, kind: str, subtype: str, event: Payload) -> AnyEvent | None:
    match kind, subtype, event:
        case "message", "message_changed", {
            "channel": str(room),
            "message": {"ts": str(ts)} as said,
            "previous_message": dict(before),
        }:
            if _string(said, "subtype") == "tombstone":  # the first message of a thread leaves its place behind
                return _deleted(source, room, ts, before)
            return _edited(source, room, ts, said, before, _string(event, "ts"))
        case "message", "message_deleted", {
            "channel": str(room),
            "deleted_ts": str(ts),
            "previous_message": dict(before),
        }:
            return _deleted(source, room, ts, before)
        case "message" | "app_mention", _, {"channel": str(room), "ts": str(ts)} if subtype in _SAID:
            return _message(source, room, ts, event, is_mention=kind == "app_mention")
        case "reaction_added" | "reaction_removed", _, {
            "user": str(user),
            "reaction": str(emoji),
            "item": {"channel": str(room), "ts": str(ts)},
            "event_ts": str(at),
        } if user != source.me.user_id:
            return Reaction(
                uid=source.uid or f"{kind}:{room}:{ts}:{at}",
                address=Address(source.channel, room),
                user=User(f"{source.team}:{user}"),
                message_id=ts,
                direct=_is_direct(room),
                time=_seconds(at),
                emoji=emoji,
                added=kind == "reaction_added",
            )
        case "member_joined_channel", _, {"user": str(user), "channel": str(room), "event_ts": str(at)}:
            return Joined(
                uid=source.uid or f"joined:{room}:{user}:{at}",
                address=Address(source.channel, room),
                user=User(f"{source.team}:{user}"),
                time=_seconds(at),
                is_me=user == source.me.user_id,
            )
    return None


def _message(source: _Source, room: str, ts: str, said: Payload, *, is_mention: bool) -> Message | None:
    if said.get("hidden") or not source.is_foreign(said):
        return None
    # A mention comes as `message` and as `app_mention`, under two event ids: its place and time are the same.
    happening = f"{source.team}:{room}:{ts}"
    text, named = _text(_string(said, "text"), source.me)
    files = said.get("files")
    return Message(
        uid=source.uid or happening,
        also=(happening,) if source.uid else (),
        address=source.address(room, _string(said, "thread_ts"), ts),
        user=source.user(said),
        message_id=ts,
        direct=_is_direct(room),
        time=_seconds(ts),
        text=text,
        mentioned=named or is_mention or said.get("parent_user_id") == source.me.user_id,
        attachments=tuple(_attachment(file) for file in files if isinstance(file, dict)) if files else (),
    )


def _edited(source: _Source, room: str, ts: str, said: Payload, before: Payload, at: str) -> Edited | None:
    """Slack also tells of its own link previews this way: then the text is the same."""
    if said.get("text") == before.get("text") or not source.is_foreign(said):
        return None
    text, named = _text(_string(said, "text"), source.me)
    return Edited(
        uid=source.uid or f"edited:{room}:{ts}:{at}",
        address=source.address(room, _string(said, "thread_ts"), ts),
        user=source.user(said),
        message_id=ts,
        direct=_is_direct(room),
        time=_seconds(ts),
        text=text,
        mentioned=named,
    )


def _deleted(source: _Source, room: str, ts: str, before: Payload) -> Deleted | None:
    if not source.is_foreign(before):
        return None
    return Deleted(
        uid=source.uid or f"deleted:{room}:{ts}",
        address=source.address(room, _string(before, "thread_ts"), ts),
        user=source.user(before),
        message_id=ts,
        direct=_is_direct(room),
        time=_seconds(ts),
    )


def _pressed(channel: str, payload: Payload) -> Press | None:
    match payload["container"], payload.get("actions"):
        case {"channel_id": str(room), "message_ts": str(ts)} as at, [{"action_ts": str(when)} as action, *_]:
            user, private = payload["user"], at.get("is_ephemeral") is True
            thread = _string(at, "thread_ts") or (None if private or _is_direct(room) else ts)
            option = _mapping(action, "selected_option") or action
            return Press(
                uid=_string(payload, "trigger_id") or f"{room}:{ts}:{when}:{user['id']}",
                address=Address(channel, room, thread, _private(user["id"], payload) if private else None),
                user=User(f"{payload['team']['id']}:{user['id']}", _string(user, "username")),
                message_id=ts,
                direct=_is_direct(room),
                time=_seconds(when),
                value=_string(option, "value") or _string(action, "action_id"),
                label=_string(_mapping(option, "text"), "text"),
            )
    return None


def _command(channel: str, form: Payload) -> Command:
    """A command cannot be typed in a thread, and its answer is for the one who typed it."""
    name, text = form["command"].lstrip("/").lower(), _text(_string(form, "text"), None)[0]
    if name not in _SHORT and text.lower() in _SHORT:
        name, text = text.lower(), ""
    return Command(
        uid=form["trigger_id"],
        address=Address(channel, form["channel_id"], reply=_private(form["user_id"], form)),
        user=User(f"{form['team_id']}:{form['user_id']}", _string(form, "user_name")),
        direct=_is_direct(form["channel_id"]),
        name=name,
        text=text,
    )


def _private(user: str, payload: Payload) -> str:
    """The handle of an answer that one user alone sees: `U1 https://hooks.slack.com/…`."""
    return f"{user} {_string(payload, 'response_url')}"


def _attachment(file: Payload) -> Attachment:
    kind = _string(file, "mimetype").partition("/")[0]
    if (clip := _string(file, "subtype")) in ("slack_audio", "slack_video"):  # a voice clip may be called a video
        kind = clip.removeprefix("slack_")
    size = file.get("size")
    return Attachment(
        kind=kind if kind in ("image", "audio", "video") else "file",
        id=_string(file, "url_private_download") or _string(file, "url_private") or _string(file, "id"),
        name=_string(file, "name"),
        mime=_string(file, "mimetype"),
        size=size if isinstance(size, int) else None,
        text=_string(_mapping(_mapping(file, "transcription"), "preview"), "content"),
    )


def _is_direct(room: str) -> bool:
    return room.startswith("D")


def _seconds(stamp: str) -> float:
    """Unix seconds. Raises ValueError."""
    if not _STAMP.fullmatch(stamp):
        raise ValueError(stamp)
    return float(stamp)


def _string(mapping: Payload, key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""


def _mapping(mapping: Payload, key: str) -> Payload:
    value = mapping.get(key)
    return value if isinstance(value, dict) else {}


def _text(raw: str, me: Me | None) -> tuple[str, bool]:
    """As it was typed, without our own mention; and whether we were mentioned.

    https://docs.slack.dev/messaging/formatting-message-text: entities are undone last, so that a typed `<@U1>`
    stays what it was."""
    named = 0
    if "<" in raw:
        if me:
            raw, named = _mention(me.user_id).subn("", raw)
        raw = _MARKUP.sub(_shown, raw)
    return _ENTITIES.sub(lambda match: _CHARACTERS[match[1]], raw).strip(), named > 0


@lru_cache(maxsize=32)
def _mention(user_id: str) -> re.Pattern[str]:
    """Of this user, with the blanks behind it; at the start of the text also with its comma or colon."""
    name = rf"<@{re.escape(user_id)}(?:\|[^<>]*)?>"
    return re.compile(rf"(?:\A\s*{name}[:,]?|{name})[ \t]*")


def _shown(match: re.Match[str]) -> str:
    target, _, label = match[1].partition("|")
    match target[:1]:
        case "@" | "#":
            return target[0] + (label or target[1:]).lstrip("@#")
        case "!":
            return label or "@" + target[1:].partition("^")[0]
    address = target.removeprefix("mailto:").removeprefix("tel:")
    return address if label in ("", target, address) else f"{label} ({address})"
