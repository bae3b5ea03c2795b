"""A local file for events that come while the store cannot take them, from sources that will not send them again."""

import asyncio
import contextlib
import fcntl
import itertools
import os
import random
import struct
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import msgspec
import structlog

from core.engine.engine import Engine
from core.errors import IntakeError
from core.events import Accepted

log = structlog.get_logger(__name__)

HEAD = struct.Struct(">II")
"""Length and checksum, before each record."""


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


class SpooledInbox:
    """An inbox that takes events while the store is away, and hands them over in order when it is back.

    As long as anything is in the file, what comes goes behind it, so the order of a conversation holds. A crash while
    handing over offers some again, which the store knows as duplicates. What then finds its mailbox full is dropped, as
    it would have been without an outage.
    """

    def __init__(self, engine: Engine, path: Path, *, size_max: int = 256 * 2**20, pause: float = 1.0) -> None:
        """`size_max`: bytes on the disk. `pause`: seconds between attempts to hand over."""
        self._engine = engine
        self._file = SpoolFile.own(path)
        self._size_max = size_max
        self._pause = pause
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
        if not self._filled.is_set():
            try:
                return await self._engine.accept(conversation, envelope, uids, cursor, hold)
            except IntakeError as error:
                log.warning("the store takes no events; they go to the spool", error=str(error))
        await self._keep(_encode(Offer(conversation, envelope, list(uids), cursor)))
        return Accepted.NEW

    async def run(self) -> None:
        """Hand over what is in the file, whenever there is something."""
        at = 0
        while True:
            await self._filled.wait()
            found = self._file.read(at)
            if found is not None:
                await self._hand_over(_decode(found[0]))
                at = found[1]
                continue
            if self._writer is not None:
                await asyncio.wait([self._writer])
            else:
                if at != self._file.size:
                    log.error("the spool is damaged; the rest of it is lost", bytes=self._file.size - at)
                self._file.clear()
                self._filled.clear()
                at = 0

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

    async def _hand_over(self, offer: Offer) -> None:
        while True:
            try:
                result = await self._engine.accept(offer.conversation, offer.envelope, offer.uids, offer.cursor)
            except IntakeError:
                await asyncio.sleep(self._pause * random.uniform(0.5, 1.0))
                continue
            if result is Accepted.FULL:  # one conversation must not hold up the others
                log.warning("an event from the spool was dropped: its mailbox is full", conversation=offer.conversation)
            return


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
