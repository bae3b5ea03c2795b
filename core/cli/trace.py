"""`trace REFERENCE`: what became of an event, by the reference that an apology or a log line names."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from core.archive.opening import open_archive
from core.cli.line import line
from core.cli.opened import opened
from core.engine.dead import DeadLetters
from core.engine.engine import Engine
from core.errors import HubError
from core.events import AnyEvent
from core.parts import Configuration
from core.pseudonym import Pseudonyms, key
from core.work import Traced

ALL = 10_000
"""Dead letters that are looked at: more are not kept."""

_event = msgspec.json.Decoder(AnyEvent).decode
_traced = msgspec.json.Decoder(Traced).decode


def add(app: typer.Typer, load: Callable[[Path], Configuration], default: Path) -> None:
    """Put the command into a command line."""

    @app.command()
    def trace(
        reference: Annotated[str, typer.Argument(help="As the apology or the log names it.")],
        config: Annotated[Path, typer.Option("--config", "-c", help="The YAML file to read.")] = default,
    ) -> None:
        """Say what became of a message: answered, passed over or dead, when and why."""
        asyncio.run(_trace(load(config), reference.strip().strip("`")))


async def _trace(config: Configuration, reference: str) -> None:
    names = Pseudonyms(key(config.hub.var, config.hub.pseudonym_key))
    async with opened(config) as engine:
        told = [each async for each in _found(engine, reference)]
        lines = [text for channel, record in told for text in _told(channel, record, names)]
        # The store has the marks of one day; longer than that there are what could not be answered, and what was.
        lines = lines or await _dead(engine, reference, names)
    lines = lines or await _archived(config, reference, names)
    if not lines:
        raise HubError(f"nothing is known of {reference}: after a day only of what the archive has, or of what is dead")
    for text in lines:
        typer.echo(text)


def _told(channel: str, record: Traced | None, names: Pseudonyms) -> Iterator[str]:
    if record is None:
        yield f"{channel}: taken in, not answered yet"
        return
    tries = f" at try {record.tries}" if record.tries > 1 else ""
    why = f": {record.reason}" if record.reason else ""
    yield f"{channel}: {record.outcome} {_when(record.time)}{tries}{line(why)}"
    if record.conversation:  # else its user was erased
        yield f"in the log: {names.conversation(record.conversation)}"


async def _dead(engine: Engine, reference: str, names: Pseudonyms) -> list[str]:
    lines: list[str] = []
    for letter in await DeadLetters(engine).list(ALL):
        with contextlib.suppress(msgspec.DecodeError):
            event = _event(letter.envelope)
            if event.uid == reference:
                lines += [f"{event.address.channel}: dead {_when(letter.time)}: {line(letter.reason)}"]
                lines += [f"in the log: {names.conversation(letter.conversation)}"]
    return lines


async def _archived(config: Configuration, reference: str, names: Pseudonyms) -> list[str]:
    hub = config.hub
    async with open_archive(hub.database_url.get_secret_value(), hub.var, names.of) as archive:
        turns = await archive.answered(reference)
    lines: list[str] = []
    for turn in turns:
        models = " ".join(dict.fromkeys(said.model for said in turn.messages if said.model))
        took = f" ({turn.prompt_tokens} + {turn.completion_tokens} tokens, cost {turn.cost:g})" if models else ""
        gone = ", since then deleted in the chat" if turn.deleted else ""
        lines += [f"{turn.channel}: answered {_when(turn.time)} by {' '.join([turn.bot, models]).strip()}{took}{gone}"]
        lines += [f"in the log: {names.conversation(turn.conversation)}"]
    return lines


def _when(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


async def _found(engine: Engine, reference: str) -> AsyncIterator[tuple[str, Traced | None]]:
    """The channels that had an event of that id."""
    quoted = "".join(f"\\{sign}" if sign in "*?[]\\^" else sign for sign in reference)
    for at in engine.shards:
        cursor = b"0"
        while True:
            cursor, keys = await engine.command("SCAN", cursor, "MATCH", f"{at.dd}*:{quoted}", "COUNT", 1000)
            for name in keys:
                value = await engine.command("GET", name)
                channel = name.decode().removeprefix(at.dd).removesuffix(f":{reference}")
                if value is not None:
                    yield channel, None if value == b"a" else _traced(value)
            if cursor == b"0":
                break
