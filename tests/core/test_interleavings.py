"""Users who go on, change, take back and stop, at two hubs on one store that are killed now and then.

Whatever meets whatever: no question is lost or answered twice, and what is remembered is what is shown.
"""

import asyncio
import random
import re
from dataclasses import dataclass, field
from typing import ClassVar

import aiohttp
import pytest

from core.adapter import Capabilities, Settings, Wiring
from core.bot import Remembered
from core.cancel import cancelled
from core.engine.engine import Engine
from core.engine.signals import Signals
from core.engine.store import connect
from core.engine.worker import Worker
from core.events import Address, AnyEvent, Command, Deleted, Edited, Message, Sent
from core.hub import Hub
from core.supervisor import Channel, State
from tests.fakes import ANN, FakeAdapter, FakeBot, NoCursors, nowhere

AT_ONCE = 12
"""Towns that live side by side, each with its own fate."""


@dataclass
class Town:
    """One platform with one user, and the two hubs behind it."""

    fate: random.Random
    prefix: str
    overlap: str
    hubs: list["Process"] = field(default_factory=list)
    shown: dict[str, str] = field(default_factory=dict)
    """Message -> what it shows."""
    keys: dict[str, str] = field(default_factory=dict)

    async def pause(self):
        """Anything may happen meanwhile."""
        for _ in range(self.fate.choice((0, 0, 1, 3, 6))):
            await asyncio.sleep(0)
        if self.fate.random() < 0.2:
            await asyncio.sleep(self.fate.random() * 0.006)

    async def settled(self):
        while (await self.hubs[0].engine.stats()).in_flight:
            await asyncio.sleep(0.003)


class Platform(FakeAdapter):
    """Where it is killed, a message may have arrived or not."""

    capabilities: ClassVar[Capabilities] = Capabilities(max_text=200, can_edit=True, edit_every=0.0, can_find=True)
    town: Town

    async def send(self, to, part, key):
        await self.town.pause()
        id_ = f"m{len(self.town.shown)}"
        self.town.shown[id_], self.town.keys[key] = part.text, id_
        await self.town.pause()
        return Sent(to, id_)

    async def find(self, to, part, key, since):
        await self.town.pause()
        return Sent(to, self.town.keys[key]) if key in self.town.keys else None

    async def edit(self, sent, part):
        await self.town.pause()
        self.town.shown[sent.id] = part.text
        await self.town.pause()


class Slow(FakeBot):
    town: Town

    async def respond(self, turn):
        self.turns.append(turn)
        for piece in ("<", turn.text, ">"):
            await self.town.pause()
            yield piece


class Process:
    """One hub."""

    def __init__(self, town, name, redis, http):
        settings = Settings(platform="fake", enabled=True, overlap=town.overlap, collect_for=0.003)
        self.engine, self.bot = Engine(redis, prefix=town.prefix, lease=0.3), Slow()
        adapter = Platform(settings, Wiring("fake", nowhere, http, "http://hub", NoCursors()))
        self.bot.town = adapter.town = town
        channel = Channel("fake", settings, self.bot, lambda: adapter, state=State.RUNNING, adapter=adapter)
        signals = Signals(redis, f"{town.prefix}:meanwhile")
        self.hub = Hub(self.engine, {"fake": channel}, signals=signals)
        worker = Worker(self.engine, self.hub.turn, name=name)
        self.lives = [asyncio.create_task(worker.run()), asyncio.create_task(signals.run(self.hub.hear))]

    async def kill(self):
        await cancelled(self.lives, again=0.05)
        await self.engine.close()


@dataclass
class Said:
    """What the user did, as far as it bears on what must come of it."""

    words: dict[int, str] = field(default_factory=dict)
    """Question -> as it reads now."""
    taken_back: set[int] = field(default_factory=set)
    stopped: set[int] = field(default_factory=set)
    """Those that a later stop may have ended."""


