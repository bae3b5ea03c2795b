"""How each part of a running hub is, as `/health` tells it and as the metrics have it."""

import contextlib
import re
from collections.abc import Collection, Mapping
from typing import Any

from core import metrics
from core.bot import Bot
from core.engine.dead import DeadLetters
from core.engine.engine import Engine, Stats
from core.errors import StoreError
from core.supervisor import Channel, State


def channel(channel: Channel) -> dict[str, object]:
    """One channel's line."""
    adapter = channel.adapter
    return {
        "state": str(channel.state),
        "detail": adapter.health.detail or channel.detail if adapter else channel.detail,
        "restarts": channel.restarts,
        "last_sign_of_life_s": round(adapter.health.silent_for, 1) if adapter else None,
    }


def configuration(rejected: Collection[str]) -> dict[str, object]:
    """Whether the last edit is in force, and where its faults are: anybody may read this, and what is wrong there may
    be a misplaced secret."""
    return {"ok": not rejected, "faults": [_place(fault) for fault in rejected]}


async def refresh(channels: Mapping[str, Channel], bots: Mapping[str, Bot[Any]], engine: Engine) -> None:
    """Bring the gauges up to date, as far as the store answers."""
    _tool_servers(bots)
    with contextlib.suppress(StoreError):
        dead_letters = await DeadLetters(engine).count()
        gauge(channels, await engine.stats(), dead_letters)


def gauge(channels: Mapping[str, Channel], stats: Stats, dead_letters: int) -> None:
    """Bring the gauges up to date."""
    metrics.gauge("events_waiting", stats.in_flight)
    metrics.gauge("dead_letters", dead_letters)
    metrics.clear("channel_up")
    for each in channels.values():
        metrics.gauge("channel_up", each.state is State.RUNNING, channel=each.name)


def _tool_servers(bots: Mapping[str, Bot[Any]]) -> None:
    metrics.clear("tool_server_up")
    metrics.clear("tool_server_tools")
    for name, bot in bots.items():
        for server, facts in bot.tool_servers().items():
            metrics.gauge("tool_server_up", facts["state"] == "running", bot=name, server=server)
            metrics.gauge("tool_server_tools", int(facts["tools"]), bot=name, server=server)


def _place(fault: str) -> str:
    found = re.match(r"\S+:\d+:\d+ [^:\s]+", fault)
    return f"{found[0]}: see the log" if found else "see the log"
