"""A Discord adapter on a simulated Discord, with an inbox that keeps what it accepts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace

import aiohttp
import pytest

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.settings import DiscordSettings
from core.adapter import CommandSpec, Wiring
from core.errors import IntakeError
from core.events import Accepted, AnyEvent, Message, Part, Sent
from simulators.discord import DiscordSimulator

COMMANDS = (CommandSpec("ai", "Ask the bot", "question"), CommandSpec("help", "What can be done here"))


@dataclass
class Inbox:
    """Durable enough for a test: dedupes by uid, keeps cursors, and can be out of order on demand."""

    events: list[AnyEvent] = field(default_factory=list)
    deliveries: list[str] = field(default_factory=list)
    cursors: dict[str, str] = field(default_factory=dict)
    failures: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, event: AnyEvent) -> Accepted:
        if self.failures:
            self.failures -= 1
            raise IntakeError("the store is away", retry_after=0.01)
        self.deliveries.append(event.uid)
        self.arrived.set()
        if any(known.uid == event.uid for known in self.events):
            return Accepted.DUPLICATE
        self.events.append(event)
        if event.cursor:
            self.cursors[event.cursor.name] = event.cursor.value
        return Accepted.NEW

    async def read(self) -> Mapping[str, str]:
        return dict(self.cursors)

    async def wait_for(self, wanted: Callable[[AnyEvent], bool]) -> AnyEvent:
        async with asyncio.timeout(5):
            while not (found := [event for event in self.events if wanted(event)]):
                self.arrived.clear()
                await self.arrived.wait()
        return found[0]

    async def heard(self, text: str) -> Message:
        event = await self.wait_for(lambda event: isinstance(event, Message) and event.text == text)
        assert isinstance(event, Message)
        return event

    def texts(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Message)]


@dataclass
class Hub:
    """What stands behind the adapter."""

    adapter: DiscordAdapter
    inbox: Inbox
    wiring: Wiring
    discord: DiscordSimulator

    async def answer(self, event: AnyEvent, text: str, key: str = "KEY1", **more: object) -> Sent:
        return await self.adapter.send(event.address, Part(text, **more), key)

    def rebuilt(self, **settings: object) -> "Hub":
        """Another adapter over the same inbox: what a restart makes."""
        keys = self.discord.settings() | settings
        adapter = DiscordAdapter(DiscordSettings.model_validate(keys), self.wiring)
        adapter.client.identify_every = 0.0
        return replace(self, adapter=adapter)


@pytest.fixture
async def discord() -> AsyncIterator[DiscordSimulator]:
    async with DiscordSimulator() as simulator:
        yield simulator


@pytest.fixture
async def cold(discord: DiscordSimulator) -> AsyncIterator[Hub]:
    """Built, not started."""
    inbox = Inbox()
    async with aiohttp.ClientSession() as http:
        wiring = Wiring("disc", inbox, http, "http://127.0.0.1:8080", inbox, COMMANDS)
        adapter = DiscordAdapter(DiscordSettings.model_validate(discord.settings()), wiring)
        hub = Hub(adapter, inbox, wiring, discord).rebuilt()
        yield hub
        await hub.adapter.stop()


@pytest.fixture
async def hub(cold: Hub) -> Hub:
    await cold.adapter.start()
    return cold
