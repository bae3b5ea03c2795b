"""Chats, people and the messages between them, as the server keeps them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from simulators.telegram import text as texts

Json = dict[str, Any]


def run_number() -> int:
    """Where ids begin: above those of an earlier run, which the hub remembers for a day."""
    return time.time_ns() // 1000


@dataclass(slots=True)
class Chat:
    id: int
    type: str
    title: str = ""
    is_forum: bool = False
    topics: dict[int, str] = field(default_factory=dict)
    """Thread id -> name."""
    blocked: str = ""
    """Why the bot may not write here, in the server's words."""
    admin: bool = False
    """The bot is an administrator: it sees everything, privacy mode or not."""
    messages: dict[int, Json] = field(default_factory=dict)
    """Message id -> the `Message` object as bots get it."""
    ids: Iterator[int] = field(default_factory=lambda: count(run_number()))

    def json(self) -> Json:
        """core.telegram.org/bots/api#chat"""
        if self.type == "private":
            return {"id": self.id, "type": self.type, "first_name": self.title}
        return {"id": self.id, "type": self.type, "title": self.title} | ({"is_forum": True} if self.is_forum else {})

    def new_message(self, sender: Json, thread: int | None = None, **content: Any) -> Json:
        """core.telegram.org/bots/api#message"""
        message: Json = {
            "message_id": next(self.ids),
            "from": sender,
            "chat": self.json(),
            "date": int(time.time()),
            **{name: value for name, value in content.items() if value},
        }
        if thread is not None:
            message |= {"message_thread_id": thread, "is_topic_message": True}
            # In a topic, what replies to nothing names the message that opened it.
            message.setdefault("reply_to_message", self._opening(thread))
        self.messages[message["message_id"]] = message
        return message

    def _opening(self, thread: int) -> Json:
        return {
            "message_id": thread,
            "from": {"id": 777, "is_bot": False, "first_name": "Owner"},
            "chat": self.json(),
            "date": 1790000000,
            "message_thread_id": thread,
            "is_topic_message": True,
            "forum_topic_created": {"name": self.topics[thread], "icon_color": 7322096},
        }


def quoted(message: Json) -> Json:
    """A message as it stands in `reply_to_message`: "will not contain further reply_to_message fields"."""
    return {name: value for name, value in message.items() if name != "reply_to_message"}


def concerns(message: Json, chat: Chat, bot: Json) -> bool:
    """Whether privacy mode lets the bot see it (core.telegram.org/bots/features#privacy-mode)."""
    if chat.type == "private" or chat.admin or "text" not in message:
        return True
    replied = message.get("reply_to_message", {})
    if replied.get("from", {}).get("id") == bot["id"]:
        return True
    return any(_calls(message["text"], entity, bot["username"]) for entity in message.get("entities", ()))


def _calls(text: str, entity: Json, username: str) -> bool:
    raw = text.encode("utf-16-le")[2 * entity["offset"] : 2 * (entity["offset"] + entity["length"])]
    words = raw.decode("utf-16-le", "replace")
    if entity["type"] == "mention":
        return words.lower() == f"@{username}".lower()
    return entity["type"] == "bot_command" and words.partition("@")[2].lower() in ("", username.lower())


def typed(text: str) -> Json:
    """The content of a message that somebody types."""
    entities = texts.find(text)
    return {"text": text, "entities": entities}
