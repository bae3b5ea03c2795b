"""What the archive keeps of one turn, as it travels through the store."""

from typing import Literal

import msgspec

GROUP = "archive"
"""Who reads the stream of turns."""


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of a turn."""

    role: Literal["user", "assistant"]
    text: str
    author: str = ""
    """The account that said it; empty for ours."""
    name: str = ""
    time: float = 0.0
    """Unix seconds."""
    tokens: int = 0
    model: str = ""
    """Which model said it, as its server calls it."""
    ids: tuple[str, ...] = ()
    """The platform's ids of the messages that it was said in."""


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn that was answered."""

    conversation: str
    session: str
    """The id of the session that it belongs to."""
    channel: str
    bot: str
    account: str
    """Who asked, across all channels of a platform: `platform:id`."""
    time: float
    """When the turn began by the store's clock, Unix seconds."""
    messages: tuple[Said, ...] = ()
    person: str = ""
    """Who that account belongs to; empty where it is linked to nobody."""
    name: str = ""
    direct: bool = False
    """Said to the hub alone: no other human read it."""
    language: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0


class Entry(msgspec.Struct, frozen=True):
    """A turn on its way into the archive."""

    id: str
    """The same at every try; sorts by time."""
    time: float
    """When the store took it, Unix seconds."""
    kept: Kept


class Used(msgspec.Struct, frozen=True):
    """What an account took on one day."""

    day: str
    """As in 2026-01-31, UTC."""
    account: str
    turns: int
    prompt_tokens: int
    completion_tokens: int
    cost: float
