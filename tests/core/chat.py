"""A hub with one channel on fakes over the real store."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp

from core.adapter import Settings, Wiring
from core.engine.worker import Worker
from core.hub import Hub
from core.supervisor import Channel, State
from tests.fakes import FakeAdapter, FakeBot, NoCursors, nowhere


class Chat:
    """`say` gives back what a user then sees; the keys are those of the channel."""

    def __init__(self, engine, http, **keys):
        self.engine = engine
        engine.max_tries = 2
        self.bot = FakeBot()
        settings = Settings(platform="fake", enabled=True, **keys)
        self.adapter = FakeAdapter(settings, Wiring("fake", nowhere, http, "http://hub", NoCursors()))
        self.channel = Channel("fake", settings, self.bot, lambda: self.adapter, state=State.RUNNING)
        self.channel.adapter = self.adapter
        self.hub = Hub(engine, {"fake": self.channel})
        self.worker = Worker(engine, self.hub.turn, name="w")

    async def say(self, *events):
        for event in events:
            await self.hub.accept(event)
        await self.settled()
        return self.adapter.texts

    async def settled(self):
        async with asyncio.timeout(10):
            while (await self.engine.stats()).in_flight:
                await asyncio.sleep(0.005)

    async def until(self, true):
        async with asyncio.timeout(10):
            while not true():
                await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def chatting(engine, **keys) -> AsyncIterator[Chat]:
    async with aiohttp.ClientSession() as http:
        chat = Chat(engine, http, **keys)
        working = asyncio.create_task(chat.worker.run())
        yield chat
        await chat.worker.drain(1)
        await chat.hub.ending.afterwards.stop()
        working.cancel()
        await asyncio.wait([working])
