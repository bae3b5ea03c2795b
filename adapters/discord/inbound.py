"""Gateway payloads -> events. Pure: all that must be known beside the payload is in `Places`.

https://docs.discord.com/developers/events/gateway-events, …/resources/message, …/interactions/receiving-and-responding
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import discord

from core import events
from core.events import Address, AnyEvent, Attachment, User

Payload = Mapping[str, Any]

MALFORMED = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
"""What reading raises where a payload is not as Discord documents it."""
COMMAND, PRESS = 2, 3
"""Interaction types."""
THREADS = (10, 11, 12)
"""Channel types: announcement thread, public thread, private thread."""
THREADABLE = (0, 5, None)
"""Channel types under whose messages a thread can be opened: text, announcement; None: the payload does not tell."""
SAID = (0, 19)
"""Message types that a person typed: https://docs.discord.com/developers/resources/message#message-object-message-types"""
USER_JOIN = 7
AUTHORS = 10_000
"""Messages whose authors are remembered."""

_NAMED = re.compile(r"([ \t]*)<@[!&]?(\d+)>([ \t]*)")


@dataclass(slots=True)
class Places:
    """Who we are, and what the gateway told of guilds and threads."""

    channel: str
    """Our own name for this connection."""
    under_mentions: bool = False
    """A mention at the top of a channel is answered in a thread under it."""
    me: str = ""
    roles: set[str] = field(default_factory=set)
    """Roles that are the bot's alone: naming one names the bot."""
    guilds: set[str] = field(default_factory=set)
    threads: set[str] = field(default_factory=set)
    authors: dict[str, str] = field(default_factory=dict)
    """Of the latest messages: a deletion does not tell whose it was, and belongs into that one's conversation."""

    def learn(self, name: str, data: Payload) -> None:
        match name:
            case "READY":
                self.me = data["user"]["id"]
                self.guilds = {guild["id"] for guild in data["guilds"]}
            case "GUILD_CREATE":
                self.guilds.add(data["id"])
                for role in data.get("roles", ()):
                    if role.get("tags", {}).get("bot_id") == self.me:
                        self.roles.add(role["id"])
                self.threads |= {thread["id"] for thread in data.get("threads", ())}
            case "GUILD_DELETE" if not data.get("unavailable"):
                self.guilds.discard(data["id"])
            case "THREAD_CREATE" | "THREAD_UPDATE":
                self.threads.add(data["id"])
            case "MESSAGE_CREATE":
                self.authors[data["id"]] = data["author"]["id"]
                if len(self.authors) > AUTHORS:
                    del self.authors[next(iter(self.authors))]

    def address(self, room: str, reply: str | None = None, kind: int | None = None) -> Address:
        """A thread is a channel of its own; not every payload tells which `kind` of channel it is about."""
        is_thread = room in self.threads if kind is None else kind in THREADS
        return Address(self.channel, room, room if is_thread else None, reply)


def to_event(name: str, data: Payload, here: Places, delivery: str = "") -> AnyEvent | None:
    """The event behind one dispatch, or None where there is nothing to tell. Raises what is in MALFORMED.

    `delivery` names this dispatch, the same when it is replayed: reactions have no id of their own.
    `Address.reply` becomes `quote:<message>`, `under:<parent of the thread to open>`, or `public:<token>` and
    `private:<token>` for the answer to a command."""
    match name:
        case "MESSAGE_CREATE" | "MESSAGE_UPDATE":
            return _said(data, here, is_edit=name == "MESSAGE_UPDATE")
        case "MESSAGE_DELETE":
            return _deleted(data, here)
        case "MESSAGE_REACTION_ADD" | "MESSAGE_REACTION_REMOVE":
            return _reaction(data, here, delivery, added=name == "MESSAGE_REACTION_ADD")
        case "INTERACTION_CREATE":
            return _interaction(data, here)
        case "GUILD_CREATE":
            return _invited(data, here)
    return None


def is_private(command: str) -> bool:
    """Whether only the asker sees the answer."""
    return command.lower() in ("help", "reset")


def _time(snowflake: str) -> float:
    return discord.utils.snowflake_time(int(snowflake)).timestamp()


def _said(said: Payload, here: Places, is_edit: bool) -> AnyEvent | None:
    edited = said.get("edited_timestamp")
    if is_edit and not edited:  # a link was unfurled
        return None
    if said["author"]["id"] == here.me:
        return None
    about = _about(said) | {"time": _time(said["id"])}
    if said["type"] == USER_JOIN:
        return events.Joined(uid=f"joined:{said['id']}", address=here.address(said["channel_id"]), **about)
    if said["type"] not in SAID:
        return None
    mentioned = _is_mentioned(said, here)
    about |= {
        "address": _address(said, here, mentioned),
        "message_id": said["id"],
        "text": _readable(said, here),
        "mentioned": mentioned,
    }
    if is_edit:
        return events.Edited(uid=f"{said['id']}:{edited}", **about)
    cursor = events.Cursor(said["channel_id"], said["id"])
    to_others = not mentioned and _is_to_others(said)
    return events.Message(uid=said["id"], cursor=cursor, to_others=to_others, attachments=_attachments(said), **about)


