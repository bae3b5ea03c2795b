"""Runs the hub until it is told to stop: the channels' table, signals, and configurations taken over while it runs."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable

import structlog
from rich.console import Console
from rich.table import Table

from core import log as logging
from core import pseudonym
from core.application import Application
from core.cli.program import Program
from core.cli.running import Presence
from core.errors import ConfigError, HubError
from core.garbage import look_seldom
from core.parts import Configuration
from core.supervisor import Channel, State

log = structlog.get_logger(__name__)

SETTLE = 10.0
"""Seconds that the table waits for channels to come up; those that need longer are shown as starting."""
_COLOURS = {State.RUNNING: "green", State.OFF: "dim", State.BAD_CREDENTIALS: "red", State.NOT_READY: "yellow"}


def table(channels: list[Channel]) -> Table:
    """Each channel: connected as whom, or why not and what to do next."""
    shown = Table(box=None, pad_edge=False)
    for heading in ("channel", "platform", "state", ""):
        shown.add_column(heading)
    for channel in channels:
        colour = _COLOURS.get(channel.state, "default")
        shown.add_row(
            channel.name, channel.settings.platform, f"[{colour}]{channel.state}[/]", channel.detail.replace("[", r"\[")
        )
    return shown


async def serve(program: Program, read: Callable[[], Configuration]) -> None:
    """Serve until SIGTERM or SIGINT; a second one ends the process at once. `read` loads the configuration anew."""
    look_seldom()
    config = read()
    redact = logging.setup(config.hub.log_level.upper())
    redact.learn(config.secrets())
    logging.PSEUDONYMS.learn(pseudonym.key(config.hub.var, config.hub.pseudonym_key))
    edits, look = program.watch(read, config)
    application = Application(config, program.parts)
    _signals(application.over, look)
    presence = Presence(config.hub.var)
    async with application.running():
        presence.note(config)
        over = asyncio.create_task(application.over.wait())
        settled = asyncio.create_task(application.supervisor.settled(SETTLE))
        following = asyncio.create_task(_follow(edits, application, redact, presence))
        try:
            await asyncio.wait([over, settled], return_when=asyncio.FIRST_COMPLETED)
            if not over.done():
                _greet(application)
            await over
            log.info("stopping", drain=config.hub.drain)
        finally:
            for task in (over, settled, following):
                task.cancel()
            await asyncio.wait([over, settled, following])
    presence.forget()
    if application.broken:
        raise HubError(f"ended, to be started again: {application.broken}")


def _greet(application: Application) -> None:
    """Say that the hub is up, and what of it."""
    console = Console(stderr=False, highlight=False)
    console.print(table(list(application.supervisor.channels.values())))
    for title, url in application.pages().items():
        console.print(f"{title}: {url}")
    console.print(f"Switchboard is ready on {application.url}  (Ctrl+C stops it)")


async def _follow(
    edits: AsyncIterator[Configuration | list[str]],
    application: Application,
    redact: logging.Redact,
    presence: Presence,
) -> None:
    """Take over each edit of the configuration that is valid; say of the others what is wrong."""
    async for found in edits:
        if isinstance(found, list):
            _refuse(application, found)
            continue
        redact.learn(application.config.secrets() | found.secrets())
        try:
            steps = await application.apply(found)
            presence.note(found)
        except ConfigError as error:
            _refuse(application, error.faults)
            continue
        except Exception as error:  # noqa: BLE001 - the edge of one edit: the next one may mend it
            await log.aexception("configuration could not be taken over")
            application.rejected = [" ".join(f"{type(error).__name__}: {error}".split())]
            continue
        log.info("configuration taken over", **{name: step for name, step in steps.items() if step != "keep"})


def _refuse(application: Application, faults: list[str]) -> None:
    application.rejected = faults
    log.error("configuration refused; the last good one stays in force", faults=faults)


def _signals(over: asyncio.Event, look: Callable[[], None]) -> None:
    """SIGTERM and SIGINT set the event; SIGHUP has the configuration looked at."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        if over.is_set():
            os._exit(1)
        over.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # not on Windows
            loop.add_signal_handler(number, end)
    with contextlib.suppress(NotImplementedError, AttributeError):
        loop.add_signal_handler(signal.SIGHUP, look)