def event(kind: str, n: int, text: str, uid: str) -> AnyEvent:
    about = {"uid": uid, "address": Address("fake", "r"), "user": ANN, "direct": True}
    match kind:
        case "say":
            return Message(**about, message_id=str(n), text=text)
        case "edit":
            return Edited(**about, message_id=str(n), text=text)
        case "delete":
            return Deleted(**about, message_id=str(n))
    return Command(**about, name="stop")


async def live(town: Town, redis, http) -> tuple[Said, list[Remembered]]:
    """A user's afternoon, and what the next turn is told of it."""
    fate, said = town.fate, Said()
    town.hubs = [Process(town, name, redis, http) for name in ("w0", "w1")]
    for step in range(fate.randrange(4, 10)):
        kind = fate.choices(("say", "edit", "delete", "stop", "kill"), (6, 3, 1, 1, 2))[0]
        if kind == "kill":
            at = fate.randrange(2)
            await town.hubs[at].kill()
            town.hubs[at] = Process(town, f"w{at}", redis, http)
            continue
        n = fate.choice(list(said.words)) if said.words and kind != "say" else len(said.words) + 1
        kind = "say" if n not in said.words else kind
        text = f"q{n}" if kind == "say" else f"q{n}v{step}"
        if kind in ("say", "edit"):
            said.words[n] = text
        elif kind == "delete":
            said.taken_back.add(n)
        else:
            said.stopped |= {*said.words}
        new = event(kind, n, text, str(step))
        for _ in range(fate.choice((1, 1, 2))):
            await fate.choice(town.hubs).hub.accept(new)
        for _ in range(fate.choice((0, 0, 1, 4))):
            await town.pause()
    await town.settled()
    shown = dict(town.shown)
    await town.hubs[0].hub.accept(event("say", 999, "and?", "last"))
    await town.settled()
    town.shown = shown
    stats = await town.hubs[0].engine.stats()
    assert stats.accepted == stats.answered + stats.silent
    (turn,) = [turn for each in town.hubs for turn in each.bot.turns if turn.text == "and?"]
    return said, list(turn.history)


def about(n: int, texts: list[str]) -> list[str]:
    return [text for text in texts if re.search(rf"\bq{n}(v\d+)?\b", text)]


def check(town: Town, said: Said, history: list[Remembered]) -> None:
    for record in history:
        if record.role == "assistant":
            assert [town.shown[id_] for id_ in record.ids] == [record.text]
    questions = [record.text for record in history if record.role == "user"]
    order = [int(number) for text in questions for number in re.findall(r"q(\d+)", text)]
    assert order == sorted(set(order))
    whole = [text for text in town.shown.values() if re.fullmatch("<.*>", text, re.DOTALL)]
    for n, text in said.words.items():
        answers = about(n, whole)
        assert len(answers) <= 1
        if n in said.taken_back:
            assert not about(n, questions)
        elif n not in said.stopped and town.overlap == "queue":
            assert (about(n, questions), answers) == ([text], [f"<{text}>"])
        elif n not in said.stopped and town.overlap == "interrupt":
            assert about(n, questions) == [text]
            assert n < max(said.words) or answers == [f"<{text}>"]
        elif n not in said.stopped:
            assert len(answers) == 1
            assert said.taken_back or len(about(n, questions)) == 1


@pytest.mark.parametrize("overlap", ["queue", "collect", "interrupt"])
async def test_whatever_meets_whatever_no_question_is_lost_or_answered_twice(store, prefix, overlap, monkeypatch):
    monkeypatch.setattr("core.delivery.live.FIRST", 0.0)
    seed = random.randrange(2**32)
    towns = [Town(random.Random(seed + n), f"{prefix}-{n}", overlap) for n in range(AT_ONCE)]
    async with connect(f"unix://{store.socket}", connections=32 * AT_ONCE) as redis, aiohttp.ClientSession() as http:
        try:
            async with asyncio.timeout(60):
                lives = await asyncio.gather(*(live(town, redis, http) for town in towns))
        finally:
            for hub in [hub for town in towns for hub in town.hubs]:
                await hub.kill()
    for town, (said, history) in zip(towns, lives, strict=True):
        check(town, said, history)
