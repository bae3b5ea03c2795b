"""Puts the parts of a running hub together, keeps them running, applies new configurations, and takes them apart."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import structlog
from aiohttp import web
from pydantic import SecretStr

from core import commands, server
from core.adapter import Adapter, Settings, Wiring
from core.bot import Bot, BotSettings, Resources
from core.engine.engine import Engine
from core.engine.spool import SpooledInbox
from core.engine.store import open_store
from core.engine.worker import Worker
from core.errors import HubError, StoreError
from core.hub import Hub
from core.model.models import Models
from core.model.settings import ModelSettings
from core.persona.settings import Personality
from core.plan import Step, digests, steps
from core.supervisor import Channel, Pace, Supervisor

log = structlog.get_logger(__name__)


class HubSettings(Protocol):
    """The keys under `hub:`."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def var(self) -> Path: ...
    @property
    def redis_url(self) -> SecretStr: ...
    @property
    def log_level(self) -> str: ...
    @property
    def drain(self) -> float: ...


class Configuration(Protocol):
    """A valid configuration, typed."""

    @property
    def hub(self) -> HubSettings: ...
    @property
    def channels(self) -> Mapping[str, Settings]: ...
    @property
    def bots(self) -> Mapping[str, BotSettings]: ...
    @property
    def models(self) -> Mapping[str, ModelSettings]: ...
    @property
    def personalities(self) -> Mapping[str, Personality]: ...
    @property
    def public_url(self) -> str: ...
    def secrets(self) -> set[str]:
        """Every secret value in it, for the logs to hide."""
        ...


@dataclass(frozen=True, slots=True)
class Extra:
    """Channels and pages that do not come from the YAML file."""

    channels: Mapping[str, Settings] = field(default_factory=dict)
    mount: Callable[[web.Application], None] = lambda _: None
    """Adds the pages to the web application."""
    listening: Callable[[str], None] = lambda _: None
    """Told the hub's address once it listens."""
    pages: Mapping[str, str] = field(default_factory=dict)
    """Title -> path of what a person may want to open."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What stands on the core: handed in, so that the core knows none of it."""

    adapter_type: Callable[[str], type[Adapter[Any]]]
    bot_type: Callable[[str], type[Bot[Any]]]
    playground: Callable[[Configuration], AbstractAsyncContextManager[Extra]]


