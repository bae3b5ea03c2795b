"""Takes conversations whose turn has come, a task for each turn, and lives on while the store comes and goes."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog
from redis.exceptions import RedisError

from core.cancel import cancelled
from core.engine.engine import Claim, Engine, Failure, Stale
from core.errors import StoreError, Throttled, Unavailable, Unconfirmed

log = structlog.get_logger(__name__)

POLL = 2.0
"""Seconds between looks of an idle worker: what a process left in the instant it died waits no longer."""
SWEEP = 60.0
"""Seconds between sweeps."""


class Worker:
    """A name belongs to one living process: what an earlier process of that name held is taken over at the start."""

    def __init__(
        self,
        engine: Engine,
        turn: Callable[[Claim], Awaitable[None]],
        *,
        name: str,
        concurrency: int = 256,
        patience: float = 3600.0,
    ) -> None:
        """`turn` stages, commits or fails by itself. When it raises, the event is tried again later, and is a dead
        letter after the engine's `max_tries`.

        Tries during which the store or the platform was away do not count. `patience`: seconds for which a platform
        may be away until the event is a dead letter."""
        self._engine = engine
        self._turn = turn
        self._name = name
        self._patience = patience
        self._free = concurrency
        self._turns: dict[asyncio.Task[None], Claim] = {}
        self._dirty: set[int] = set()
        self._look = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._draining = False
        self._claiming = asyncio.Event()
        self._claiming.set()
        self._drained = asyncio.Event()

    async def run(self) -> None:
        """Work until drained. Cancelled, it stops like a process that died: others take over after the lease.

        Raises what a part of it died of: without any of them, turns would be lost or hang for ever."""
        self._engine.nudge = self.nudge
        self._claiming.clear()
        work = asyncio.create_task(self._work(), name="claim")
        keepers = [
            asyncio.create_task(self._listen(), name="listen"),
            asyncio.create_task(self._keep(), name="keep"),
            asyncio.create_task(self._sweep(), name="sweep"),
        ]
        try:
            ended, _ = await asyncio.wait([work, *keepers], return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                if task.cancelled() or (task is not work and task.exception() is None):
                    raise RuntimeError(f"a part of the worker ended by itself: {task.get_name()}")
                task.result()
        finally:
            self._claiming.set()
            await cancelled([work, *keepers, *self._turns])

    async def _work(self) -> None:
        await self._claim()
        self._claiming.set()
        await self._drained.wait()

    async def drain(self, limit: float = 25.0) -> None:
        """Take nothing more, let turns end for `limit` seconds, hand the others on at once."""
        self._draining = True
        self._look.set()
        await self._claiming.wait()
        if self._turns:
            await asyncio.wait(self._turns, timeout=limit)
        cut = dict(self._turns)
        for task in cut:
            task.cancel()
        if cut:
            await asyncio.wait(cut, timeout=1.0)
        for released in await asyncio.gather(*map(self._release, cut.values()), return_exceptions=True):
            if isinstance(released, StoreError):
                log.warning("a turn could not be handed on; its lease must run out", error=str(released))
        self._drained.set()

    def nudge(self, shard: int) -> bool:
        """There is something to claim. True when it will be claimed at once."""
        self._dirty.add(shard)
        if self._draining or self._free <= 0:
            return False
        self._look.set()
        return True

    def _nudge_all(self) -> None:
        for shard in self._engine.shards:
            self.nudge(shard.number)

    async def _claim(self) -> None:
        self._nudge_all()
        known = 0
        timers: dict[int, asyncio.TimerHandle] = {}
        try:
            while not self._draining:
                if not self._dirty or self._free <= 0:
                    self._look.clear()
                    await self._look.wait()
                    continue
                shard, count = self._dirty.pop(), self._free
                try:
                    if known != self._engine.connections or not known:
                        await self._take_over()
                        known = self._engine.connections
                    found = await self._engine.claim(self._name, count, shard)
                except StoreError as error:
                    self._dirty.add(shard)
                    await self._pause(error)
                    continue
                if found.due_in is not None:
                    if shard in timers:
                        timers[shard].cancel()
                    later = asyncio.get_running_loop().call_later
                    timers[shard] = later(found.due_in + 0.001, self.nudge, shard)
                if len(found.claims) == count:
                    self._dirty.add(shard)
                for claim in found.claims:
                    self._start(claim)
        finally:
            for timer in timers.values():
                timer.cancel()

    def _start(self, claim: Claim) -> None:
        task = asyncio.create_task(self._one(claim))
        self._turns[task] = claim
        self._free -= 1
        if self._free <= 0:
            self._room.clear()
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._turns[task]
        self._free += 1
        self._room.set()
        if self._dirty:
            self._look.set()

    async def _one(self, claim: Claim) -> None:
        try:
            await self._turn(claim)
        except Stale:
            log.warning("a turn was taken over by another worker", conversation=claim.conversation)
        except Exception as error:  # noqa: BLE001 - the edge of one message
            await self._try_again(claim, error)

    async def _try_again(self, claim: Claim, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        kind, delay, patience = self._what_next(claim, error)
        while True:
            try:
                is_dead = await self._engine.fail(claim, kind, delay=delay, reason=reason, patience=patience, limit=0)
            except Stale:
                log.warning("a turn was taken over by another worker", conversation=claim.conversation)
                return
            except StoreError as outage:
                if self._draining:
                    log.warning(
                        "a turn could not be handed on; its lease must run out", error=str(outage), exc_info=error
                    )
                    return
                await self._pause(outage)
                continue
            break
        if is_dead or kind == "dead":
            log.error("an event became a dead letter", conversation=claim.conversation, reason=reason, exc_info=error)
        else:
            log.warning("a turn failed and is tried again", conversation=claim.conversation, exc_info=error)

    def _what_next(self, claim: Claim, error: Exception) -> tuple[Failure, float, float]:
        """The kind of failure, the delay and the patience."""
        jitter = random.uniform(0.5, 1.0)
        match error:
            case StoreError():
                return "wait", jitter, 0
            case Throttled(retry_after=seconds):
                return "wait", seconds + jitter, self._patience
            case Unavailable() | Unconfirmed():
                return "wait", jitter, self._patience
            case _ if claim.tries >= self._engine.max_tries:
                return "dead", 0, 0
        return "retry", jitter * min(60.0, 2.0 ** (claim.tries - 1)), 0

    async def _release(self, claim: Claim) -> None:
        try:
            await self._engine.fail(claim, "release", limit=0)
        except Stale:
            return

    async def _listen(self) -> None:
        """Hear from other processes that there is something to claim."""
        link = self._engine.link()
        try:
            while True:
                await self._room.wait()  # a full worker would take the call from one that has room
                try:
                    shard = await self._engine.wait(link, POLL)
                except (RedisError, OSError) as error:
                    await self._pause(error)
                    shard = None
                if shard is None:
                    self._nudge_all()
                else:
                    self.nudge(shard)
        finally:
            await link.close()

    async def _keep(self) -> None:
        """Renew the leases of our turns, and only then take back what others let run out.

        After an outage all leases may have run out, so each worker has a round to renew its own first."""
        known = self._engine.connections
        while True:
            await asyncio.sleep(self._engine.lease / 3 * random.uniform(0.8, 1.0))
            turns = list(self._turns.values())
            try:
                await (self._engine.beat(self._name, turns) if turns else self._engine.command("PING"))
                if known != self._engine.connections:
                    known = self._engine.connections
                    continue
                await self._engine.reap(keep=turns)
            except StoreError:
                continue  # the claims report the outage

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP * random.uniform(0.8, 1.2))
            try:
                repaired = await self._engine.sweep()
            except StoreError:
                continue
            if repaired:
                log.error("conversations had lost their token", count=repaired)

    async def _take_over(self) -> None:
        """Take back what the store thinks this worker holds: from before its start, or because a reply was lost."""
        taken = await self._engine.reap(self._name, self._turns.values())
        if taken:
            log.info("took over turns that were cut off", count=taken)

    async def _pause(self, error: Exception) -> None:
        log.warning("waiting for the store", error=str(error))
        await asyncio.sleep(random.uniform(0.1, 0.5))
