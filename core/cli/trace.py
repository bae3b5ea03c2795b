"""`trace REFERENCE`: what became of an event, by the reference that an apology or a log line names."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from core.cli.line import line
from core.cli.opened import opened
from core.engine.engine import Engine
from core.errors import HubError
from core.parts import Configuration
from core.pseudonym import Pseudonyms, key
from core.work import Traced

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
        found = [each async for each in _found(engine, reference)]
    if not found:
        raise HubError(f"nothing is known of {reference}: references are kept for a day")
    for channel, record in found:
        if record is None:
            typer.echo(f"{channel}: taken in, not answered yet")
            continue
        when = datetime.fromtimestamp(record.time, UTC).strftime("%Y-%m-%d %H:%M:%S")
        tries = f" at try {record.tries}" if record.tries > 1 else ""
        why = f": {record.reason}" if record.reason else ""
        typer.echo(f"{channel}: {record.outcome} {when} UTC{tries}{line(why)}")
        if record.conversation:  # else its user was erased
            typer.echo(f"in the log: {names.conversation(record.conversation)}")


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
