"""Two hundred conversations, each with a secret, while answers are cut off in every way: none sees another's."""

import asyncio
import contextlib
import io
import itertools
import logging
import random
import re
import sqlite3
from collections import Counter, deque
from hashlib import sha256

import pytest
import structlog
from pydantic import SecretStr

from bots.assistant import AssistantSettings
from bots.assistant import Bot as Assistant
from core import log
from core.adapter import Capabilities
from core.adapter import Settings as ChannelSettings
from core.application import Application
from core.conversation.key import key
from core.errors import IntakeError
from core.events import Address, Command, Deleted, Edited, Message, User
from core.model.settings import ModelLimits, ModelSettings
from core.parts import Extra, Parts
from core.persona.settings import Personality
from simulators.openai import OpenAISimulator, Script
from tests.core.applications import Configuration, HubSettings
from tests.fakes import FakeAdapter

CANARY = re.compile(r"canary-\d{3}-[0-9a-f]{8}")
FAULTS = ("hang", "stall", "cut", "reset", "error", "throttle", "drip")
MEANWHILE = ("nothing", "stop", "say stop", "edit", "delete", "another")
PAUSE = 0.25
"""Seconds at most between two deeds of somebody: about as long as an answer takes."""


class Screen(FakeAdapter):
    """What people see, over all channels and restarts, also what they saw for a moment only."""

    capabilities = Capabilities(max_text=2000, can_edit=True, edit_every=0.02, typing_lasts=5, can_find=True)
    shown: list
    all_sent: list

    def __init__(self, settings, wiring):
        super().__init__(settings, wiring)
        self.sent = self.all_sent

    async def send(self, to, part, key):
        self.shown.append((to, part.text))
        return await super().send(to, part, key)

    async def edit(self, sent, part):
        self.shown.append((sent.to, part.text))
        await super().edit(sent, part)


class Talk:
    """A conversation: direct, in a thread of a room that all share, or of one user in such a room."""

    def __init__(self, number):
        self.number = number
        self.canary = f"canary-{number:03}-{sha256(str(number).encode()).hexdigest()[:8]}"
        self.users = [User(f"u{number}", "Ann")]
        self.is_direct = number % 4 < 2
        channel = ("patient", "hasty")[number % 2]
        room, thread = f"d{number}", None
        if number % 4 == 2:
            room, thread = "lobby", f"t{number}"
            self.users.append(User(f"v{number}", "Ben"))
        elif number % 4 == 3:
            room = "hall"
        self.address = Address(channel, room, thread, reply=f"{number}")
        self._ids = itertools.count()

    def message(self, text, **more):
        return self._event(Message, text=text, mentioned=True, **more)

    def meanwhile(self, what, said):
        match what:
            case "stop":
                return self._event(Command, name="stop")
            case "say stop":
                return self.message("stop")
            case "edit":
                return self._event(Edited, text=f"{self.canary} put otherwise", message_id=said.message_id)
            case "delete":
                return self._event(Deleted, message_id=said.message_id)
            case "another":
                return self.message(f"{self.canary} and another thing")

    def _event(self, kind, **keys):
        number = next(self._ids)
        user = self.users[number % len(self.users)]
        keys = {"message_id": f"{self.number}-{number}"} | keys
        return kind(uid=f"e{self.number}-{number}", address=self.address, user=user, direct=self.is_direct, **keys)


class Crowd:
    """A hub with its model, and those who talk to it; `app` comes and goes."""

    def __init__(self, application, model, talks, chance):
        self.application, self.model, self.talks, self.chance = application, model, talks, chance
        self.counts = Counter()
        self._up = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self):
        self.app = self.application()
        async with self.app.running():
            self._up.set()
            try:
                yield
            finally:
                self._up.clear()

    async def accept(self, event):
        while True:
            await self._up.wait()
            try:
                return await self.app.hub.accept(event)
            except IntakeError:
                await asyncio.sleep(0.01)

    async def talk(self, talk, rounds):
        await asyncio.sleep(self.chance.uniform(0, rounds))
        for number in range(rounds):
            said = talk.message(f"{talk.canary} question {number}")
            await self.accept(said)
            await asyncio.sleep(self.chance.uniform(0, PAUSE))
            what = self.chance.choice(MEANWHILE)
            self.counts[what] += 1
            if event := talk.meanwhile(what, said):
                await self.accept(event)
            await asyncio.sleep(self.chance.uniform(0, PAUSE))

    async def disturb(self):
        while True:
            await asyncio.sleep(0.15)
            self.model.misbehave(self.chance.choice(FAULTS))
            self.counts["model faults"] += 1

    async def settled(self):
        async with asyncio.timeout(30):
            while (await self.app.engine.stats()).in_flight:
                await asyncio.sleep(0.02)

    async def all_talk(self, rounds, restarts):
        """Everybody, while the model misbehaves and the hub is restarted under the answers."""
        talking = asyncio.gather(*(self.talk(talk, rounds) for talk in self.talks))
        disturbing = asyncio.create_task(self.disturb())
        for _ in range(restarts):
            async with self.running():
                await asyncio.wait([talking], timeout=1.0)
        async with self.running():
            await talking
            disturbing.cancel()
            self.model.faults.clear()
            await self.settled()
            for talk in self.talks:
                await self.accept(talk.message(f"{talk.canary} at last"))
            await self.settled()
            async with asyncio.timeout(10):
                while any([await self.app.engine.command("XLEN", at.arc) for at in self.app.engine.shards]):
                    await asyncio.sleep(0.05)


