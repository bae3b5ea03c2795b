"""The vocabulary: what happened, who did it, where an answer goes, and what an answer is made of.

Everything here is immutable data and travels through the store as JSON, tagged by `kind`.
"""

from enum import StrEnum

import msgspec


class Address(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a reply goes. Fixed when the event comes in; never guessed later, never taken from anything else."""

    channel: str
    """The name of the channel in the YAML file."""
    room: str
    """The platform's id of the chat, group or direct conversation."""
    thread: str | None = None
    """The platform's id of the thread in the room; also set for a message under which a thread will be opened."""
    reply: str | None = None
    """The adapter's own handle for answering natively (a message to quote, an interaction token).
    Opaque to the core, and no part of a conversation's identity."""


class User(msgspec.Struct, frozen=True, omit_defaults=True):
    """A platform account."""

    id: str
    """Unique on its platform: `T1:U7` where a platform scopes its ids by workspace."""
    name: str = ""
    is_bot: bool = False
    locale: str | None = None
    """IETF language tag as the platform gave it."""


class Attachment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file's metadata; the bytes stay with the platform."""

    kind: str
    """image | audio | video | file | location | contact | sticker"""
    id: str
    """What the adapter needs to fetch it: a file id or a URL."""
    name: str = ""
    mime: str = ""
    size: int | None = None
    """Bytes."""
    text: str = ""
    """What can be said of it in words: a transcript, a caption of its own, coordinates."""


def kind_of(mime: str) -> str:
    """What kind of attachment a file of this media type is."""
    family = mime.partition("/")[0]
    return family if family in ("image", "audio", "video") else "file"


class Cursor(msgspec.Struct, frozen=True):
    """How far an adapter has read, kept in the same step that makes its event durable."""

    name: str
    value: str


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """What every event has in common."""

    uid: str
    """The platform's id of this delivery: the same on every redelivery, unique within the channel."""
    also: tuple[str, ...] = ()
    """Further ids of the same happening (the platform may tell of one message twice under two ids)."""
    address: Address
    user: User
    message_id: str = ""
    """The platform's id of the message this is about."""
    direct: bool = False
    """Said to the hub alone: no other human reads it."""
    time: float = 0.0
    """When it happened by the platform's clock, Unix seconds."""
    cursor: Cursor | None = None


class Message(Event, frozen=True, kw_only=True, omit_defaults=True, tag="message"):
    text: str
    """Plain text as typed, our own mention taken out, platform escapes undone."""
    mentioned: bool = False
    """The bot was named, or one of its messages answered."""
    to_others: bool = False
    """It names somebody else, or answers somebody else's message, and does not name us."""
    attachments: tuple[Attachment, ...] = ()


class Command(Event, frozen=True, kw_only=True, omit_defaults=True, tag="command"):
    name: str
    """Without the slash, lower case."""
    text: str = ""
    """What followed the name."""


class Press(Event, frozen=True, kw_only=True, omit_defaults=True, tag="press"):
    """A button under one of our messages (`message_id`) was pressed."""

    value: str
    label: str = ""


class Reaction(Event, frozen=True, kw_only=True, omit_defaults=True, tag="reaction"):
    emoji: str
    added: bool = True


class Edited(Event, frozen=True, kw_only=True, omit_defaults=True, tag="edited"):
    """The user changed the message `message_id`."""

    text: str
    mentioned: bool = False


class Deleted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="deleted"):
    """The user took the message `message_id` back."""


class Joined(Event, frozen=True, kw_only=True, omit_defaults=True, tag="joined"):
    """Somebody (`user`) came into the room."""

    is_me: bool = False
    """It was the bot itself."""


AnyEvent = Message | Command | Press | Reaction | Edited | Deleted | Joined


class Choice(msgspec.Struct, frozen=True):
    """A button: what it shows, and the value that comes back in a `Press` (at most 64 bytes)."""

    label: str
    value: str


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of an answer."""

    text: str
    """Markdown (CommonMark and tables); the adapter renders it in the platform's own way."""
    choices: tuple[Choice, ...] = ()
    """Buttons under it; a numbered list where the platform has none."""


class Sent(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message of ours that the platform has taken."""

    to: Address
    id: str


class Accepted(StrEnum):
    """What became of an event at intake."""

    NEW = "new"
    DUPLICATE = "duplicate"
    FULL = "full"
    """The conversation's mailbox is full; the user was told to wait."""