def _deleted(gone: Payload, here: Places) -> AnyEvent | None:
    """By nobody, where the message is older than what is remembered."""
    author = here.authors.get(gone["id"], "")
    if author == here.me:
        return None
    # What was said to us at the top of a channel belongs into the thread under it.
    room = gone["id"] if here.under_mentions and gone["id"] in here.threads else gone["channel_id"]
    return events.Deleted(
        uid=f"deleted:{gone['id']}",
        address=here.address(room),
        message_id=gone["id"],
        **_about({"author": {"id": author}, "guild_id": gone.get("guild_id")}),
    )


def _reaction(data: Payload, here: Places, delivery: str, added: bool) -> AnyEvent | None:
    who, message = data["user_id"], data["message_id"]
    if who == here.me:
        return None
    emoji = data["emoji"]["name"] or data["emoji"]["id"]
    return events.Reaction(
        uid=f"reaction:{message}:{who}:{emoji}:{added}:{delivery}",
        address=here.address(data["channel_id"], f"quote:{message}"),
        message_id=message,
        emoji=emoji,
        added=added,
        **_about(data),
    )


def _interaction(asked: Payload, here: Places) -> AnyEvent | None:
    room, kind, given = asked["channel_id"], asked.get("channel", {}).get("type"), asked["data"]
    about = _about(asked) | {"uid": asked["id"], "time": _time(asked["id"])}
    if asked["type"] == COMMAND:
        audience = "private" if is_private(given["name"]) else "public"
        address = here.address(room, f"{audience}:{asked['token']}", kind)
        text = " ".join(str(option["value"]) for option in given.get("options", ()))
        return events.Command(address=address, name=given["name"].lower(), text=text, **about)
    if asked["type"] == PRESS:
        message, value = asked["message"], given["custom_id"]
        address = here.address(room, f"quote:{message['id']}", kind)
        buttons = (button for row in message["components"] for button in row["components"])
        label = next((button.get("label", "") for button in buttons if button.get("custom_id") == value), "")
        return events.Press(address=address, message_id=message["id"], value=value, label=label, **about)
    return None


def _invited(guild: Payload, here: Places) -> AnyEvent | None:
    """A guild that was not there at READY is one that somebody has just asked the bot into."""
    if guild["id"] in here.guilds or not guild.get("system_channel_id"):
        return None
    uid, address = f"joined:{guild['id']}:{guild['joined_at']}", here.address(guild["system_channel_id"])
    return events.Joined(uid=uid, address=address, user=User(here.me, is_bot=True), is_me=True)


def _address(said: Payload, here: Places, mentioned: bool) -> Address:
    room, kind = said["channel_id"], said.get("channel_type")
    if said.get("guild_id") is None:
        return here.address(room)
    address = here.address(room, f"quote:{said['id']}", kind)
    if here.under_mentions and mentioned and address.thread is None and kind in THREADABLE:
        # A thread started from a message has the id of that message.
        return Address(here.channel, said["id"], said["id"], f"under:{room}")
    return address


def _is_mentioned(said: Payload, here: Places) -> bool:
    quoted = said.get("referenced_message")
    return (
        any(user["id"] == here.me for user in said["mentions"])
        or not here.roles.isdisjoint(said["mention_roles"])
        or (quoted is not None and quoted["author"]["id"] == here.me)
    )


def _is_to_others(said: Payload) -> bool:
    """Given that we are not meant: whether somebody else is named or answered."""
    quoted = (said.get("referenced_message") or {}).get("author", {})
    people = {user["id"] for user in said["mentions"]} | ({quoted["id"]} if quoted and not quoted.get("bot") else set())
    return bool(said["mention_roles"] or people - {said["author"]["id"]})


def _readable(said: Payload, here: Places) -> str:
    """The text as it reads on screen: our own name taken out, other names written out."""
    names = {user["id"]: user.get("global_name") or user["username"] for user in said["mentions"]}

    def name(found: re.Match[str]) -> str:
        before, who, after = found.groups()
        if who == here.me or who in here.roles:
            return " "
        return f"{before}@{names[who]}{after}" if who in names else found[0]

    return _NAMED.sub(name, said["content"]).strip()


def _about(done: Payload) -> dict[str, Any]:
    """Who did it, wherever this kind of payload tells that, and whether nobody else is there."""
    member = done.get("member") or {}
    account = done.get("author") or member.get("user") or done.get("user") or {"id": done["user_id"]}
    name = member.get("nick") or account.get("global_name") or account.get("username", "")
    is_bot = "webhook_id" in done or account.get("bot", False)
    is_direct = done.get("guild_id") is None and done.get("context") != 2  # 2: between other people
    return {"user": User(account["id"], name, is_bot, done.get("locale")), "direct": is_direct}


def _attachments(said: Payload) -> tuple[Attachment, ...]:
    found = [Attachment("sticker", sticker["id"], sticker["name"]) for sticker in said.get("sticker_items", ())]
    for file in said["attachments"]:
        mime, words = file.get("content_type") or "", file.get("description") or ""
        found.append(Attachment(events.kind_of(mime), file["url"], file["filename"], mime, file["size"], words))
    return tuple(found)
