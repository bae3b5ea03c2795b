"""The hub beside four bare SDK bots: CPU per message, throughput and waits, in one run on one machine."""

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from rich.console import Console
from rich.table import Table

from bench.load import Audience, Result
from simulators.discord import DiscordSimulator
from simulators.slack import SlackSimulator
from simulators.stage import Simulator
from simulators.telegram import TelegramSimulator
from simulators.twilio import TwilioSimulator

PLATFORMS = ("slack", "telegram", "whatsapp", "discord")
MIX = "mix of four"


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


async def measure(process: psutil.Process, stages: Mapping[str, Simulator], users: int, each: int) -> dict[str, Figure]:
    """Each platform alone, then all four at once."""
    audiences = {name: Audience(stage) for name, stage in stages.items()}
    figures: dict[str, Figure] = {}
    for name in PLATFORMS:  # the first answers import and connect; they are not what a message costs
        await audiences[name].talk(people(stages[name], users), 3)
    for name in (*PLATFORMS, MIX):
        chosen = PLATFORMS if name == MIX else (name,)
        count = max(1, users // len(chosen))
        cpu, began = cpu_seconds(process), time.perf_counter()
        results = await asyncio.gather(*(audiences[one].talk(people(stages[one], count), each) for one in chosen))
        seconds, cpu = time.perf_counter() - began, cpu_seconds(process) - cpu
        together = Result([wait for result in results for wait in result.waits], sum(r.wrong for r in results))
        done = len(together.waits)
        p50, p99 = together.percentile(0.5) * 1000, together.percentile(0.99) * 1000
        figures[name] = Figure(cpu / done * 1000, done / seconds, p50, p99, together.wrong)
    for audience in audiences.values():
        await audience.close()
    return figures


async def bare(users: int, each: int) -> dict[str, Figure]:
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
        return await measure(process, stages, users, each)


async def hub(users: int, each: int) -> dict[str, Figure]:
    """The hub with everything it does: dedupe, durable intake, order, session, staged reply, commit."""
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
        return await measure(process, stages, users, each)


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
    """Measure both and print the table."""
    console = Console(width=120)
    console.print(f"{users} users in a closed loop, {each} messages each; CPU of the whole process tree.")
    bares = await bare(users, each)
    ours = await hub(users, each)
    console.print(table(ours, bares))
