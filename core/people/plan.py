"""What the script REGROUP is asked to do, as it travels to the store."""

import msgspec
from msgspec import UNSET, UnsetType

from core.engine.keys import Shard, shard_of


class Place(msgspec.Struct, frozen=True):
    """A conversation and the names of its keys."""

    name: str
    run: str
    rdy: str
    cnt: str
    wake: str
    mb: str
    sess: str
    note: str


class Held(msgspec.Struct, frozen=True):
    """A claim, as whose holder the change is made."""

    at: Place
    token: str
    done: str
    st: str
    ends: bool
    """Whether the claim ends with it; else its head stays where it is, for the turn goes on."""
    count: int = 0
    """How many events there must be in the mailbox; 0: any number."""


class Plan(msgspec.Struct, frozen=True):
    """One change. Pairs are (account, id of a person) and (id, record); empty: none."""

    channel: str
    """Where other processes are told of it."""
    were: list[tuple[str, str]]
    """What was read, and must still be so."""
    read: list[tuple[str, str]]
    are: list[tuple[str, str]] = []
    write: list[tuple[str, str]] = []
    moves: list[tuple[Place, Place]] = []
    claim: Held | UnsetType = UNSET
    events: list[Place | None] = []
    """Where the events of the claimed mailbox go, from the head on; None: they stay."""
    rest: Place | UnsetType = UNSET
    """Where those behind go."""
    code: str = ""
    """A code that is used up by this."""
    codes: str = ""
    mark: str = ""
    """A key that says that it is done."""
    marked: str = ""
    mark_ms: int = 0
    changed: list[str] = []
    """The accounts whose person is another one now."""


def shard(shards: list[Shard], conversation: str) -> Shard:
    return shards[shard_of(conversation, len(shards))]


def place(shards: list[Shard], conversation: str) -> Place:
    """Where a conversation lives."""
    at = shard(shards, conversation)
    mailbox, session, note = (prefix + conversation for prefix in (at.mb, at.sess, at.note))
    return Place(conversation, at.run, at.rdy, at.cnt, at.wake, mailbox, session, note)
