"""Puts the parts of a running hub together, keeps them running, applies new configurations, and takes them apart."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import structlog
from aiohttp import web

from core import commands, server
from core.adapter import Adapter, Settings, Wiring
from core.bot import Bot, Resources
from core.engine.engine import Engine
from core.engine.signals import Signals
from core.engine.spool import SpooledInbox
from core.engine.store import open_store
from core.engine.worker import Worker
from core.errors import ConfigError, HubError, StoreError
from core.hub import Hub
from core.identity import identity
from core.model.models import Models
from core.parts import Configuration, Extra, Parts
from core.plan import Step, bot_digest, digests, steps
from core.site import Site
from core.supervisor import Channel, Pace, Supervisor

log = structlog.get_logger(__name__)


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
        self.over = asyncio.Event()
        """Set when the hub is to end: by who runs it, or because a part of it broke."""
        self.broken = ""
        """What broke, without which no event can be answered."""
        self._extra = Extra()
        self._retiring: set[asyncio.Task[None]] = set()
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
            signals = Signals(store, f"{self.prefix}:meanwhile")
            self.hub = Hub(self.engine, self.supervisor.channels, spool, signals)
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
            tasks = [
                asyncio.create_task(worker.run(), name="worker"),
                asyncio.create_task(spool.run(), name="spool"),
                asyncio.create_task(signals.run(self.hub.hear), name="signals"),
            ]
            for task in tasks:
                task.add_done_callback(self._ended)
            try:
                self._bots = await self._made_bots(self.config, self._models)
                self.supervisor.start(map(self._channel, self._all_channels(self.config).items()))
                yield
            finally:
                self._draining = True
                await worker.drain(hub_settings.drain)
                await self.hub.afterwards.stop()
                await self.supervisor.stop()
                await asyncio.gather(*self._retiring, return_exceptions=True)
                await _stop_bots(self._bots.values())
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
                await self.engine.close()

    async def apply(self, config: Configuration) -> dict[str, Step]:
        """Bring the channels in line with a new configuration; only those that differ are touched.

        Raises ConfigError when a bot cannot be made of it; then nothing was changed."""
        changes = steps(digests(self.config), digests(config))
        changed_bots = {name for name in self._bots if bot_digest(self.config, name) != bot_digest(config, name)}
        channels = self._all_channels(config)
        kept = {name for name, step in changes.items() if step == "keep"}
        models = self._models
        async with contextlib.AsyncExitStack() as undo:
            if config.models != self.config.models:
                models = Models(config.models)
                undo.push_async_callback(models.close)
                await models.open()
            fresh = await self._made_bots(config, models, keep=set(self._bots) - changed_bots)
            undo.push_async_callback(_stop_bots, fresh.values())
            affected = [
                name
                for name, channel in self.supervisor.channels.items()
                if channel.settings.bot in changed_bots
                or (channel.settings != channels.get(name) if name in self._extra.channels else name not in kept)
            ]
            await self.supervisor.stop(affected)
            undo.pop_all()
        left = [self.supervisor.channels.pop(name) for name in affected]
        old = [self._bots.pop(name) for name in changed_bots if name in self._bots]
        self._bots |= fresh
        self.config = config
        self.supervisor.start(
            self._channel(entry) for entry in channels.items() if entry[0] not in self.supervisor.channels
        )
        old_models, self._models = self._models, models
        retiring = asyncio.create_task(self._retire(left, old, old_models if models is not old_models else None))
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)
        self.rejected = []
        return changes

    async def _retire(self, channels: Iterable[Channel], old_bots: Collection[Bot[Any]], models: Models | None) -> None:
        """Close what turns of former channels may still be using, when those have ended."""
        limit = self.config.hub.drain
        await asyncio.gather(*(channel.idle(limit) for channel in channels))
        await _stop_bots(old_bots)
        if models is not None:
            await models.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that only ends with the hub has ended."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        self.broken = f"the {task.get_name()} died of {type(error).__name__}: {error}"
        log.critical("a part of the hub broke", part=task.get_name(), exc_info=error)
        self.over.set()

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
        is_ready = stats is not None and not self._draining and not self.broken
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
            "configuration": {"ok": not self.rejected, "faults": [_place(fault) for fault in self.rejected]},
        }
        return is_ready, facts

    def _all_channels(self, config: Configuration) -> dict[str, Settings]:
        """Also those that are not in the file; where their bot is gone, the first there is answers there."""
        if not config.bots:
            return dict(config.channels)
        first = next(iter(config.bots))
        extra = {
            name: settings if settings.bot in config.bots else settings.model_copy(update={"bot": first})
            for name, settings in self._extra.channels.items()
        }
        return {**config.channels, **extra}

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
                if name not in config.bots:
                    raise ConfigError([f"there is no bot '{name}'"])
                made[name] = self.parts.bot_type(config.bots[name].use)(config.bots[name], resources)
                await made[name].start()
        except BaseException:
            await _stop_bots(made.values())
            raise
        return made

    def _worker_name(self) -> str:
        """The same after a restart, so that turns which a crash cut off are taken up at once and not after their lease.

        No other has it: folders differ in their id, and two processes cannot listen on one address."""
        hub = self.config.hub
        return f"{identity(hub.var)}:{hub.host}:{hub.port or os.getpid()}"

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
            await Site(runner, host, port).start()
        except OSError as error:
            raise HubError(
                f"cannot listen on {host}:{port} ({error.strerror}); set PORT or hub.port to another"
            ) from error
        bound = runner.addresses[0][1]
        self.url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{bound}"  # noqa: S104


async def _stop_bots(bots: Iterable[Bot[Any]]) -> None:
    """Stop each; one that fails at it keeps none of the others from it."""
    for bot in bots:
        try:
            await bot.stop()
        except Exception:  # noqa: BLE001 - the edge of one bot
            await log.aexception("bot stopped badly", bot=bot.settings.use)


@dataclass(frozen=True, slots=True)
class _Cursors:
    engine: Engine
    channel: str

    async def read(self) -> Mapping[str, str]:
        return await self.engine.cursors(self.channel)


def _place(fault: str) -> str:
    """Where a fault is: anybody may read `/health`, and what is wrong there may be a misplaced secret."""
    found = re.match(r"\S+:\d+:\d+ [^:\s]+", fault)
    return f"{found[0]}: see the log" if found else "see the log"
