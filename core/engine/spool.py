"""A local file for events that come while the store cannot take them, from sources that will not send them again."""

import asyncio
import contextlib
import fcntl
import itertools
import os
import random
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import msgspec
import structlog

from core.engine.engine import Engine, Taken
from core.engine.keys import shard_of
from core.errors import IntakeError, StoreError
from core.events import Accepted

log = structlog.get_logger(__name__)

HEAD = struct.Struct(">II")
"""Length and checksum, before each record."""
HELD_MAX = 100
"""Events that may wait in the file for room in the mailbox of one conversation; its user is asked to wait then."""
DEDUPE_MS = 86_400_000
DEAD_MAX = 10_000
"""For what is buried, as the engine has them for what it accepts."""


class Offer(msgspec.Struct, frozen=True, array_like=True):
    """An event as it was offered."""

    conversation: str
    envelope: bytes
    uids: list[str]
    cursor: tuple[str, str, str] | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Offer).decode


class SpoolFile:
    """Records one behind the other. What a crash cut off at the end was promised to nobody and is dropped."""

    def __init__(self, path: Path) -> None:
        """Raises BlockingIOError where another process has the file."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise
        _sync_directory(path.parent)
        self.size = 0
        while (found := self.read(self.size)) is not None:
            self.size = found[1]
        os.ftruncate(self._file, self.size)

    @classmethod
    def own(cls, path: Path) -> "SpoolFile":
        """A file that no other process writes, under this name or the next free one, with what the dead have left."""
        for number in itertools.count():
            try:
                mine = cls(path.with_stem(f"{path.stem}-{number}") if number else path)
                break
            except BlockingIOError:
                continue
        for other in sorted(path.parent.glob(f"{path.stem}*{path.suffix}")):
            if other != mine.path:
                with contextlib.suppress(BlockingIOError):
                    mine.take_over(cls(other))
        return mine

    def take_over(self, other: "SpoolFile") -> None:
        """Put the records of another behind these, and remove it."""
        at = 0
        while (found := other.read(at)) is not None:
            self.append([found[0]])
            at = found[1]
        other.path.unlink()
        other.close()

    def append(self, records: Sequence[bytes]) -> None:
        """Return when they are on the disk: all of them, or none and an OSError."""
        data = b"".join(HEAD.pack(len(record), crc32(record)) + record for record in records)
        try:
            if os.pwrite(self._file, data, self.size) != len(data):
                raise OSError("the disk is full")
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += len(data)

    def read(self, at: int) -> tuple[bytes, int] | None:
        """The record at an offset, and the offset of the next; None at the end."""
        head = os.pread(self._file, HEAD.size, at)
        if len(head) < HEAD.size:
            return None
        length, checksum = HEAD.unpack(head)
        record = os.pread(self._file, length, at + HEAD.size)
        if not length or len(record) < length or crc32(record) != checksum:
            return None  # a power cut may also leave zeros
        return record, at + HEAD.size + length

    def clear(self) -> None:
        os.ftruncate(self._file, 0)
        self.size = 0

    def close(self) -> None:
        os.close(self._file)


@dataclass(slots=True)
class _Held:
    """What waits for room in the mailbox of one conversation."""

    since: float
    """When the first of it could not be handed over, or the last before it was, by the loop's clock."""
    at: deque[int] = field(default_factory=deque)
    """Where its records begin in the file."""


