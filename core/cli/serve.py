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
from core.application import Application, Configuration
from core.cli.program import Program
from core.cli.running import Running
from core.errors import ConfigError
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
    config = read()
    redact = logging.setup(config.hub.log_level.upper())
    redact.learn(config.secrets())
    edits, look = program.watch(read, config)
    stop = _signals(look)
    console = Console(stderr=False, highlight=False)
    application = Application(config, program.parts)
    async with application.running():
        Running.note(config)
        following = asyncio.create_task(_follow(edits, application, redact))
        await application.supervisor.settled(SETTLE)
        console.print(table(list(application.supervisor.channels.values())))
        for title, url in application.pages().items():
            console.print(f"{title}: {url}")
        console.print(f"Switchboard is ready on {application.url}  (Ctrl+C stops it)")
        await stop.wait()
        log.info("stopping", drain=config.hub.drain)
        following.cancel()
        await asyncio.wait([following])
    Running.forget(config)


async def _follow(
    edits: AsyncIterator[Configuration | list[str]], application: Application, redact: logging.Redact
) -> None:
    """Take over each edit of the configuration that is valid; say of the others what is wrong."""
    async for found in edits:
        if isinstance(found, list):
            application.rejected = found
            log.error("configuration refused; the last good one stays in force", faults=found)
            continue
        redact.learn(application.config.secrets() | found.secrets())
        try:
            steps = await application.apply(found)
        except ConfigError as error:
            application.rejected = error.faults
            log.error("configuration refused; the last good one stays in force", faults=error.faults)
            continue
        Running.note(found)
        log.info("configuration taken over", **{name: step for name, step in steps.items() if step != "keep"})


def _signals(look: Callable[[], None]) -> asyncio.Event:
    """The event that SIGTERM or SIGINT sets; SIGHUP has the configuration looked at."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # not on Windows
            loop.add_signal_handler(number, end)
    with contextlib.suppress(NotImplementedError, AttributeError):
        loop.add_signal_handler(signal.SIGHUP, look)
    return stop
