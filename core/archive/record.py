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
    """One turn that was answered; without messages: what models did for it afterwards."""

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
    room: str = ""
    """Where the question was said, as the platform calls it; empty where that was not noted."""
    event: str = ""
    """The platform's id of what was answered, by which apologies and logs name it; empty where that was not noted."""
    deleted: bool = False
    """The question was deleted on the platform since: its words and those of the answer are gone."""


class TakenBack(msgspec.Struct, frozen=True):
    """A message was deleted on the platform, whether it is archived, on its way, or none of ours."""

    channel: str
    room: str
    message: str
    """The platform's id of it."""
    time: float
    """When we heard of it by the store's clock, Unix seconds."""

    def is_of(self, kept: Kept) -> bool:
        """Whether it takes back what this turn was asked."""
        if kept.channel != self.channel or kept.room not in (self.room, self.message):
            return False  # the second: a thread that was opened under a message may be called as that is
        return any(self.message in each.ids for each in kept.messages if each.role == "user")


def read(data: bytes) -> Kept | TakenBack:
    """As it comes out of the store. Raises msgspec.DecodeError, or UnicodeDecodeError."""
    try:
        return _kept(data)
    except msgspec.ValidationError:
        return _taken_back(data)


_kept = msgspec.json.Decoder(Kept).decode
_taken_back = msgspec.json.Decoder(TakenBack).decode


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
