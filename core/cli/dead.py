"""`dead list|replay|drop`: events that could not be answered, for a person to decide about."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from core.cli.line import line
from core.cli.opened import opened
from core.engine.dead import DeadLetters
from core.parts import Configuration

Load = Callable[[Path], Configuration]
Ids = Annotated[list[str] | None, typer.Argument(help="Which; the ids that `dead list` shows.")]
All = Annotated[bool, typer.Option("--all", help="All there are.")]


def commands(load: Load, default: Path) -> typer.Typer:
    """The group of commands."""
    app = typer.Typer(help="Events that could not be answered.", no_args_is_help=True)
    option = typer.Option("--config", "-c", help="The YAML file to read.")

    @app.command("list")
    def list_command(config: Annotated[Path, option] = default) -> None:
        """Show them: id, when, conversation, why."""
        asyncio.run(_list(load(config)))

    @app.command()
    def replay(ids: Ids = None, every: All = False, config: Annotated[Path, option] = default) -> None:
        """Put them back in line, to be answered after all."""
        asyncio.run(_each(load(config), ids, every, "replay"))

    @app.command()
    def drop(ids: Ids = None, every: All = False, config: Annotated[Path, option] = default) -> None:
        """Let go of them for good."""
        asyncio.run(_each(load(config), ids, every, "drop"))

    return app


async def _list(config: Configuration) -> None:
    async with opened(config) as engine:
        dead = DeadLetters(engine)
        letters = await dead.list()
    for letter in letters:
        when = datetime.fromtimestamp(letter.time, UTC).strftime("%Y-%m-%d %H:%M:%S")
        typer.echo(f"{letter.id}  {when}  {letter.conversation}  {line(letter.reason)}")
    if not letters:
        typer.echo("nothing is dead")


async def _each(config: Configuration, ids: list[str] | None, every: bool, verb: str) -> None:
    if not ids and not every:
        raise typer.BadParameter("name ids, or say --all")
    async with opened(config) as engine:
        dead = DeadLetters(engine)
        wanted = [letter.id for letter in await dead.list(10_000)] if every else ids or []
        if not wanted:
            typer.echo("nothing is dead")
        for id_ in reversed(wanted):  # oldest first, so that a conversation's events keep their order
            found = await (dead.replay(id_) if verb == "replay" else dead.drop(id_))
            typer.echo(f"{verb}: {id_}" if found else f"there is no {id_}")
