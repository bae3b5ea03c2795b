"""The hub beside four bare SDK bots: CPU per message, throughput and waits, in one run on one machine."""

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from rich.console import Console
from rich.table import Table

from bench import turns
from bench.load import Audience, Result
from simulators.discord import DiscordSimulator
from simulators.slack import SlackSimulator
from simulators.stage import Simulator
from simulators.telegram import TelegramSimulator
from simulators.twilio import TwilioSimulator

PLATFORMS = ("slack", "telegram", "whatsapp", "discord")
MIX = "mix of four"
TURNS = 4
"""The hub and the bare bots take so many turns at what is measured."""
TARGET = 1.5
"""What the hub may cost beside the bare bots."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table for one of the two."""

    cpu: float
    """Milliseconds of user + system time of the whole process tree, per message."""
    rate: float
    """Messages a second."""
    p50: float
    p99: float
    """Milliseconds from saying to seeing the echo."""
    wrong: int

    @classmethod
    def of(cls, spells: "Sequence[Spell]") -> "Figure":
        """All spells together."""
        heard = Result(
            [wait for spell in spells for wait in spell.heard.waits], sum(each.heard.wrong for each in spells)
        )
        done = len(heard.waits)
        cpu, seconds = sum(spell.cpu for spell in spells), sum(spell.seconds for spell in spells)
        p50, p99 = heard.percentile(0.5) * 1000, heard.percentile(0.99) * 1000
        return cls(cpu / done * 1000, done / seconds, p50, p99, heard.wrong)


@dataclass(frozen=True, slots=True)
class Spell:
    """What was measured at one go."""

    cpu: float
    """Seconds of the whole process tree."""
    seconds: float
    heard: Result


def people(stage: Simulator, count: int) -> list[tuple[str, str]]:
    """So many users (user, room), each in a direct chat of their own."""
    match stage:
        case SlackSimulator():
            return [(f"U{n}", f"D{n}") for n in range(1, count + 1)]
        case TwilioSimulator():
            return [(f"+1555123{n:04}", f"whatsapp:+1555123{n:04}") for n in range(1, count + 1)]
        case DiscordSimulator():
            return [(str(n), stage.world.direct_room(str(n))) for n in range(1001, count + 1001)]
        case _:
            return [(str(n), str(n)) for n in range(1001, count + 1001)]


