"""Carries turns from the store into the archive, and lets go of them there only when they are kept here."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import structlog
from redis.exceptions import RedisError

from core.archive.erased import Erased, clock
from core.archive.errors import ArchiveAway, ArchiveRefusal
from core.archive.record import Entry, TakenBack, read
from core.archive.source import Source, Waiting
from core.engine.engine import Engine
from core.errors import HubError

if TYPE_CHECKING:
    from core.archive.archive import Archive

log = structlog.get_logger(__name__)

BATCH = 500
GATHER = 0.2
"""Seconds for which turns gather, so that they share a transaction."""
POLL = 2.0
TAKE_OVER = 60.0
"""Seconds after which what another process holds is taken from it."""
EXPIRE = 3600.0
PAUSES = (0.5, 30.0)
"""Seconds between tries while a part is away: the first, and the longest."""


class Feed:
    """Nothing waits for it: while the archive is away, turns wait in the store."""

    def __init__(
        self,
        engine: Engine,
        archive: "Callable[[], AbstractAsyncContextManager[Archive]]",
        *,
        name: str,
        retention: Callable[[], Mapping[str, timedelta | None]] = dict,
        erased: Erased | None = None,
        gather: float = GATHER,
        poll: float = POLL,
        take_over: float = TAKE_OVER,
        pauses: tuple[float, float] = PAUSES,
        delay: float = 0,
    ) -> None:
        """`archive`: opens it. `name`: as a worker's. `retention`: how long each channel keeps turns. `erased`: is kept
        up to date on the way. `delay`: seconds for which what else starts goes first."""
        self._delay = delay
        self._engine = engine
        self._open = archive
        self._name = name
        self._retention = retention
        self._erased = erased
        self._gather = gather
        self._poll = poll
        self._take_over = take_over
        self._pauses = pauses
        self.archive: Archive | None = None
        """While it is open."""
        self.trouble = ""
        """Why nothing is being archived now."""
        self.counts: Counter[str] = Counter()
        """kept, erased, deleted, aside, expired: turns."""

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.sleep(self._delay)
        pause = self._pauses[0]
        while True:
            before = self.counts.total()
            try:
                async with self._open() as self.archive:
                    await self._carry(self.archive)
            except (ArchiveAway, RedisError, OSError, HubError) as error:
                if self.counts.total() > before:
                    pause = self._pauses[0]
                self.trouble = str(error) or type(error).__name__
                log.warning("nothing can be archived now; turns wait in the store", error=self.trouble)
            finally:
                self.archive = None
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, self._pauses[1])

    async def _carry(self, archive: "Archive") -> None:
        source = Source(self._engine, self._name)
        loop = asyncio.get_running_loop()
        take_over = expire = loop.time()
        try:
            while held := await source.held(BATCH):
                await self._keep(held, source, archive)
            while True:
                if loop.time() >= take_over:
                    await self._rest(source, archive)
                    take_over = loop.time() + self._take_over / 2
                if loop.time() >= expire:
                    await self._expire(archive)
                    expire = loop.time() + EXPIRE
                entries = await source.new(BATCH, self._poll)
                if entries and len(entries) < BATCH and self._gather:
                    await asyncio.sleep(self._gather)
                    entries += await source.new(BATCH - len(entries), 0)
                if self._erased is not None:
                    await self._erased.refresh()
                await self._keep(entries, source, archive)
                self.trouble = ""
        finally:
            await source.close()

    async def _rest(self, source: Source, archive: "Archive") -> None:
        """Take over what other processes have left."""
        while left := await source.take_over(BATCH, self._take_over):
            await self._keep(left, source, archive)

    async def _expire(self, archive: "Archive") -> None:
        expired = await archive.expire(self._retention(), await clock(self._engine))
        self.counts["expired"] += expired
        if expired:
            log.info("turns were deleted that are older than their channel keeps them", count=expired)

    async def _keep(self, waiting: Sequence[Waiting], source: Source, archive: "Archive") -> None:
        batch: list[Waiting] = []
        turns: list[Entry] = []
        taken_back: list[TakenBack] = []
        for each in waiting:
            if not each.data:
                await source.done([each])
                continue
            try:
                record = read(each.data)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                await self._put_aside(each, source, str(error))
                continue
            batch.append(each)
            if isinstance(record, TakenBack):
                taken_back.append(record)
            else:
                turns.append(Entry(each.name, each.time, record))
        if not batch:
            return
        try:
            dropped = await archive.add(turns) if turns else 0
            emptied = await archive.take_back(taken_back) if taken_back else 0
        except ArchiveRefusal as error:
            if len(batch) == 1:
                await self._put_aside(batch[0], source, str(error))
                return
            half = len(batch) // 2
            for part in (batch[:half], batch[half:]):
                await self._keep(part, source, archive)
            return
        await source.done(batch)
        self.counts["kept"] += len(turns) - dropped
        self.counts["erased"] += dropped
        self.counts["deleted"] += emptied

    async def _put_aside(self, entry: Waiting, source: Source, reason: str) -> None:
        await source.put_aside(entry, reason)
        self.counts["aside"] += 1
        log.error("a turn could not be archived and was put aside", entry=entry.id, reason=reason)
