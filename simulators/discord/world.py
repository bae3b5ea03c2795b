"""What Discord keeps: users, channels, messages and the rules about them. No sockets here.

https://docs.discord.com/developers/resources/message, …/resources/channel, …/reference
"""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from markdown_it import MarkdownIt

from simulators.discord.errors import Refused, invalid
from simulators.stage import Seen

BOT, APPLICATION, GUILD, TEXT_CHANNEL = "900", "800", "7", "70"
NAMES = {"42": "ann", "43": "bob", BOT: "hub"}
DEFAULT_USER = "42"
EPHEMERAL, LOADING, HAS_THREAD = 1 << 6, 1 << 7, 1 << 5
"""https://docs.discord.com/developers/resources/message#message-object-message-flags"""
NONCE_LIVES = 300.0
"""Seconds: "the past few minutes" (…/resources/message#create-message, `enforce_nonce`); how many is not said."""

Json = dict[str, Any]
Dispatch = Callable[[str, Json], None]
_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("strikethrough")


@dataclass(slots=True)
class Posted:
    """A message, as the API tells it and as people see it."""

    data: Json
    seen: Seen
    private: bool = False


@dataclass(slots=True)
class Interaction:
    """https://docs.discord.com/developers/interactions/receiving-and-responding"""

    id: str
    token: str
    room: str
    user: str
    asked_at: float = field(default_factory=time.monotonic)
    answered: int = 0
    """The type of the response that was given."""
    private: bool = False
    original: Posted | None = None


