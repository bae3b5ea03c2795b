"""What all simulators share: what a user sees, faults on demand, a log of the wire, and a server on loopback."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from aiohttp import web

from core.site import Site
from simulators.limits import Meter


@dataclass(slots=True)
class Seen:
    """A message as somebody in the room sees it."""

    id: str
    room: str
    author: str
    """The platform's user id."""
    text: str
    """As it went over the wire, in the platform's own markup."""
    html: str = ""
    """As the platform's app shows it: safe HTML."""
    name: str = ""
    thread: str | None = None
    is_bot: bool = False
    reply_to: str | None = None
    choices: list[tuple[str, str]] = field(default_factory=list)
    """Buttons: label, value."""
    edited: bool = False
    deleted: bool = False
    only_for: str | None = None
    """The one user who sees it (an ephemeral message)."""
    time: float = field(default_factory=time.time)


@dataclass(slots=True)
class Faults:
    """Misbehaviour on demand; the counts run down as they are used."""

    duplicate: int = 0
    """The next n deliveries to the hub are sent twice."""
    reorder: int = 0
    """The next n deliveries are held back and sent in reverse order."""
    throttle: int = 0
    """The next n sends are answered 429 with `retry_after`."""
    retry_after: float = 1.0
    """Seconds."""
    refuse: int = 0
    """The next n sends are answered 5xx and not taken."""
    fail_after_accepting: int = 0
    """The next n sends are taken, and then answered 5xx."""
    silent: bool = False
    """Nothing is delivered and no call is answered, though sockets stay open. What becomes of events that came
    about meanwhile is as on the platform: they are brought later, replayed, or lost."""

    async def speaking(self) -> None:
        """Wait until the platform is not silent any more."""
        while self.silent:  # noqa: ASYNC110 - whoever sets it is a test or a page, and tells nobody
            await asyncio.sleep(0.02)

    def take(self, name: str) -> bool:
        """Use one of the named fault, if any is left."""
        left: int = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
            return True
        return False


@dataclass(frozen=True, slots=True)
class Wire:
    """One request that crossed the wire."""

    method: str
    path: str
    body: str
    status: int
    inbound: bool
    """True: the hub called the platform; False: the platform called the hub."""
    time: float = field(default_factory=time.time)


class Simulator(ABC):
    """One platform on its own loopback port: `async with SlackSimulator() as slack`.

    `say` and `press` act as a user and return when the event was handed to the hub as the platform would (webhook
    answered, update queued, gateway frame sent); `messages` and `wait_for` show what users see."""

    platform: str
    bot_id: str
    """The bot's own user id."""

    def __init__(self, *, limits: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        """`limits`: whether the platform's rate limits hold; how long a message may be is always checked. `clock`: what
        they are counted by, in seconds."""
        self.faults = Faults()
        self.meter = Meter(clock, enabled=limits)
        self.messages: list[Seen] = []
        """All rooms, oldest first; edits and deletes change the entry."""
        self.typing: dict[str, float] = {}
        """Room (or thread) -> until when, by the monotonic clock, the bot's sign of life is shown."""
        self.wire: deque[Wire] = deque(maxlen=1000)
        self.url = ""
        """`http://127.0.0.1:<port>`: what `api_url` in the YAML points at."""
        self.webhook_url: str | None = None
        """Where the hub takes this platform's webhooks, for the modes that have them."""
        self.http: aiohttp.ClientSession
        self._runner: web.AppRunner | None = None
        self._waiters: set[asyncio.Future[None]] = set()

    @abstractmethod
    def app(self) -> web.Application:
        """The platform's HTTP and WebSocket surface."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The YAML keys of a channel that talks to this simulator."""

    @abstractmethod
    async def say(self, text: str, *, user: str = "", room: str = "", thread: str | None = None) -> Seen:
        """A user types; without user and room the platform's default human in a direct chat. `@hub` names the bot."""

    async def press(self, message: Seen, value: str, *, user: str = "") -> None:
        """A user presses a button under a message."""
        raise NotImplementedError

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; a second start after `stop` on the same port keeps all state."""
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        self._runner = web.AppRunner(self.app(), shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        await Site(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close all sockets."""
        if self._runner is not None:
            await self._runner.cleanup()
            await self.http.close()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def changed(self) -> None:
        """Tell all who wait that something can be seen that could not be seen before."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def next_change(self) -> None:
        """Wait until something changed."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    async def wait_for(self, wanted: Callable[[Seen], bool], limit: float = 10.0) -> Seen:
        """The first message that is as wanted, waiting up to `limit` seconds for it. Raises TimeoutError."""
        async with asyncio.timeout(limit):
            while True:
                for message in self.messages:
                    if wanted(message):
                        return message
                await self.next_change()

    async def answer_to(self, said: Seen, limit: float = 10.0) -> Seen:
        """The first message of the bot in the same room and later than `said`."""
        return await self.wait_for(
            lambda m: (
                m.is_bot
                and m.room == said.room
                and m.time >= said.time
                and self.messages.index(m) > self.messages.index(said)
            ),
            limit,
        )