class SpooledInbox:
    """An inbox that takes events while the store is away, and hands them over in order when it is back.

    As long as anything is in the file, what comes goes behind it, so the order of a conversation holds. A crash while
    handing over offers some again, which the store knows as duplicates. What then finds its mailbox full waits in the
    file until there is room, with all that comes behind it in that conversation, while the others go on; where no room
    comes for `patience` seconds, it is a dead letter.
    """

    def __init__(
        self,
        engine: Engine,
        path: Path,
        *,
        size_max: int = 256 * 2**20,
        pause: float = 1.0,
        patience: float = 3600.0,
    ) -> None:
        """`size_max`: bytes on the disk. `pause`: seconds between attempts to hand over."""
        self._engine = engine
        self._file = SpoolFile.own(path)
        self._size_max = size_max
        self._pause = pause
        self._patience = patience
        self._held: dict[str, _Held] = {}
        self._try_at = 0.0
        self._coming: list[tuple[bytes, asyncio.Future[None]]] = []
        self._coming_size = 0
        self._writer: asyncio.Task[None] | None = None
        self._filled = asyncio.Event()
        if self._file.size:
            self._filled.set()

    async def accept(
        self,
        conversation: str,
        envelope: bytes,
        uids: Sequence[str],
        cursor: tuple[str, str, str] | None = None,
        hold: float = 0,
    ) -> Accepted:
        """As `Engine.accept`; also NEW when the event is in the file. Raises IntakeError when that is full."""
        return (await self.take(conversation, envelope, uids, cursor, hold)).outcome

    async def take(
        self,
        conversation: str,
        envelope: bytes,
        uids: Sequence[str],
        cursor: tuple[str, str, str] | None = None,
        hold: float = 0,
    ) -> Taken:
        """As `accept`, and tells the event's number; in the file it has none."""
        held = self._held.get(conversation)
        if held is not None and len(held.at) >= HELD_MAX:
            return Taken(Accepted.FULL)
        if held is None and not self._filled.is_set():
            try:
                return await self._engine.take(conversation, envelope, uids, cursor, hold)
            except IntakeError as error:
                log.warning("the store takes no events; they go to the spool", error=str(error))
        await self._keep(_encode(Offer(conversation, envelope, list(uids), cursor)))
        return Taken(Accepted.NEW)

    async def run(self) -> None:
        """Hand over what is in the file, whenever there is something."""
        at = 0
        while True:
            if (found := self._file.read(at)) is not None:
                await self._take(_decode(found[0]), at)
                at = found[1]
            elif self._writer is not None:
                await asyncio.wait([self._writer])
            else:
                if at != self._file.size:
                    log.error("the spool is damaged; a part of it is lost", bytes=self._file.size - at)
                self._filled.clear()
                if not self._held:
                    self._file.clear()
                at = self._file.size
                await self._news()
            if self._held and asyncio.get_running_loop().time() >= self._try_at:
                await self._try_again()

    async def close(self) -> None:
        """To be called after `run` has ended."""
        if self._writer is not None:
            await asyncio.wait([self._writer])
        self._file.close()

    async def _keep(self, record: bytes) -> None:
        size = HEAD.size + len(record)
        if self._file.size + self._coming_size + size > self._size_max:
            raise IntakeError("the store takes no events and the spool is full")
        self._filled.set()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._coming.append((record, future))
        self._coming_size += size
        if self._writer is None:
            self._writer = loop.create_task(self._write())
        await future

    async def _write(self) -> None:
        """Write in one piece what has come while the disk was busy."""
        while self._coming:
            coming, self._coming = self._coming, []
            failure = None
            try:
                await asyncio.to_thread(self._file.append, [record for record, _ in coming])
            except OSError as error:
                failure = error
            for record, future in coming:
                self._coming_size -= HEAD.size + len(record)
                if future.done():
                    continue
                if failure is None:
                    future.set_result(None)
                else:
                    future.set_exception(IntakeError(f"the spool cannot be written: {failure}"))
        self._writer = None

    async def _news(self) -> None:
        """Wait until something is in the file, or what is held is to be tried again."""
        pause = self._try_at - asyncio.get_running_loop().time() if self._held else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._filled.wait()

    async def _take(self, offer: Offer, at: int) -> None:
        held = self._held.get(offer.conversation)
        if held is not None:
            held.at.append(at)
        elif not await self._handed_over(offer):
            log.warning("an event waits in the spool: its mailbox is full", conversation=offer.conversation)
            now = asyncio.get_running_loop().time()
            self._held[offer.conversation] = _Held(now, deque([at]))
            self._try_at = now + self._pause

    async def _try_again(self) -> None:
        """Hand over what has room by now, in order; give up on what has had none for too long."""
        loop = asyncio.get_running_loop()
        for conversation, held in list(self._held.items()):
            while held.at:
                if (found := self._file.read(held.at[0])) is None:
                    log.error("the spool is damaged; an event of it is lost", conversation=conversation)
                elif await self._handed_over(offer := _decode(found[0])):
                    held.since = loop.time()
                elif loop.time() - held.since < self._patience:
                    break
                else:
                    await self._bury(offer)
                held.at.popleft()
            else:
                del self._held[conversation]
        self._try_at = loop.time() + self._pause

    async def _handed_over(self, offer: Offer) -> bool:
        """Offer it until the store answers; False where its mailbox is full."""
        while True:
            try:
                accepted = await self._engine.accept(offer.conversation, offer.envelope, offer.uids, offer.cursor)
            except IntakeError:
                await asyncio.sleep(self._pause * random.uniform(0.5, 1.0))
                continue
            return accepted is not Accepted.FULL

    async def _bury(self, offer: Offer) -> None:
        shards = self._engine.shards
        shard = shards[shard_of(offer.conversation, len(shards))]
        keys = [shard.cnt, shard.dl, *(shard.dd + uid for uid in offer.uids)]
        reason = f"its mailbox was full for {self._patience:g} s"
        while True:
            try:
                await self._engine.call("bury", keys, (offer.conversation, offer.envelope, DEDUPE_MS, DEAD_MAX, reason))
                break
            except StoreError:
                await asyncio.sleep(self._pause * random.uniform(0.5, 1.0))
        log.error("an event became a dead letter", conversation=offer.conversation, reason=reason)


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
