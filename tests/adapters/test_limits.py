"""The platforms' rate limits against an adapter and the hub's gate: all is sent, in order, as fast as is allowed."""

import asyncio
import itertools
import time
from types import SimpleNamespace

import aiohttp
import pytest

import adapters
from core.adapter import Wiring
from core.delivery import gate as gates
from core.delivery.gate import Gate
from core.errors import Throttled
from core.events import Accepted, Address, Part
from simulators.discord import DiscordSimulator
from simulators.slack import SlackSimulator
from simulators.telegram import TelegramSimulator
from simulators.twilio import TwilioSimulator


class Clock:
    """Stands still, and jumps where the gate would sleep."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return self.ahead

    async def sleep(self, seconds: float) -> None:
        until = self.ahead + seconds
        await asyncio.sleep(0)
        self.ahead = max(self.ahead, until)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(gates, "time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(gates, "asyncio", SimpleNamespace(sleep=clock.sleep))
    return clock


class Hub:
    """An adapter, and what the core does to send by it."""

    def __init__(self, simulator, clock, http):
        async def inbox(_):
            return Accepted.NEW

        class Cursors:
            async def read(self):
                return {}

        settings = adapters.settings_types()[simulator.platform].model_validate(simulator.settings())
        wiring = Wiring("chan", inbox, http, "http://127.0.0.1:9", Cursors())
        self.adapter = adapters.adapter_type(simulator.platform)(settings, wiring)
        self.simulator, self.clock, self.gate = simulator, clock, Gate()
        self.keys = itertools.count()

    async def send(self, to, text):
        key = f"key{next(self.keys)}"
        while True:
            try:
                return await self.gate.send(to, lambda: self.adapter.send(to, Part(text), key))
            except Throttled as error:  # too long to hold a turn for: it comes back
                await self.clock.sleep(error.retry_after)

    async def burst(self, to, number):
        for n in range(number):
            await self.send(to, f"message {n}")

    def shown(self, room):
        return [seen.text for seen in self.simulator.messages if seen.is_bot and seen.room == room]

    @property
    def refused(self):
        return [wire for wire in self.simulator.wire if wire.status == 429]


@pytest.fixture
async def started(clock, monkeypatch):
    """Starts the adapter of a simulator; the loop's own timers jump with the clock."""
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: time.monotonic() + clock.ahead)
    running = []
    async with aiohttp.ClientSession() as http:

        async def start(simulator):
            await simulator.start()
            hub = Hub(simulator, clock, http)
            running.append(hub)
            await hub.adapter.start()
            return hub

        yield start
        for hub in running:
            await hub.adapter.stop()
            await hub.simulator.stop()


def numbered(count):
    return [f"message {n}" for n in range(count)]


async def test_slack_takes_one_message_a_second_after_a_burst(started, clock):
    hub = await started(SlackSimulator(clock=clock))
    await hub.burst(Address("chan", "C1"), 40)
    assert hub.shown("C1") == numbered(40)
    assert hub.refused
    assert clock.ahead >= 14


async def test_slack_counts_each_room_by_itself(started, clock):
    hub = await started(SlackSimulator(clock=clock))
    for room in ("C1", "D1"):
        await hub.burst(Address("chan", room), 20)
    assert not hub.refused


async def test_slack_takes_fifty_edits_a_minute_of_the_whole_workspace(started, clock):
    hub = await started(SlackSimulator(clock=clock))
    sent = await hub.send(Address("chan", "C1"), "draft")
    for n in range(60):
        try:
            await hub.gate.send(sent.to, lambda n=n: hub.adapter.edit(sent, Part(f"edit {n}")))
        except Throttled as error:
            await clock.sleep(error.retry_after)
            await hub.gate.send(sent.to, lambda n=n: hub.adapter.edit(sent, Part(f"edit {n}")))
    assert hub.shown("C1") == ["edit 59"]
    assert hub.refused
    assert clock.ahead >= 55


async def test_telegram_takes_one_message_a_second_in_a_chat_after_a_burst(started, clock):
    hub = await started(TelegramSimulator(clock=clock))
    await hub.burst(Address("chan", "42"), 40)
    assert hub.shown("42") == numbered(40)
    assert hub.refused
    assert clock.ahead >= 19


async def test_telegram_takes_twenty_messages_a_minute_in_a_group(started, clock):
    hub = await started(TelegramSimulator(clock=clock))
    await hub.burst(Address("chan", TelegramSimulator.group), 45)
    assert hub.shown(TelegramSimulator.group) == numbered(45)
    assert hub.refused
    assert clock.ahead >= 115


async def test_telegram_takes_thirty_messages_a_second_in_all(started, clock):
    hub = await started(TelegramSimulator(clock=clock))
    rooms = [str(room) for room in range(1000, 1060)]
    for room in rooms:
        await hub.simulator.say("hello", room=room, user=room)
    await asyncio.gather(*(hub.burst(Address("chan", room), 2) for room in rooms))
    assert [hub.shown(room) for room in rooms] == [numbered(2)] * len(rooms)
    assert hub.refused
    assert clock.ahead >= 2


async def test_discord_takes_five_messages_in_five_seconds_in_a_channel(started, clock):
    hub = await started(DiscordSimulator(clock=clock))
    await hub.burst(Address("chan", "70"), 23)
    assert hub.shown("70") == numbered(23)
    assert clock.ahead >= 19


async def test_discord_refuses_what_comes_at_once_from_those_who_do_not_know_the_bucket_yet(started, clock):
    hub = await started(DiscordSimulator(clock=clock))
    await asyncio.gather(*(hub.send(Address("chan", "70"), f"message {n}") for n in range(17)))
    assert sorted(hub.shown("70")) == sorted(numbered(17))
    assert hub.refused
    assert clock.ahead >= 10


async def test_discord_takes_fifty_requests_a_second_in_all(started, clock):
    hub = await started(DiscordSimulator(clock=clock))
    rooms = [hub.simulator.world.direct_room(str(user)) for user in range(1000, 1120)]
    await asyncio.gather(*(hub.burst(Address("chan", room), 1) for room in rooms))
    assert [hub.shown(room) for room in rooms] == [numbered(1)] * len(rooms)
    assert hub.refused
    assert clock.ahead >= 1


async def test_twilio_queues_what_is_more_than_eighty_messages_a_second(started, clock):
    hub = await started(TwilioSimulator(clock=clock))
    ann = "whatsapp:+15551230001"
    hub.simulator.heard[ann] = clock()
    await hub.burst(Address("chan", ann), 85)
    assert not hub.refused
    assert hub.shown(ann) == numbered(80)
    clock.ahead += 1.0
    await hub.simulator.wait_for(lambda seen: seen.text == "message 84")
    assert hub.shown(ann) == numbered(85)


async def test_without_limits_all_goes_through_at_once(started, clock):
    for simulator in (SlackSimulator(limits=False), TelegramSimulator(limits=False), DiscordSimulator(limits=False)):
        hub = await started(simulator)
        room = {"slack": "C1", "telegram": "42", "discord": "70"}[simulator.platform]
        await hub.burst(Address("chan", room), 40)
        assert len(hub.shown(room)) == 40
    assert clock.ahead == 0