def simulators() -> dict[str, Simulator]:
    return {
        "slack": SlackSimulator(mode="http", limits=False),
        "telegram": TelegramSimulator(limits=False),
        "whatsapp": TwilioSimulator(limits=False),
        "discord": DiscordSimulator(limits=False),
    }


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process and all below it, so far."""
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system
    return total


@contextlib.asynccontextmanager
async def child(arguments: list[str], ready: str, environment: Mapping[str, str]) -> AsyncIterator[psutil.Process]:
    """A Python process that has printed the word `ready`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, env={**os.environ, **environment}
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            while ready not in (line := (await process.stdout.readline()).decode()):
                if not line:
                    raise RuntimeError(f"{arguments[:2]} ended before it was ready")
        drained = asyncio.create_task(process.stdout.read())
        yield psutil.Process(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
    await drained


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Contestant:
    """One of the two while it runs: its process, and those who talk to it."""

    def __init__(self, process: psutil.Process, stages: Mapping[str, Simulator]) -> None:
        self._process = process
        self._stages = stages
        self._audiences = {name: Audience(stage) for name, stage in stages.items()}

    async def warm(self, users: int) -> None:
        """The first answers import and connect; they are not what a message costs."""
        for name in PLATFORMS:
            await self._audiences[name].talk(people(self._stages[name], users), 3)

    async def talk(self, platforms: Sequence[str], users: int, each: int) -> Spell:
        """So many users, shared out among the platforms, say so much each."""
        count = max(1, users // len(platforms))
        cpu, began = cpu_seconds(self._process), time.perf_counter()
        results = await asyncio.gather(
            *(self._audiences[name].talk(people(self._stages[name], count), each) for name in platforms)
        )
        seconds, cpu = time.perf_counter() - began, cpu_seconds(self._process) - cpu
        waits = [wait for result in results for wait in result.waits]
        return Spell(cpu, seconds, Result(waits, sum(result.wrong for result in results)))

    async def close(self) -> None:
        for audience in self._audiences.values():
            await audience.close()


async def measure(contestants: Sequence[Contestant], users: int, each: int) -> list[dict[str, Figure]]:
    """Each platform alone, then all four at once. The two take turns, so that a machine that is busy with something
    else for a while is so for both."""
    for contestant in contestants:
        await contestant.warm(users)
    figures: list[dict[str, Figure]] = [{} for _ in contestants]
    for name in (*PLATFORMS, MIX):
        spells: list[list[Spell]] = [[] for _ in contestants]
        for _ in range(TURNS):
            for number, contestant in enumerate(contestants):
                platforms = PLATFORMS if name == MIX else (name,)
                spells[number].append(await contestant.talk(platforms, users, -(-each // TURNS)))
        for number, own in enumerate(spells):
            figures[number][name] = Figure.of(own)
    return figures


@contextlib.asynccontextmanager
async def bare() -> AsyncIterator[Contestant]:
    """The four bare bots."""
    async with contextlib.AsyncExitStack() as stack:
        stages = simulators()
        for stage in stages.values():
            await stack.enter_async_context(stage)
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        stages["slack"].webhook_url = f"{base}/slack/events"
        stages["whatsapp"].webhook_url = f"{base}/whatsapp"
        settings: dict[str, Any] = {name: stage.settings() for name, stage in stages.items()}
        settings |= {"port": port, "public_url": base}
        settings["discord"]["gateway_url"] = stages["discord"].url.replace("http", "ws", 1) + "/gateway/"
        process = await stack.enter_async_context(child(["-m", "bench.bare", json.dumps(settings)], "ready", {}))
        contestant = Contestant(process, stages)
        stack.push_async_callback(contestant.close)
        yield contestant


@contextlib.asynccontextmanager
async def hub() -> AsyncIterator[Contestant]:
    """The hub with everything it does: dedupe, durable intake, order, session, staged reply, commit, archive."""
    async with contextlib.AsyncExitStack() as stack:
        stages = simulators()
        for stage in stages.values():
            await stack.enter_async_context(stage)
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench")))
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        channels = {}
        for name, stage in stages.items():
            stage.webhook_url = f"{base}/webhooks/{name}"
            channels[name] = {"platform": name, "enabled": True, "bot": "echo", **stage.settings()}
        document = {
            "hub": {
                "public_url": base,
                "port": port,
                "playground": False,
                "var": str(home / "var"),
                "log_level": "WARNING",
            },
            "channels": channels,
            "bots": {"echo": {"use": "echo"}},
        }
        (home / "hub.yaml").write_text(yaml.safe_dump(document))
        arguments = ["-m", "composition", "serve", "--config", str(home / "hub.yaml")]
        process = await stack.enter_async_context(child(arguments, "ready", {"REDIS_URL": ""}))
        contestant = Contestant(process, stages)
        stack.push_async_callback(contestant.close)
        yield contestant


def table(ours: Mapping[str, Figure], bares: Mapping[str, Figure]) -> Table:
    """Both, side by side."""
    shown = Table(title="Echo through the hub, and through four bare SDK bots (same machine, same run)")
    for heading in ("", "CPU ms", "bare", "ratio", "msg/s", "bare", "p50 ms", "bare", "p99 ms", "bare", "wrong"):
        shown.add_column(heading, justify="left" if not heading else "right")
    for name, our in ours.items():
        their = bares[name]
        shown.add_row(
            name,
            f"{our.cpu:.2f}",
            f"{their.cpu:.2f}",
            f"{our.cpu / their.cpu:.2f}",
            f"{our.rate:.0f}",
            f"{their.rate:.0f}",
            f"{our.p50:.1f}",
            f"{their.p50:.1f}",
            f"{our.p99:.1f}",
            f"{their.p99:.1f}",
            f"{our.wrong}/{their.wrong}",
        )
    return shown


async def compare(users: int = 48, each: int = 40) -> None:
    """Measure both and print the table, then what a turn with a model costs."""
    console = Console(width=120)
    console.print(f"{users} users in a closed loop, {each} messages each; CPU of the whole process tree.")
    async with bare() as theirs, hub() as ours:
        bares, hubs = await measure([theirs, ours], users, each)
    console.print(table(hubs, bares))
    is_met = hubs[MIX].cpu <= TARGET * bares[MIX].cpu
    console.print(
        f"Target: the {MIX} at most {TARGET} times the CPU of the bare bots: {'met' if is_met else 'missed'}.\n"
    )
    await turns.report(console)