class World:
    def __init__(self, messages: list[Seen], dispatch: Dispatch) -> None:
        self.seen = messages
        self.dispatch = dispatch
        self.channels: dict[str, Json] = {TEXT_CHANNEL: _text_channel(TEXT_CHANNEL, "general", GUILD)}
        self.guilds: dict[str, str] = {GUILD: "Acme"}
        self.posted: dict[str, Posted] = {}
        self.history: dict[str, list[str]] = {}
        self.interactions: dict[str, Interaction] = {}
        """By token."""
        self.commands: list[Json] = []
        self.notified: list[tuple[str, str]] = []
        """Who was disturbed by which message of the bot: (message id, `everyone`, `here` or a user id)."""
        self._nonces: dict[str, tuple[float, str]] = {}
        self._last = 0
        self._worker = secrets.randbits(21)
        """In every id: two worlds make different ones within a millisecond."""

    def snowflake(self) -> str:
        """https://docs.discord.com/developers/reference#snowflakes"""
        now = (int(time.time() * 1000) - 1_420_070_400_000) << 22 | self._worker
        self._last = max(now, self._last + 1)
        return str(self._last)

    def direct_room(self, user: str) -> str:
        room = f"{user}00"
        if room not in self.channels:
            self.channels[room] = {
                "id": room,
                "type": 1,
                "flags": 0,
                "last_message_id": None,
                "recipients": [self.user(user)],
            }
        return room

    def add_guild(self, guild: str, room: str) -> None:
        self.guilds[guild] = f"Guild {guild}"
        self.channels[room] = _text_channel(room, "general", guild)

    def user(self, user: str) -> Json:
        """https://docs.discord.com/developers/resources/user#user-object"""
        name = NAMES.get(user, f"user{user}")
        data = {
            "id": user,
            "username": name,
            "global_name": None if user == BOT else name.capitalize(),
            "discriminator": "0",
            "avatar": None,
            "public_flags": 0,
            "flags": 0,
            "primary_guild": None,
        }
        return data | {"bot": True} if user == BOT else data

    def channel(self, room: str) -> Json:
        if room not in self.channels:
            raise Refused(404, 10003, "Unknown Channel")
        return self.channels[room]

    def message(self, room: str, message: str) -> Posted:
        found = self.posted.get(message)
        if found is None or found.data["channel_id"] != room or found.seen.deleted or found.private:
            raise Refused(404, 10008, "Unknown Message")
        return found

    def guild(self, guild: str) -> Json:
        """https://docs.discord.com/developers/events/gateway-events#guild-create"""
        rooms = [channel for channel in self.channels.values() if channel.get("guild_id") == guild]
        me = {"user": self.user(BOT), "roles": ["77"], "joined_at": stamp(), "deaf": False, "mute": False, "flags": 0}
        return {
            "id": guild,
            "name": self.guilds[guild],
            "joined_at": stamp(),
            "unavailable": False,
            "member_count": len(NAMES),
            "system_channel_id": next((room["id"] for room in rooms if room["type"] == 0), None),
            "channels": [room for room in rooms if room["type"] == 0],
            "threads": [room for room in rooms if room["type"] == 11],
            "roles": [
                {"id": guild, "name": "@everyone", "permissions": "0"},
                {"id": "77", "name": "hub", "permissions": "0", "managed": True, "tags": {"bot_id": BOT}},
            ],
            "members": [me],
            "emojis": [],
        }

    def post(
        self, room: str, author: str, body: Json, *, kind: int = 0, flags: int = 0, private: bool = False
    ) -> Posted:
        """Take a message and tell everybody of it. Raises Refused."""
        channel = self.channel(room)
        quoted = self._quoted(room, body.get("message_reference"))
        content = body.get("content") or ""
        named = [self.user(BOT)] if f"<@{BOT}>" in content else []
        if quoted and author != BOT and quoted.seen.author == BOT and not named:
            named = [self.user(BOT)]  # a reply names whom it answers, unless that is switched off
        data: Json = {
            "id": self.snowflake(),
            "channel_id": room,
            "author": self.user(author),
            "content": content,
            "timestamp": stamp(),
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": named,
            "mention_roles": [],
            "attachments": body.get("attachments") or [],
            "embeds": [],
            "pinned": False,
            "type": 19 if quoted else kind,
            "flags": flags,
            "components": body.get("components") or [],
        }
        if quoted:
            data["message_reference"] = {"type": 0, "channel_id": room, "message_id": quoted.data["id"]}
            data["referenced_message"] = {k: v for k, v in quoted.data.items() if k != "referenced_message"}
        if "nonce" in body:
            data["nonce"] = body["nonce"]
        thread = room if channel["type"] == 11 else None
        seen = Seen(
            id=data["id"],
            room=channel["parent_id"] if thread else room,
            author=author,
            text=data["content"],
            html=show(data["content"]),
            name=NAMES.get(author, f"user{author}"),
            thread=thread,
            is_bot=author == BOT,
            reply_to=quoted.data["id"] if quoted else None,
            choices=choices(data["components"]),
        )
        posted = Posted(data, seen, private)
        self.posted[data["id"]] = posted
        if not private:
            channel["last_message_id"] = data["id"]
            self.history.setdefault(room, []).append(data["id"])
        if author == BOT:
            self._notify(data, body, quoted)
        if not private:
            self.dispatch("MESSAGE_CREATE", self.with_place(data))
        return posted

    def send(self, room: str, body: Json) -> Posted:
        """A message of the bot. The same nonce within some minutes gets the first message again:
        https://docs.discord.com/developers/resources/message#create-message-jsonform-params (enforce_nonce)."""
        check(body)
        nonce = str(body.get("nonce", ""))
        if nonce and body.get("enforce_nonce") and nonce in self._nonces:
            sent_at, first = self._nonces[nonce]
            if time.monotonic() - sent_at < NONCE_LIVES:
                return self.posted[first]
        posted = self.post(room, BOT, body)
        if nonce:
            self._nonces[nonce] = (time.monotonic(), posted.data["id"])
        self.seen.append(posted.seen)
        return posted

    def edit(self, posted: Posted, body: Json) -> Posted:
        check({"content": posted.data["content"], "components": posted.data["components"]} | body)
        posted.data["content"] = body.get("content", posted.data["content"])
        posted.data["components"] = body.get("components", posted.data["components"])
        posted.data["edited_timestamp"] = stamp()
        posted.data["flags"] &= ~LOADING
        posted.seen.text = posted.data["content"]
        posted.seen.html = show(posted.seen.text)
        posted.seen.choices = choices(posted.data["components"])
        posted.seen.edited = True
        if not posted.private:
            self.dispatch("MESSAGE_UPDATE", self.with_place(posted.data))
        return posted

    def delete(self, posted: Posted) -> None:
        posted.seen.deleted = True
        room = posted.data["channel_id"]
        self.history[room].remove(posted.data["id"])
        self.dispatch("MESSAGE_DELETE", {"id": posted.data["id"], "channel_id": room} | self.guild_of(room))

    def purge(self, room: str, messages: Sequence[Posted]) -> None:
        """A moderator deletes them together: https://docs.discord.com/developers/events/gateway-events#message-delete-bulk"""
        for posted in messages:
            posted.seen.deleted = True
            self.history[room].remove(posted.data["id"])
        ids = [posted.data["id"] for posted in messages]
        self.dispatch("MESSAGE_DELETE_BULK", {"ids": ids, "channel_id": room} | self.guild_of(room))

    def open_thread(self, room: str, message: str, body: Json) -> Json:
        """https://docs.discord.com/developers/resources/channel#start-thread-from-message"""
        posted, channel = self.message(room, message), self.channel(room)
        if not 1 <= len(body.get("name") or "") <= 100:
            raise invalid("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
        if message in self.channels:
            raise Refused(400, 160004, "A thread has already been created for this message")
        if channel["type"] not in (0, 5):
            raise Refused(400, 50024, "Cannot execute action on this channel type")
        meta = {"archived": False, "auto_archive_duration": 1440, "archive_timestamp": stamp(), "locked": False}
        thread = {
            "id": message,
            "type": 11,
            "flags": 0,
            "guild_id": channel["guild_id"],
            "name": body["name"],
            "parent_id": room,
            "owner_id": BOT,
            "last_message_id": None,
            "thread_metadata": meta,
            "message_count": 0,
            "member_count": 1,
            "total_message_sent": 0,
        }
        self.channels[message] = thread
        posted.data["thread"] = thread
        posted.data["flags"] |= HAS_THREAD
        self.dispatch("THREAD_CREATE", thread | {"newly_created": True})
        return thread

    def page(self, room: str, after: str | None, limit: int) -> list[Json]:
        """Newest first; with `after` the page that begins right behind it:
        https://docs.discord.com/developers/resources/message#get-channel-messages"""
        self.channel(room)
        ids = self.history.get(room, [])
        chosen = [one for one in ids if int(one) > int(after)][:limit] if after else ids[-limit:]
        return [self.posted[one].data for one in reversed(chosen)]

    def guild_of(self, room: str) -> Json:
        guild = self.channels[room].get("guild_id")
        return {"guild_id": guild} if guild else {}

    def with_place(self, data: Json) -> Json:
        """What the gateway adds to a message: https://docs.discord.com/developers/events/gateway-events#message-create"""
        place = self.guild_of(data["channel_id"])
        if place:
            place["member"] = {
                "nick": None,
                "roles": [],
                "joined_at": stamp(),
                "deaf": False,
                "mute": False,
                "flags": 0,
            }
        return data | place | {"channel_type": self.channels[data["channel_id"]]["type"]}

    def _quoted(self, room: str, reference: Json | None) -> Posted | None:
        if not reference:
            return None
        try:
            return self.message(room, str(reference["message_id"]))
        except Refused:
            if reference.get("fail_if_not_exists", True):
                raise invalid("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message") from None
            return None

    def _notify(self, data: Json, body: Json, quoted: Posted | None) -> None:
        """https://docs.discord.com/developers/resources/message#allowed-mentions-object: left out, everything pings."""
        allowed = body.get("allowed_mentions")
        parse = {"everyone", "users", "roles"} if allowed is None else set(allowed.get("parse", ()))
        text = data["content"]
        if "everyone" in parse:
            self.notified += [(data["id"], word) for word in ("everyone", "here") if f"@{word}" in text]
        if "users" in parse:
            self.notified += [(data["id"], user) for user in NAMES if f"<@{user}>" in text]
        if quoted and (allowed is None or allowed.get("replied_user", False)):
            self.notified.append((data["id"], quoted.seen.author))


def check(body: Json) -> None:
    """https://docs.discord.com/developers/resources/message#create-message and …/components/reference"""
    content = body.get("content") or ""
    if len(content) > 2000:
        raise invalid("content", "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length.")
    if len(str(body.get("nonce", ""))) > 25:
        raise invalid("nonce", "NONCE_TYPE_TOO_LONG", "Nonce must be 25 or fewer in length.")
    rows = body.get("components") or []
    if len(rows) > 5 or any(len(row.get("components", ())) > 5 for row in rows):
        raise invalid("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    ids = [button.get("custom_id", "") for row in rows for button in row.get("components", ())]
    if any(not 1 <= len(custom_id) <= 100 for custom_id in ids):
        raise invalid("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    if len(set(ids)) < len(ids):
        raise invalid("components", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
    if any(len(button.get("label", "")) > 80 for row in rows for button in row.get("components", ())):
        raise invalid("components", "BASE_TYPE_MAX_LENGTH", "Must be 80 or fewer in length.")
    if not content.strip() and not rows and not body.get("attachments"):
        raise Refused(400, 50006, "Cannot send an empty message")


def choices(rows: list[Json]) -> list[tuple[str, str]]:
    return [(button.get("label", ""), button["custom_id"]) for row in rows for button in row.get("components", ())]


def show(content: str) -> str:
    """As the app shows it, roughly: mentions by name, the rest is Markdown."""
    for user, name in NAMES.items():
        content = content.replace(f"<@{user}>", f"**@{name}**")
    return str(_markdown.render(content))


def stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _text_channel(room: str, name: str, guild: str) -> Json:
    return {
        "id": room,
        "type": 0,
        "flags": 0,
        "guild_id": guild,
        "name": name,
        "position": 0,
        "parent_id": None,
        "last_message_id": None,
        "permission_overwrites": [],
    }
