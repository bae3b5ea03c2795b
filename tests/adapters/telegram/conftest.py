"""A Telegram channel as the hub runs it: the real adapter, the simulated platform, real sockets."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters.telegram.adapter import TelegramAdapter
from adapters.telegram.settings import TelegramSettings
from core.adapter import CommandSpec, Route, Wiring
from core.errors import IntakeError
from core.events import Accepted, AnyEvent, Part
from core.server import application
from core.site import Site
from core.supervisor import State
from simulators.telegram import TelegramSimulator


class Inbox:
    """Takes events, refuses the next `refusals` of them and all of the rooms that are `shut`, and tells who waits."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self.calls = 0
        self.refusals = 0
        self.shut: set[str] = set()
        self.stuck: asyncio.Event | None = None
        """Set when the next call hangs for ever, having stored the event if `stores`."""
        self.stores = False
        self._news = asyncio.Condition()

    async def __call__(self, event: AnyEvent) -> Accepted:
        self.calls += 1
        if self.stuck is not None:
            self.events += [event] * self.stores
            self.stuck.set()
            await asyncio.Event().wait()
        if self.refusals or event.address.room in self.shut:
            self.refusals = max(0, self.refusals - 1)
            raise IntakeError("the store is away", retry_after=0.01)
        async with self._news:
            self.events.append(event)
            self._news.notify_all()
        return Accepted.NEW

    async def has(self, number: int) -> list[AnyEvent]:
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(lambda: len(self.events) >= number)
        return self.events

    async def next(self) -> AnyEvent:
        """The one after those that were there."""
        return (await self.has(len(self.events) + 1))[-1]

    @property
    def uids(self) -> list[str]:
        return [event.uid for event in self.events]


class NoCursors:
    async def read(self) -> dict[str, str]:
        return {}


class Channel:
    """One configured channel named `tg`, its routes mounted on the hub's web server."""

    adapter: TelegramAdapter
    state = State.RUNNING

    def __init__(self, telegram: TelegramSimulator, http: aiohttp.ClientSession, public_url: str) -> None:
        self.telegram = telegram
        self.http = http
        self.inbox = Inbox()
        self.public_url = public_url
        self.webhook = f"{public_url}/webhooks/tg"

    @property
    def routes(self) -> Iterable[Route]:
        return self.adapter.routes()

    async def start(self, **settings: Any) -> TelegramAdapter:
        if "mode" in settings:
            self.telegram.mode = settings["mode"]
        wiring = Wiring(
            "tg",
            self.inbox,
            self.http,
            self.public_url,
            NoCursors(),
            (CommandSpec("ai", "Ask the assistant", "question"), CommandSpec("reset", "Forget all")),
        )
        given = TelegramSettings.model_validate(self.telegram.settings() | {"poll_timeout": 5} | settings)
        self.adapter = TelegramAdapter(given, wiring)
        self.adapter.poll_pause = 0.01
        await self.adapter.start()
        return self.adapter

    async def answer(self, text: str, **part: Any) -> None:
        """Answer the last event as the hub would."""
        await self.adapter.send(self.inbox.events[-1].address, Part(text, **part), "key")


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with TelegramSimulator() as simulator:
        yield simulator


@pytest.fixture
async def channel(telegram: TelegramSimulator) -> AsyncIterator[Channel]:
    async def report() -> tuple[bool, dict[str, object]]:
        return True, {}

    channels: dict[str, Any] = {}
    runner = web.AppRunner(application(channels, report), shutdown_timeout=0.2, access_log=None)
    await runner.setup()
    await Site(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as http:
        channels["tg"] = built = Channel(telegram, http, f"http://127.0.0.1:{runner.addresses[0][1]}")
        yield built
        if hasattr(built, "adapter"):
            await built.adapter.stop()
    await runner.cleanup()
