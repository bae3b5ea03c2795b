"""Puts the parts of a running hub together, keeps them running, applies new configurations, and takes them apart."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Collection, Iterable
from functools import partial
from typing import Any

import structlog
from aiohttp import web

from core import commands, health, making, metrics, pseudonym, server
from core.access.access import Access
from core.adapter import Settings, Wiring
from core.archive.erased import Erased
from core.archive.feed import Feed
from core.archive.opening import open_archive
from core.bot import Bot, Resources
from core.cancel import cancelled
from core.conversation.kept import KeptCalibrations
from core.engine.engine import Engine
from core.engine.signals import Signals
from core.engine.spool import SpooledInbox
from core.engine.store import open_store
from core.engine.worker import Worker
from core.errors import StoreError
from core.hub import Hub
from core.identity import identity
from core.limits.limits import Limits
from core.limits.rules import unpriced
from core.model.models import Models
from core.parts import Configuration, Extra, Parts
from core.people.people import People
from core.plan import Step, bot_digest, digests, steps
from core.pseudonym import Pseudonyms
from core.site import serving
from core.supervisor import Channel, Pace, Supervisor
from core.wiring import Cursors, client, wired
from core.work import sender

log = structlog.get_logger(__name__)

ARCHIVE_DELAY = 3.0
"""Seconds after the start until the archive is opened: its library takes a second of CPU, which channels need first."""

SEE_THE_LOG = "see the log"
"""Of what is wrong inside: anybody may read the report, and errors name hosts and users."""


class Application:
    """One process of the hub."""

    def __init__(
        self,
        config: Configuration,
        parts: Parts,
        *,
        prefix: str = "sb",
        pace: Pace = Pace(),  # noqa: B008
        archived: bool = True,
    ) -> None:
        """`archived`: what is said goes into the archive."""
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
        self._archived = archived
        self._extra = Extra()
        self._retiring: set[asyncio.Task[None]] = set()
        self._bots: dict[str, Bot[Any]] = {}
        self._draining = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The hub takes events and answers them while the body runs; then it finishes what is under way."""
        hub = self.config.hub
        async with contextlib.AsyncExitStack() as stack:
            store = await stack.enter_async_context(open_store(hub.redis_url.get_secret_value() or None, hub.var))
            self.engine = Engine(store, prefix=self.prefix, durability=hub.durability)
            spool = SpooledInbox(self.engine, hub.var / f"{self.prefix}.spool")
            stack.push_async_callback(spool.close)
            signals = Signals(store, f"{self.prefix}:meanwhile")
            self.people = People(self.engine, partial(sender, self.supervisor.channels))
            self.limits = Limits(self.engine, self.config.limits)
            self.feed, erased = await self._archive()
            self.hub = Hub(
                self.engine,
                self.supervisor.channels,
                spool,
                signals,
                access=Access(self.engine),
                limits=self.limits,
                people=self.people,
                erased=erased,
            )
            self._http = await stack.enter_async_context(client())
            self._extra = await stack.enter_async_context(self.parts.playground(self.config))
            self.url = await stack.enter_async_context(serving(self._pages(), hub.host, hub.port))
            self._extra.listening(self.url)
            worker = Worker(self.engine, self.hub.turn, name=self._worker_name())
            self._learnt = KeptCalibrations(hub.var / "calibrations.json")
            stack.callback(self._learnt.save)
            self._models = await self._opened_models(self.config)
            stack.push_async_callback(lambda: self._models.close())
            lives = {
                "worker": worker.run(),
                "spool": spool.run(),
                "signals": signals.run(self.hub.hear),
                "people": self.people.listen(store),
                "calibrations": self._learnt.run(),
            }
            if self.feed is not None:
                lives["archive"] = self.feed.run()
            tasks = [asyncio.create_task(life, name=name) for name, life in lives.items()]
            for task in tasks:
                task.add_done_callback(self._ended)
            try:
                self._bots |= await self._made_bots(self.config, self._models)
                self._warn(self.config)
                self.supervisor.start(map(self._channel, self._all_channels(self.config).items()))
                yield
            finally:
                self._draining = True
                await worker.drain(hub.drain)
                await self.hub.ending.afterwards.stop()
                await self.supervisor.stop()
                await asyncio.gather(*self._retiring, return_exceptions=True)
                await making.stop(self._bots.values())
                await cancelled(tasks)
                await self.engine.close()

    async def _archive(self) -> tuple[Feed | None, Erased | None]:
        """What carries turns into the archive, and what tells who must not come back into it."""
        if not self._archived:
            return None, None
        hub = self.config.hub
        names = Pseudonyms(pseudonym.key(hub.var, hub.pseudonym_key))
        erased = Erased(self.engine, names.of)
        await erased.refresh()
        feed = Feed(
            self.engine,
            lambda: open_archive(hub.database_url.get_secret_value(), hub.var, names.of),
            name=self._worker_name(),
            retention=lambda: {name: each.retention for name, each in self.config.channels.items()},
            erased=erased,
            delay=ARCHIVE_DELAY,
        )
        return feed, erased

    async def _opened_models(self, config: Configuration) -> Models:
        models = Models(config.models, vectors=config.hub.var / "embeddings.sqlite3")
        await models.open()
        return models

    def _warn(self, config: Configuration) -> None:
        """Of what is valid and yet hardly meant."""
        if models := unpriced(config.limits, config.models):
            log.warning("models without a price escape every budget", models=models)

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
                models = await self._opened_models(config)
                undo.push_async_callback(models.close)
            fresh = await self._made_bots(config, models, keep=set(self._bots) - changed_bots)
            undo.push_async_callback(making.stop, fresh.values())
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
        self.limits.use(config.limits)
        self._extra.applied(config)
        self._warn(config)
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
        await self.hub.ending.afterwards.stop(old_bots)
        await making.stop(old_bots)
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
        except StoreError:  # the worker says why
            stats, store = None, {"ok": False, "error": SEE_THE_LOG}
        is_ready = stats is not None and not self._draining and not self.broken
        feed = self.feed
        return is_ready, {
            "ready": is_ready,
            "store": store,
            "archive": {"ok": not feed.trouble, "error": SEE_THE_LOG if feed.trouble else "", **feed.counts}
            if feed
            else {"ok": True},
            "events": stats,
            "silences": dict(self.hub.ending.silences),
            "models": self._models.health(),
            "tool_servers": {name: servers for name, bot in self._bots.items() if (servers := bot.tool_servers())},
            "channels": {each.name: health.channel(each) for each in self.supervisor.channels.values()},
            "configuration": health.configuration(self.rejected),
        }

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
        wiring = Wiring(
            channel=name,
            inbox=self.hub.accept,
            http=self._http,
            public_url=self.url if name in self._extra.channels else self.config.public_url,
            cursors=Cursors(self.engine, name),
            commands=commands.COMMANDS,
        )
        bot, holder = self._bots[settings.bot], self._worker_name()
        return wired(wiring, settings, bot, self.parts.adapter_type, self.engine, holder=holder, pace=self.pace)

    async def _made_bots(
        self, config: Configuration, models: Models, keep: Collection[str] = ()
    ) -> dict[str, Bot[Any]]:
        """Started bots for all channels but those that have one. Raises ConfigError; then none is left running."""
        names = {settings.bot for settings in self._all_channels(config).values()} - set(keep)
        resources = Resources(models.chains(), config.personalities, models.embedders(), self._learnt.calibrations)
        return await making.started(names, config.bots, self.parts.bot_type, resources)

    def _worker_name(self) -> str:
        """The same after a restart, so that turns which a crash cut off are taken up at once and not after their lease.

        No other has it: folders differ in their id, and two processes cannot listen on one address."""
        hub = self.config.hub
        return f"{identity(hub.var)}:{hub.host}:{hub.port or os.getpid()}"

    def _pages(self) -> web.Application:
        """All that the one port serves."""
        app = server.application(self.supervisor.channels, self.report)
        self._extra.mount(app)
        token = self.config.hub.metrics_token.get_secret_value()
        is_private = server.is_private(self.config.hub.host, self.config.public_url)
        refresh = partial(health.refresh, self.supervisor.channels, self._bots, self.engine)
        app.add_routes(metrics.routes(token, is_private=is_private, refresh=refresh))
        return app
