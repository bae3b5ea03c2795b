"""Keeps each channel alive by itself: one task each, named states, back-off; one that is sick touches no other."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import structlog

from core import metrics
from core.adapter import Adapter, Route, Settings
from core.bot import Bot
from core.errors import BadCredentials, NotReady, StoreError

log = structlog.get_logger(__name__)

_CANCELS = 5
"""How often a channel's task is cancelled within `stop_limit`."""


class State(StrEnum):
    OFF = "off"
    """Not wanted: `enabled: false`, or `auto` and secrets are missing."""
    STARTING = "starting"
    RUNNING = "running"
    NOT_READY = "not ready"
    """The platform cannot be reached; tried again by itself."""
    BAD_CREDENTIALS = "bad credentials"
    """An admin must act; tried again when the settings change."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of a channel's life."""

    first_retry: float = 1.0
    longest_retry: float = 60.0
    healthy_after: float = 300.0
    """So long running, and the next back-off starts small again."""
    probe_every: float = 5.0
    start_limit: float = 30.0
    drain_limit: float = 1.0
    """What is not finished by then is taken up again when the channel is back."""
    stop_limit: float = 5.0
    lease_every: float = 1.0
    """Between two looks whether another process still has what this channel needs."""


@dataclass
class Channel:
    """A configured connection and its life."""

    name: str
    settings: Settings
    bot: Bot[Any]
    build: Callable[[], Adapter[Any]]
    """A new adapter; imports the platform's SDK."""
    pace: Pace = Pace()
    lease: Callable[[str], AbstractAsyncContextManager[asyncio.Event]] | None = None
    """Makes us the only one who uses what is named: entered, raises NotReady while another does; yields what is set
    when that is over, a `stop_limit` before another may begin."""
    on_running: Callable[[], Awaitable[object]] | None = None
    """Called when it is running: what waited for it may go on."""
    state: State = State.OFF
    detail: str = ""
    """Connected as whom, or why not and what to do."""
    adapter: Adapter[Any] | None = None
    """Only while running and not about to stop."""
    redelivers: bool = True
    """Its platform brings again what was not acknowledged; known once an adapter was built."""
    elsewhere: bool = False
    """Another process has what this channel needs, and answers its events."""
    restarts: int = 0
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the first attempt to start has ended, well or not."""
    _task: asyncio.Task[None] | None = None
    _parting: asyncio.Task[None] | None = None
    _ending: asyncio.Task[None] | None = None
    _began: float = 0.0
    _turns: int = 0
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def routes(self) -> Iterable[Route]:
        return self.adapter.routes() if self.adapter else ()

    def start(self) -> None:
        """Begin to live, once; `settled` tells when the first attempt is over."""
        if (off := why_off(self.settings)) is not None:
            self._now(State.OFF, off)
            self.settled.set()
            return
        self._task = asyncio.create_task(self._live(), name=f"channel {self.name}")

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Held while an answer is made: `stop` waits for these."""
        self._turns += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._turns -= 1
            if not self._turns:
                self._idle.set()

    async def idle(self, limit: float) -> None:
        """Wait until no turn is under way, at most `limit` seconds."""
        if not self._turns:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._idle.wait()

    async def stop(self) -> None:
        """Begin no more turns, let those under way finish for a moment, and let go of the platform.

        Returns when that is done, also when it was under way already."""
        self.adapter = None
        self.settled.set()
        if self._task is None:
            return
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(self._task), name=f"end {self.name}")
        await asyncio.shield(self._ending)

    async def _end(self, life: asyncio.Task[None]) -> None:
        for _ in range(_CANCELS):  # a cancellation may be swallowed by what the adapter was in the middle of
            life.cancel()
            await asyncio.wait([life], timeout=self.pace.stop_limit / _CANCELS)
            if life.done():
                break
        else:
            await log.awarning("channel cannot be cancelled and is left behind", channel=self.name)
        if self._parting is not None:
            await self._parting
        self._now(State.STOPPED, "")

    async def _live(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while self._ending is None:
            self._began = loop.time()
            try:
                await self._run()
            except BadCredentials as error:
                self._now(State.BAD_CREDENTIALS, str(error))
                return
            except NotReady as error:
                self._now(State.NOT_READY, str(error))
            except Exception as error:  # noqa: BLE001
                # A fault of the adapter itself: the channel is tried again, and the rest of the hub goes on.
                await log.aexception("channel failed", channel=self.name)
                # Not its words: anybody may read them in /health, and they may hold a token.
                self._now(State.NOT_READY, f"{type(error).__name__}: see the log")
            finally:
                self.settled.set()
            if self._parting is not None:
                await asyncio.shield(self._parting)
            failures = 1 if loop.time() - self._began > self.pace.healthy_after else failures + 1
            self.restarts += 1
            metrics.count("channel_restarts_total", channel=self.name)
            await asyncio.sleep(backoff(failures, self.pace))

    async def _run(self) -> None:
        """Start, and watch until there is no more proof of life, or no right to be the one."""
        async with AsyncExitStack() as held:
            lost = await self._hold(held)
            self._began = asyncio.get_running_loop().time()
            self._now(State.STARTING, "")
            adapter = self.build()
            self.redelivers = adapter.capabilities.redelivers
            try:
                async with _until(lost):
                    await self._watch(adapter)
            except TimeoutError as error:
                raise NotReady(f"no answer within {self.pace.start_limit:g} s") from error
            finally:
                self.adapter = None
                # A task of its own: what cancels this one must not cut it short.
                parting = self._let_go(adapter, held.pop_all(), hurry=lost is not None and lost.is_set())
                self._parting = asyncio.create_task(parting, name=f"let go {self.name}")

    async def _hold(self, held: AsyncExitStack) -> asyncio.Event | None:
        """Wait until nobody else uses what only one process may use; returns what is set when that is over."""
        if self.lease is None or self.settings.exclusive is None:
            return None
        try:
            while True:
                try:
                    return await held.enter_async_context(self.lease(self.settings.exclusive))
                except NotReady as error:
                    self.elsewhere = True
                    self._now(State.NOT_READY, str(error))
                    self.settled.set()
                await asyncio.sleep(self.pace.lease_every * random.uniform(0.5, 1.0))
        finally:
            self.elsewhere = False

    async def _watch(self, adapter: Adapter[Any]) -> None:
        """Returns only when the channel is to end. Raises what the adapter raises, or TimeoutError."""
        async with asyncio.timeout(self.pace.start_limit):
            await adapter.start()
        if self._ending is not None:
            return  # it was left behind
        self.adapter = adapter
        self._now(State.RUNNING, adapter.health.identity)
        self.settled.set()
        if self.on_running is not None:
            try:
                await self.on_running()
            except StoreError as error:
                log.warning("what waits for a channel is taken up later", channel=self.name, error=str(error))
        while self._ending is None:
            await asyncio.sleep(self.pace.probe_every)
            async with asyncio.timeout(self.pace.start_limit):
                await adapter.probe()

    async def _let_go(self, adapter: Adapter[Any], held: AsyncExitStack, *, hurry: bool) -> None:
        """Stop it when the turns under way have had their moment, then give back what was held for it.

        No platform is waited for for ever: a task that hangs is left behind."""
        async with held:
            if not hurry:
                await self.idle(self.pace.drain_limit)
            stopping = asyncio.create_task(adapter.stop(), name=f"stop {self.name}")
            await asyncio.wait([stopping], timeout=self.pace.stop_limit)
            if not stopping.done():
                stopping.cancel()
                await log.awarning("channel did not stop in time", channel=self.name)
            elif not stopping.cancelled() and (error := stopping.exception()) is not None:
                await log.awarning("channel stopped badly", channel=self.name, error=repr(error))

    def _now(self, state: State, detail: str) -> None:
        if (state, detail) != (self.state, self.detail):
            log.info("channel", channel=self.name, state=str(state), detail=detail)
        self.state, self.detail = state, detail


@contextlib.asynccontextmanager
async def _until(lost: asyncio.Event | None) -> AsyncIterator[None]:
    """Cut the body short when this is set. Raises NotReady then."""
    if lost is None:
        yield
        return

    async def cut() -> None:
        await lost.wait()
        scope.reschedule(0)

    watching = None
    try:
        async with asyncio.timeout(None) as scope:
            watching = asyncio.create_task(cut())
            yield
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise NotReady("another process may have this bot now") from error
    finally:
        if watching is not None:
            watching.cancel()


def backoff(failures: int, pace: Pace) -> float:
    """Seconds to wait after so many failures in a row: exponential, jittered so that hubs do not march in step."""
    ceiling = min(pace.longest_retry, pace.first_retry * 2 ** (min(failures, 32) - 1))
    return random.uniform(ceiling / 2 if failures == 1 else 0, ceiling)


def why_off(settings: Settings) -> str | None:
    """Why a channel is not to run; None where it is."""
    if settings.enabled is False:
        return "turned off"
    missing = [
        f"{key} ({settings.environment[key]})" if key in settings.environment else key for key in settings.missing()
    ]
    if not missing:
        return None
    return f"missing: {', '.join(missing)}"


class Supervisor:
    """All channels of the process."""

    def __init__(self) -> None:
        self.channels: dict[str, Channel] = {}

    def start(self, channels: Iterable[Channel]) -> None:
        """Begin with these; a channel of the same name must have been stopped before."""
        for channel in channels:
            self.channels[channel.name] = channel
            channel.start()

    async def stop(self, names: Iterable[str] | None = None) -> None:
        """Stop the named channels, or all, side by side."""
        wanted = list(self.channels if names is None else names)
        await asyncio.gather(*(self.channels[name].stop() for name in wanted))

    async def settled(self, limit: float) -> None:
        """Wait until every channel has come up or has said why not, at most `limit` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                for channel in list(self.channels.values()):
                    await channel.settled.wait()
