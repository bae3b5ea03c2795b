"""The names of everything the engine keeps in the store."""

from dataclasses import dataclass, field
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Shard:
    """The keys of one shard; those of a conversation are prefixes that its name is put behind.

    run   hash    conversation -> its token; "" while it is delayed. The index of all that is not idle.
    rdy   stream  tokens {c: conversation}, group g; at most one for each conversation
    cnt   hash    accepted, answered, silent, dead, pending
    dly   zset    conversation -> when it is due (Unix ms)
    dl    stream  dead letters {c: conversation, e: envelope, r: reason}
    wake  list    at most one element, for one idle worker
    arc   stream  what the archive has yet to take {e: entry}
    dd    string  ids of events seen
    mb    list    mailbox of envelopes
    st    hash    tries, staged: of the head of the mailbox, while there is one
    done  string  the token that was ended last, for a minute
    sess  list    history window
    note  hash    n: notes, s: summary, c: messages ever appended, b: the session's id; lives as long as sess
    out   stream  replies {e: reply}; the entry's id is the sequence number
    """

    prefix: str
    number: int
    run: str = field(init=False)
    rdy: str = field(init=False)
    cnt: str = field(init=False)
    dly: str = field(init=False)
    dl: str = field(init=False)
    wake: str = field(init=False)
    arc: str = field(init=False)
    dd: str = field(init=False)
    mb: str = field(init=False)
    st: str = field(init=False)
    done: str = field(init=False)
    sess: str = field(init=False)
    note: str = field(init=False)
    out: str = field(init=False)

    def __post_init__(self) -> None:
        for name in ("run", "rdy", "cnt", "dly", "dl", "wake", "arc"):
            object.__setattr__(self, name, f"{self.prefix}:{name}:{{{self.number}}}")
        for name in ("dd", "mb", "st", "done", "sess", "note", "out"):
            object.__setattr__(self, name, f"{self.prefix}:{name}:{{{self.number}}}:")


def shard_of(conversation: str, shards: int) -> int:
    """Which shard a conversation lives in, as long as the number of shards stays the same."""
    return crc32(conversation.encode()) % shards if shards > 1 else 0
