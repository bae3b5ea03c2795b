"""Connects a channel: what its adapter is handed, and what the supervisor needs to keep it alive."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp

from core.adapter import Adapter, Settings, Wiring
from core.bot import Bot
from core.conversation.key import beginning
from core.engine.engine import Engine
from core.engine.hasten import hasten
from core.engine.lease import Lease
from core.supervisor import Channel, Pace


@dataclass(frozen=True, slots=True)
class Cursors:
    """How far a channel has read, as the store has it."""

    engine: Engine
    channel: str

    async def read(self) -> Mapping[str, str]:
        return await self.engine.cursors(self.channel)


def wired(
    wiring: Wiring,
    settings: Settings,
    bot: Bot[Any],
    adapter_type: Callable[[str], type[Adapter[Any]]],
    engine: Engine,
    *,
    holder: str,
    pace: Pace,
) -> Channel:
    """A channel to start. Its adapter's code, and the library under it, is loaded when it is built. `holder`: who has
    the lease, where only one process may."""

    def build() -> Adapter[Any]:
        return adapter_type(settings.platform)(settings, wiring)

    lease = partial(Lease, engine, holder=f"{holder}/{wiring.channel}")
    on_running = partial(hasten, engine, beginning(wiring.channel))
    return Channel(wiring.channel, settings, bot, build, pace, lease, on_running=on_running)


def client() -> aiohttp.ClientSession:
    """The one pooled client of all adapters."""
    timeout = aiohttp.ClientTimeout(total=30, sock_connect=5)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    return aiohttp.ClientSession(timeout=timeout, connector=connector, cookie_jar=aiohttp.DummyCookieJar())
