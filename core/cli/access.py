"""`access list|approve|revoke`: who is answered in channels with `access: pairing`."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from core.access.pairing import Pairing
from core.cli.line import line
from core.cli.opened import opened
from core.errors import HubError
from core.parts import Configuration

Load = Callable[[Path], Configuration]
Code = Annotated[str, typer.Argument(help="The code that the user was told.")]
Account = Annotated[str, typer.Argument(help="The account, as `access list` shows it.")]
Channel = Annotated[str | None, typer.Option("--channel", help="Only in this channel.")]


def commands(load: Load, default: Path) -> typer.Typer:
    """The group of commands."""
    app = typer.Typer(help="Who is answered in channels with `access: pairing`.", no_args_is_help=True)
    option = typer.Option("--config", "-c", help="The YAML file to read.")

    @app.command("list")
    def list_command(config: Annotated[Path, option] = default) -> None:
        """Show who waits to be let in, with their codes, and who was."""
        asyncio.run(_list(load(config)))

    @app.command()
    def approve(code: Code, config: Annotated[Path, option] = default) -> None:
        """Let in whoever has this code."""
        asyncio.run(_approve(load(config), code))

    @app.command()
    def revoke(account: Account, channel: Channel = None, config: Annotated[Path, option] = default) -> None:
        """Put an account out again; it may ask for a new code."""
        asyncio.run(_revoke(load(config), account, channel))

    return app


async def _list(config: Configuration) -> None:
    async with opened(config) as engine:
        pairing = Pairing(engine)
        listed = await pairing.list(sorted(config.channels))
    for each in listed:
        when = datetime.fromtimestamp(each.time, UTC).strftime("%Y-%m-%d %H:%M:%S")
        who = line(f"{each.account}  {each.name}")
        typer.echo(f"{each.code or 'let in':8}  {when}  {each.channel}  {who}".rstrip())
    if not listed:
        typer.echo("nobody was let in, and nobody waits")


async def _approve(config: Configuration, code: str) -> None:
    async with opened(config) as engine:
        pairing = Pairing(engine)
        who = await pairing.approve(code)
    if who is None:
        raise HubError(f"the code {code} is not open; a code lasts one hour")
    typer.echo(line(f"let in: {who.account} in {who.channel}"))


async def _revoke(config: Configuration, account: str, channel: str | None) -> None:
    if channel is not None and channel not in config.channels:
        raise HubError(f"there is no channel {channel}")
    async with opened(config) as engine:
        pairing = Pairing(engine)
        names = [channel] if channel else sorted(config.channels)
        gone = [name for name in names if await pairing.revoke(name, account)]
    if not gone:
        raise HubError(f"{account} was not let in anywhere; accounts in the file's `allow` are changed there")
    for name in gone:
        typer.echo(f"put out: {account} from {name}")
