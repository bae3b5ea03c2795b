"""What one turn with a model costs: traffic to the store as histories grow, and CPU beside a plain SDK call."""

import asyncio
import contextlib
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import aiohttp
import msgspec
import openai
import redis.asyncio
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

import bots
from core import log
from core.adapter import Adapter, Capabilities, Settings, Wiring
from core.bot import Remembered, Resources
from core.cancel import cancelled
from core.engine.engine import Engine
from core.engine.store import open_store
from core.events import Accepted, Address, AnyEvent, Message, Part, Sent, User
from core.garbage import look_seldom
from core.hub import Hub
from core.limits.settings import LimitsSettings
from core.model.models import Models
from core.model.settings import ModelSettings
from core.persona.settings import Personality
from core.supervisor import Channel, State

LENGTHS = (10, 100, 1_000, 10_000)
"""Messages of history."""
TURNS = 40
ROUNDS = 5
HUB = "the hub, 60 messages of history"
ROUND_TRIPS = 4
"""That a message may take: intake, claim, stage and commit. Where limits are set it is one more, to set money aside for
the answer: how much is known only when its prompt is, and that is read with the claim."""
LIMITED = "100, with limits"
TURN_TARGET, TOKEN_TARGET = 2.0, 0.15
"""Milliseconds of CPU that a turn whose model answers at once may cost, and a further token of it."""
TOKENS = 400
"""Words of the long answer, from which the cost of one is told."""
AMPLE = LimitsSettings.model_validate({"per_user": "1000000/minute", "budget_per_user": "1000/day"})
SAID = "Something that people say to each other, neither long nor short, about the weather and the news. "


class Pane(Adapter[Settings]):
    """A platform without a wire: what is measured is the hub."""

    capabilities: ClassVar[Capabilities] = Capabilities(max_text=4000, can_edit=True, edit_every=1.0)

    def __init__(self, settings: Settings, wiring: Wiring) -> None:
        super().__init__(settings, wiring)
        self.shown: dict[str, str] = {}

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def send(self, to: Address, part: Part, key: str) -> Sent:
        return self._show(Sent(to, key), part)

    async def edit(self, sent: Sent, part: Part) -> None:
        self._show(sent, part)

    def _show(self, sent: Sent, part: Part) -> Sent:
        self.shown[sent.to.room] = part.text
        return sent


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one message, from its intake to its commit, asks of the store."""

    round_trips: float
    commands: float
    sent: float
    """Bytes to the store."""
    received: float
    """Bytes from it."""


class Desk:
    """A hub with one assistant on one platform."""

    def __init__(self, store: redis.asyncio.Redis, http: aiohttp.ClientSession, models: Models) -> None:
        self.store = store
        self.engine = Engine(store, prefix="bench")
        settings = Settings(platform="pane", enabled=True)
        bot_type = bots.bot_type("assistant")
        personality = Personality(name="Ada", role="a helper", tone="casual")
        resources = Resources(models.chains(), {"ada": personality})
        self.bot = bot_type(bot_type.settings_type(use="assistant", personality="ada"), resources)  # type: ignore[call-arg]
        self.pane = Pane(settings, Wiring("pane", _nowhere, http, "http://pane", _NoCursors()))
        channel = Channel("pane", settings, self.bot, lambda: self.pane, state=State.RUNNING, adapter=self.pane)
        self.hub = Hub(self.engine, {"pane": channel})
        self._number = 0

    async def say(self, room: str, text: str) -> None:
        """One message from its intake to its commit, as the worker takes it."""
        self._number += 1
        number = str(self._number)
        address, user = Address("pane", room), User(room, "Ann")
        said = Message(uid=number, address=address, user=user, message_id=number, text=text, direct=True)
        await self.hub.accept(said)
        (claim,) = (await self.engine.claim("bench", 1)).claims
        await self.hub.turn(claim)

    async def remember(self, room: str, messages: int) -> None:
        """A conversation with so many messages behind it."""
        user = msgspec.json.encode(Remembered("user", SAID, "Ann", time=1.0))
        answer = msgspec.json.encode(Remembered("assistant", SAID, time=1.0))
        for number in range(messages // 2):
            await self.engine.accept(f"pane/{room}//{room}", b"", [f"{room}-{number}"])
            (claim,) = (await self.engine.claim("bench", 1)).claims
            await self.engine.commit(claim, outcome="answered", append=[user, answer])

    async def traffic(self, room: str) -> Traffic:
        """What a message there costs, as the server counts it."""
        await self.say(room, "and now? 1")
        before = await self.store.info("stats")
        for _ in range(TURNS):
            await self.say(room, "and now? 1")
        after = await self.store.info("stats")

        def grown(name: str, own: int = 0) -> float:
            return float(after[name] - before[name] - own) / TURNS

        return Traffic(
            grown("total_reads_processed", 1),
            grown("total_commands_processed", 1),
            grown("total_net_input_bytes"),
            grown("total_net_output_bytes"),
        )


async def _nowhere(event: AnyEvent) -> Accepted:
    return Accepted.NEW


class _NoCursors:
    async def read(self) -> dict[str, str]:
        return {}


@contextlib.asynccontextmanager
async def provider() -> AsyncIterator[tuple[str, str]]:
    """The address of a model in another process, and its key."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.provider", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        _, url, key = (await process.stdout.readline()).decode().split()
        yield url, key
    finally:
        process.stdin.close()
        await process.wait()