class Application:
    """One process of the hub."""

    def __init__(self, config: Configuration, parts: Parts, *, prefix: str = "sb", pace: Pace = Pace()) -> None:  # noqa: B008
        self.config = config
        self.parts = parts
        self.pace = pace
        self.prefix = prefix
        self.supervisor = Supervisor()
        self.url = ""
        """Where the hub listens."""
        self.rejected: list[str] = []
        """Faults of the last edit of the configuration, while it is not in force."""
        self._extra = Extra()
        self._bots: dict[str, Bot[Any]] = {}
        self._draining = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The hub takes events and answers them while the body runs; then it finishes what is under way."""
        hub_settings = self.config.hub
        async with contextlib.AsyncExitStack() as stack:
            store = await stack.enter_async_context(
                open_store(hub_settings.redis_url.get_secret_value() or None, hub_settings.var)
            )
            self.engine = Engine(store, prefix=self.prefix)
            spool = SpooledInbox(self.engine, hub_settings.var / f"{self.prefix}.spool")
            stack.push_async_callback(spool.close)
            self.hub = Hub(self.engine, self.supervisor.channels, spool)
            timeout = aiohttp.ClientTimeout(total=30, sock_connect=5)
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
            self._http = await stack.enter_async_context(
                aiohttp.ClientSession(timeout=timeout, connector=connector, cookie_jar=aiohttp.DummyCookieJar())
            )
            self._extra = await stack.enter_async_context(self.parts.playground(self.config))
            await self._listen(stack)
            self._extra.listening(self.url)
            worker = Worker(self.engine, self.hub.turn, name=self._worker_name())
            self._models = Models(self.config.models)
            await self._models.open()
            stack.push_async_callback(lambda: self._models.close())
            tasks = [asyncio.create_task(worker.run(), name="worker"), asyncio.create_task(spool.run(), name="spool")]
            try:
                self._bots = await self._made_bots(self.config, self._models)
                self.supervisor.start(map(self._channel, self._all_channels(self.config).items()))
                yield
            finally:
                self._draining = True
                await worker.drain(hub_settings.drain)
                await self.supervisor.stop()
                for bot in self._bots.values():
                    await bot.stop()
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
                await self.engine.close()

    async def apply(self, config: Configuration) -> dict[str, Step]:
        """Bring the channels in line with a new configuration; only those that differ are touched.

        Raises ConfigError when a bot cannot be made of it; then nothing was changed."""
        changes = steps(digests(self.config), digests(config))
        changed_bots = {name for name, bot in self.config.bots.items() if config.bots.get(name) != bot}
        is_new = config.models != self.config.models or config.personalities != self.config.personalities
        if is_new:
            changed_bots |= set(config.bots)
        models = self._models
        if config.models != self.config.models:
            models = Models(config.models)
            await models.open()
        fresh = await self._made_bots(config, models, keep=set(self._bots) - changed_bots)
        kept = {name for name, step in changes.items() if step == "keep"}
        affected = [
            name
            for name, channel in self.supervisor.channels.items()
            if (name not in kept and name not in self._extra.channels) or channel.settings.bot in changed_bots
        ]
        await self.supervisor.stop(affected)
        for name in affected:
            del self.supervisor.channels[name]
        old = {name: self._bots.pop(name) for name in changed_bots if name in self._bots}
        self._bots |= fresh
        self.config = config
        self.supervisor.start(
            self._channel(entry)
            for entry in self._all_channels(config).items()
            if entry[0] not in self.supervisor.channels
        )
        for bot in old.values():
            await bot.stop()
        if models is not self._models:
            old_models, self._models = self._models, models
            await old_models.close()
        self.rejected = []
        return changes

    def pages(self) -> dict[str, str]:
        """Title -> address of what a person may want to open."""
        return {title: self.url + path for title, path in self._extra.pages.items()}

    async def report(self) -> tuple[bool, dict[str, object]]:
        """Whether the hub can take work, and how each part is."""
        try:
            stats = await self.engine.stats()
            store: dict[str, object] = {"ok": True}
        except StoreError as error:
            stats, store = None, {"ok": False, "error": str(error)}
        is_ready = stats is not None and not self._draining
        channels = {
            channel.name: {
                "state": str(channel.state),
                "detail": channel.detail,
                "restarts": channel.restarts,
                "last_sign_of_life_s": round(channel.adapter.health.silent_for, 1) if channel.adapter else None,
            }
            for channel in self.supervisor.channels.values()
        }
        facts: dict[str, object] = {
            "ready": is_ready,
            "store": store,
            "events": stats,
            "silences": dict(self.hub.silences),
            "models": self._models.health(),
            "channels": channels,
            "configuration": {"ok": not self.rejected, "faults": self.rejected},
        }
        return is_ready, facts

    def _all_channels(self, config: Configuration) -> dict[str, Settings]:
        return {**config.channels, **self._extra.channels}

    def _channel(self, entry: tuple[str, Settings]) -> Channel:
        name, settings = entry
        local = name in self._extra.channels
        wiring = Wiring(
            channel=name,
            inbox=self.hub.accept,
            http=self._http,
            public_url=self.url if local else self.config.public_url,
            cursors=_Cursors(self.engine, name),
            commands=commands.COMMANDS,
        )
        build = partial(self._build, settings, wiring)
        return Channel(name, settings, self._bots[settings.bot], build, self.pace)

    def _build(self, settings: Settings, wiring: Wiring) -> Adapter[Any]:
        return self.parts.adapter_type(settings.platform)(settings, wiring)

    async def _made_bots(
        self, config: Configuration, models: Models, keep: Collection[str] = ()
    ) -> dict[str, Bot[Any]]:
        """Started bots for all channels but those that have one. Raises ConfigError; then none is left running."""
        made: dict[str, Bot[Any]] = {}
        resources = Resources(models.chains(), config.personalities)
        try:
            for name in sorted({settings.bot for settings in self._all_channels(config).values()} - set(keep)):
                made[name] = self.parts.bot_type(config.bots[name].use)(config.bots[name], resources)
                await made[name].start()
        except BaseException:
            for bot in made.values():
                await bot.stop()
            raise
        return made

    def _worker_name(self) -> str:
        """The same after a restart, so that turns which a crash cut off are taken up at once and not after their lease.

        The port makes it unique on a host: two processes cannot listen on one."""
        return f"{socket.gethostname()}:{self.config.hub.port or os.getpid()}"

    async def _listen(self, stack: contextlib.AsyncExitStack) -> None:
        """Open the one port. Raises HubError where it is taken."""
        app = server.application(self.supervisor.channels, self.report)
        self._extra.mount(app)
        # Bodies are not inflated before anybody has looked at them: compressed ones are refused.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0, auto_decompress=False)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        host, port = self.config.hub.host, self.config.hub.port
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise HubError(
                f"cannot listen on {host}:{port} ({error.strerror}); set PORT or hub.port to another"
            ) from error
        bound = runner.addresses[0][1]
        self.url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{bound}"  # noqa: S104


@dataclass(frozen=True, slots=True)
class _Cursors:
    engine: Engine
    channel: str

    async def read(self) -> Mapping[str, str]:
        return await self.engine.cursors(self.channel)