class Leaky(Assistant):
    """Keeps what it heard last where all conversations get at it."""

    last = ""

    async def respond(self, turn):
        Leaky.last, turn.text = turn.text, f"{turn.text} {Leaky.last}"
        structlog.get_logger("bots.leaky").info("asked", text=turn.text)
        async for piece in super().respond(turn):
            yield piece


def leaks(traces):
    """Where a canary stands that is not the owner's: (place, owner, canaries), for each (place, owner, text)."""
    found = ((place, owner, set(CANARY.findall(text)) - {owner}) for place, owner, text in traces)
    return [each for each in found if each[2]]


def prompts(model):
    for exchange in model.exchanges:
        text = str(exchange.body["messages"])
        yield "prompt", next(reversed(CANARY.findall(text)), ""), text


def archive(file, talks):
    owners = {key(talk.message(""), "thread"): talk.canary for talk in talks}
    with contextlib.closing(sqlite3.connect(file)) as database:
        for conversation, *row in database.execute("select conversation, * from turns join said using (entry)"):
            yield "archive", owners[conversation], str(row)


async def stored(redis, prefix):
    """What the live sessions hold: each must know of one secret at most."""
    async for name in redis.scan_iter(f"{prefix}:sess:*", count=1000):
        text = str(await redis.lrange(name, 0, -1))
        yield "session", next(iter(CANARY.findall(text)), ""), text


@pytest.fixture
def lines(monkeypatch):
    root, level = logging.getLogger(), logging.getLogger().level
    monkeypatch.setattr("sys.stderr", stream := io.StringIO())
    log.setup("DEBUG", json=True)
    yield stream
    root.handlers.clear()
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
async def told():
    """A model that says all secrets it was told."""
    async with OpenAISimulator() as model:
        model.exchanges = deque()
        model.manner.pace = 0.01
        words = " ".join(["word"] * 12)
        model.answer = lambda each: Script(f"{' '.join(set(CANARY.findall(str(each.body))))} {words}, {each.said}")
        yield model


@pytest.fixture
def gather(told, redis, store, prefix, tmp_path, lines):
    """Lets a crowd talk to a bot; all that can be found of it afterwards."""

    async def gather(bot, size, rounds, restarts):
        talks = [Talk(number) for number in range(size)]
        screen = type("Screens", (Screen,), {"shown": [], "all_sent": []})
        hub = HubSettings(tmp_path, SecretStr(f"unix://{store.socket}"), drain=0.05)
        overlaps = {"patient": "queue", "hasty": "interrupt"}
        limits = ModelLimits(first_token=0.5, gap=0.5, total=2)
        served = ModelSettings(base_url=told.url, api_key=told.api_key, name="played", limits=limits, concurrency=200)
        config = Configuration(
            hub,
            {name: ChannelSettings(platform="fake", enabled=True, overlap=each) for name, each in overlaps.items()},
            {"assistant": AssistantSettings(use="assistant", personality="ada")},
            {"default": served.model_copy(update={"fallback": ("other",)}), "other": served},
            {"ada": Personality(name="Ada", role="a helper", tone="casual")},
        )

        @contextlib.asynccontextmanager
        async def playground(_):
            yield Extra()

        parts = Parts(lambda _: screen, lambda _: bot, playground)
        crowd = Crowd(lambda: Application(config, parts, prefix=prefix), told, talks, random.Random(7))
        await crowd.all_talk(rounds, restarts)
        crowd.counts["prompts"], crowd.counts["shown"] = len(told.exchanges), len(screen.shown)
        seen = [("shown", talks[int(to.reply)], to, text) for to, text in screen.shown]
        assert all((to.channel, to.room, to.thread) == _place(talk.address) for _, talk, to, _ in seen)
        traces = [
            *prompts(told),
            *((place, talk.canary, text) for place, talk, _, text in seen),
            *archive(tmp_path / "archive.db", talks),
            *(("log", "", line) for line in lines.getvalue().splitlines()),
            *[trace async for trace in stored(redis, prefix)],
        ]
        return talks, traces, crowd.counts

    return gather


def _place(address):
    return address.channel, address.room, address.thread


@pytest.mark.timeout(90)
async def test_two_hundred_conversations_cut_off_at_random_see_nothing_of_each_other(gather, capsys):
    talks, traces, counts = await gather(Assistant, 200, 3, 4)
    assert leaks(traces) == []
    finals = {owner for place, owner, text in traces if place == "shown" and f"{owner} at last" in text}
    kept = {owner for place, owner, text in traces if place == "archive" and f"{owner} at last" in text}
    assert finals == kept == {talk.canary for talk in talks}
    with capsys.disabled():
        print(f"\n0 leaks in {Counter(place for place, *_ in traces)}; {counts}")


async def test_a_bot_that_mixes_up_conversations_is_found_by_the_same_look(gather):
    _, traces, _ = await gather(Leaky, 20, 1, 0)
    assert {place for place, *_ in leaks(traces)} == {"prompt", "shown", "archive", "log", "session"}
