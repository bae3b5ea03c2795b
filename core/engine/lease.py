"""Leader leases: what only one process at a time may use, given up before it could run out in the store."""

import asyncio
import contextlib
import secrets
from datetime import UTC, datetime
from types import TracebackType

import structlog

from core.engine.engine import Engine
from core.errors import NotReady, StoreError

log = structlog.get_logger(__name__)


class Lease:
    """Held while the body runs. What it yields is set when it is lost: stop using the resource at once.

    That is `spare` seconds before anybody else can get it, by our own monotonic clock, which is looked at before
    anything else when a process wakes up. The holder's name belongs to one living process: after a crash it has its
    lease back at once, while others wait until it has run out.
    """

    def __init__(
        self,
        engine: Engine,
        resource: str,
        holder: str,
        *,
        length: float = 15.0,
        renew_every: float = 5.0,
        spare: float = 6.0,
    ) -> None:
        """Times are in seconds; `spare` is what it takes to stop using the resource."""
        self._engine = engine
        self._resource = resource
        self._key = f"{engine.prefix}:lease:{resource}"
        self._holder = holder
        self._length = length
        self._renew_every = renew_every
        self._usable = length - spare
        self._value = b""
        self._lost = asyncio.Event()
        self._end: asyncio.TimerHandle | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> asyncio.Event:
        """Raises NotReady when another has it, or the store does not answer."""
        asked = asyncio.get_running_loop().time()
        args = (self._holder, secrets.token_hex(8), round(self._length * 1000))
        try:
            is_ours, value = await self._engine.call("lease", [self._key], args)
        except StoreError as error:
            raise NotReady(str(error)) from error
        if not is_ours:
            since = datetime.fromtimestamp(int(value), UTC)
            raise NotReady(f"another process has this bot (since {since:%Y-%m-%d %H:%M:%S} UTC)")
        self._value = value
        self._lost = asyncio.Event()
        self._usable_from(asked)
        self._keeper = asyncio.create_task(self._keep(), name=f"lease {self._resource}")
        return self._lost

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Others may have it at once. Where the store is away, it runs out by itself."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._end is not None:
            self._end.cancel()
        with contextlib.suppress(StoreError):
            await self._engine.call("release", [self._key], (self._value,))

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        pause = self._renew_every
        while True:
            await asyncio.sleep(pause)
            if self._lost.is_set():
                return
            asked = loop.time()
            try:
                is_kept = await self._engine.call("renew", [self._key], (self._value, round(self._length * 1000)))
            except StoreError as error:
                log.warning("a lease could not be renewed", resource=self._resource, error=str(error))
                pause = self._renew_every / 10
                continue
            pause = self._renew_every
            if not is_kept:
                self._lose()
                return
            self._usable_from(asked)

    def _usable_from(self, asked: float) -> None:
        """The store counts from when it got our call, which is later."""
        if self._lost.is_set():
            return
        if self._end is not None:
            self._end.cancel()
        self._end = asyncio.get_running_loop().call_at(asked + self._usable, self._lose)

    def _lose(self) -> None:
        if not self._lost.is_set():
            log.warning("a lease is lost", resource=self._resource)
        self._lost.set()
