"""A Slack channel between a simulated workspace and an inbox that keeps what it gets."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from adapters.slack.adapter import SlackAdapter
from adapters.slack.settings import SlackSettings
from core.adapter import Wiring
from core.errors import IntakeError
from core.events import Accepted, AnyEvent
from core.server import application
from core.supervisor import Channel, State
from simulators.slack import SlackSimulator

CHANNEL = "team"


@dataclass
class FakeInbox:
    """Takes an event at most once, as the hub does."""

    events: list[AnyEvent] = field(default_factory=list)
    calls: int = 0
    refuse: int = 0
    """The next n events are not made durable."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing is durable before it is set."""
    known: set[str] = field(default_factory=set)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, event: AnyEvent) -> Accepted:
        self.calls += 1
        await self.gate.wait()
        if self.refuse:
            self.refuse -= 1
            raise IntakeError("the store is away")
        if not self.known.isdisjoint((event.uid, *event.also)):
            return Accepted.DUPLICATE
        self.known |= {event.uid, *event.also}
        self.events.append(event)
        self.arrived.set()
        return Accepted.NEW

    async def wait(self, count: int = 1) -> AnyEvent:
        """The newest event once there are so many."""
        async with asyncio.timeout(5):
            while len(self.events) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.events[-1]


class NoCursors:
    async def read(self) -> Mapping[str, str]:
        return {}


@dataclass
class Stage:
    slack: SlackSimulator
    adapter: SlackAdapter
    inbox: FakeInbox
    http: aiohttp.ClientSession
    url: str


@asynccontextmanager
async def stage(
    slack: SlackSimulator, *, started: bool = True, patience: float = 30, **settings: object
) -> AsyncIterator[Stage]:
    """`patience`: seconds that the hub waits for an answer."""
    inbox = FakeInbox()
    inbox.gate.set()
    async with slack, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(patience)) as http:
        wiring = Wiring(CHANNEL, inbox, http, "http://127.0.0.1", NoCursors())
        adapter = SlackAdapter(SlackSettings(**{**slack.settings(), **settings}), wiring)
        channel = Channel(CHANNEL, adapter.settings, bot=None, build=None, state=State.RUNNING, adapter=adapter)
        async with TestServer(application({CHANNEL: channel}, report=None)) as server:
            slack.webhook_url = str(server.make_url(f"/webhooks/{CHANNEL}"))
            try:
                if started:
                    await adapter.start()
                yield Stage(slack, adapter, inbox, http, slack.webhook_url)
            finally:
                await adapter.stop()


@pytest.fixture
async def posted() -> AsyncIterator[Stage]:
    """Events by HTTP."""
    async with stage(SlackSimulator("http", retry_after=(0.0, 0.01, 0.02), patience=0.5)) as it:
        yield it


@pytest.fixture
async def socketed() -> AsyncIterator[Stage]:
    """Events by Socket Mode."""
    async with stage(SlackSimulator("socket", retry_after=(0.0, 0.01, 0.02), patience=0.5)) as it:
        yield it