async def cpu(work: Callable[[], Awaitable[object]], times: int = TURNS) -> float:
    """Milliseconds of this process, each time."""
    await work()
    gc.collect()
    before = time.process_time()
    for _ in range(times):
        await work()
    return (time.process_time() - before) / times * 1000


async def plain(client: openai.AsyncOpenAI, text: str) -> None:
    """The SDK as its guide says."""
    stream = await client.chat.completions.create(
        model="played", messages=[{"role": "user", "content": text}], stream=True
    )
    async for _ in stream:
        pass


async def measure() -> tuple[dict[str, Traffic], dict[str, tuple[float, float]]]:
    """Traffic by the length of the history; and CPU (a turn of one word, a further word) of the hub and of the SDK."""
    async with contextlib.AsyncExitStack() as stack:
        url, key = await stack.enter_async_context(provider())
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench")))
        store = await stack.enter_async_context(open_store(None, home))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        settings = ModelSettings(base_url=url, api_key=SecretStr(key), name="played")
        models = await stack.enter_async_context(Models({"default": settings}))
        desk = Desk(store, http, models)
        await desk.bot.start()
        listening = asyncio.create_task(desk.hub.people.listen(store))
        stack.push_async_callback(cancelled, [listening])
        await desk.hub.people.known.is_live.wait()
        stack.push_async_callback(desk.engine.close)
        traffic = {}
        for length in LENGTHS:
            await desk.remember(f"h{length}", length)
            traffic[f"{length:,}"] = await desk.traffic(f"h{length}")
        desk.hub.limits.use(AMPLE)
        traffic[LIMITED] = await desk.traffic("h100")
        desk.hub.limits.use(LimitsSettings())
        client = await stack.enter_async_context(openai.AsyncOpenAI(base_url=url, api_key=key))
        asked = {
            HUB: lambda words: desk.say("h100", f"{SAID}{words}"),
            "the hub, a new conversation": lambda words: desk.say(f"n{time.perf_counter_ns()}", f"{SAID}{words}"),
            "the SDK alone, no history": lambda words: plain(client, f"{SAID}{words}"),
        }
        return traffic, await costs(asked)


async def costs(asked: Mapping[str, Callable[[int], Awaitable[object]]]) -> dict[str, tuple[float, float]]:
    """Each asked for answers of so many words. They take turns, so that a busy spell of the machine is one for all."""
    ones: dict[str, list[float]] = {name: [] for name in asked}
    manys: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(ROUNDS):
        for name, ask in asked.items():
            manys[name].append(await cpu(partial(ask, TOKENS), TURNS // 4))
            await asked_short(ask)
            ones[name].append(await cpu(partial(ask, 1)))
    middle = {name: (statistics.median(ones[name]), statistics.median(manys[name])) for name in asked}
    return {name: (one, (many - one) / (TOKENS - 1)) for name, (one, many) in middle.items()}


async def asked_short(ask: Callable[[int], Awaitable[object]]) -> None:
    """Let long answers leave the window of 60 messages: they are not what a turn usually has behind it."""
    for _ in range(30):
        await ask(1)


async def report(console: Console) -> None:
    """Measure and print."""
    log.setup("WARNING")
    look_seldom()  # as the hub does
    traffic, spent = await measure()
    shown = Table(title="Store traffic of one message with a model's answer, by the length of its history")
    for heading in ("messages before", "round trips", "of these the turn", "commands", "bytes to it", "bytes from it"):
        shown.add_column(heading, justify="right")
    for length, each in traffic.items():
        turn = f"{each.round_trips - 1:.1f}"
        shown.add_row(
            length,
            f"{each.round_trips:.1f}",
            turn,
            f"{each.commands:.0f}",
            f"{each.sent:.0f}",
            f"{each.received:.0f}",
        )
    console.print(shown)
    is_flat = all(each.round_trips < ROUND_TRIPS + 0.5 + (length == LIMITED) for length, each in traffic.items())
    console.print(
        f"Target: {ROUND_TRIPS} round trips, one more with limits, however long the history: "
        f"{'met' if is_flat else 'missed'}.\n"
    )
    shown = Table(title="CPU of a turn whose model answers at once (this process; same machine, same run)")
    for heading in ("", "ms a turn", "ms a further token"):
        shown.add_column(heading, justify="left" if not heading else "right")
    for name, (first, further) in spent.items():
        shown.add_row(name, f"{first:.2f}", f"{further:.3f}")
    console.print(shown)
    one, more = spent[HUB]
    is_met = one <= TURN_TARGET and more <= TOKEN_TARGET
    console.print(
        f"Target: at most {TURN_TARGET} ms a turn and {TOKEN_TARGET} ms a token: {'met' if is_met else 'missed'}."
    )
