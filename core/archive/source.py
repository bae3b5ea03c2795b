"""The archive's end of the stream in the store: what turns have left there, read through a consumer group."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from redis.exceptions import ResponseError

from core.archive.record import GROUP
from core.engine.engine import Engine
from core.engine.link import Reply, pack

ASIDE_MAX = 1000
"""Entries put aside that are kept for somebody to look at."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry as it stands in the stream; `data` is empty where it was taken out while we held it."""

    stream: str
    id: str
    data: bytes

    @property
    def name(self) -> str:
        """The same at every delivery and unlike that of any other hub's entry; sorts by time."""
        milliseconds, _, sequence = self.id.partition("-")
        digest = hashlib.blake2b(self.stream.encode() + self.data, digest_size=8).hexdigest()
        return f"{int(milliseconds):013}-{int(sequence):06}-{digest}"

    @property
    def time(self) -> float:
        return int(self.id.partition("-")[0]) / 1000


class Source:
    """Of all shards. On a connection of its own, since it blocks. Each call may raise RedisError or OSError."""

    def __init__(self, engine: Engine, name: str, *, limit: float = 5.0) -> None:
        """`name`: belongs to this process alone, and to the one that takes its place. `limit`: seconds for a call."""
        self._streams = [at.arc for at in engine.shards]
        self._aside = f"{engine.prefix}:arx"
        self._link = engine.link()
        self._name = name
        self._limit = limit

    async def close(self) -> None:
        await self._link.close()

    async def new(self, count: int, block: float) -> list[Waiting]:
        """What nobody has taken yet; waits for up to `block` seconds where there is nothing."""
        return await self._read(count, [">"] * len(self._streams), block)

    async def held(self, count: int) -> list[Waiting]:
        """What was taken in this name and not let go: by a process before, or in a reply that was lost."""
        return await self._read(count, ["0"] * len(self._streams), 0)

    async def take_over(self, count: int, idle: float) -> list[Waiting]:
        """What others took and did not let go for so many seconds."""
        found: list[Waiting] = []
        for stream in self._streams:
            claim = pack("XAUTOCLAIM", stream, GROUP, self._name, round(idle * 1000), "0", "COUNT", count)
            reply = await self._ask(claim)
            found += [_waiting(stream, entry) for entry in reply[1]]
        return found

    async def done(self, entries: Sequence[Waiting]) -> None:
        """Let go of them for good."""
        for stream in {entry.stream for entry in entries}:
            ids = [entry.id for entry in entries if entry.stream == stream]
            # In this order: an entry that is gone is let go by whoever claims it, one that is not would stay for ever.
            await self._ask(pack("XDEL", stream, *ids), pack("XACK", stream, GROUP, *ids))

    async def put_aside(self, entry: Waiting, reason: str) -> None:
        """Out of the others' way, for somebody to look at."""
        keep = pack("XADD", self._aside, "MAXLEN", "~", ASIDE_MAX, "*", "e", entry.data, "r", reason)
        await self._ask(keep)
        await self.done([entry])

    async def _read(self, count: int, after: Sequence[str], block: float) -> list[Waiting]:
        blocking = ("BLOCK", max(1, round(block * 1000))) if block else ()
        head = ("XREADGROUP", "GROUP", GROUP, self._name, "COUNT", count, *blocking, "STREAMS")
        reply = await self._ask(pack(*head, *self._streams, *after), wait=block)
        pairs = reply.items() if isinstance(reply, dict) else reply or ()
        return [_waiting(stream.decode(), entry) for stream, entries in pairs for entry in _flat(entries)]

    async def _ask(self, *commands: bytes, wait: float = 0) -> Reply:
        """The first reply. Makes the group where there is none, as in a store that is new."""
        for is_again in (False, True):
            replies = await self._link.ask(commands, self._limit + wait)
            failed = next((reply for reply in replies if isinstance(reply, ResponseError)), None)
            if failed is None:
                return replies[0]
            if is_again or "NOGROUP" not in str(failed):
                raise failed
            made = [pack("XGROUP", "CREATE", stream, GROUP, "0", "MKSTREAM") for stream in self._streams]
            await self._link.ask(made, self._limit)  # that one is there already is no failure
        raise AssertionError


def _flat(entries: Reply) -> Reply:
    """The newer version of the protocol puts a list around them."""
    return entries[0] if len(entries) == 1 and entries[0] and isinstance(entries[0][0], list) else entries


def _waiting(stream: str, entry: Reply) -> Waiting:
    id_, fields = entry
    fields = [part for pair in fields.items() for part in pair] if isinstance(fields, dict) else fields or []
    pairs = dict(zip(fields[::2], fields[1::2], strict=True))
    return Waiting(stream, id_.decode(), pairs.get(b"e", b""))
