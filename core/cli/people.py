"""`export PERSON` and `erase PERSON`: what the hub has of somebody."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Annotated, Protocol

import msgspec
import typer
from pydantic import SecretStr

from core.adapter import Settings
from core.archive.opening import open_archive
from core.archive.person import Links, Person
from core.engine.engine import Engine
from core.engine.store import open_store
from core.pseudonym import Pseudonyms, key


class Hub(Protocol):
    """Of `hub:` what is needed here."""

    @property
    def var(self) -> Path: ...
    @property
    def redis_url(self) -> SecretStr: ...
    @property
    def database_url(self) -> SecretStr: ...
    @property
    def pseudonym_key(self) -> SecretStr: ...


class Configured(Protocol):
    @property
    def hub(self) -> Hub: ...
    @property
    def channels(self) -> Mapping[str, Settings]: ...


Load = Callable[[Path], Configured]
Who = Annotated[str, typer.Argument(metavar="PERSON", help="One of their accounts: platform:id.")]


class Alone:
    """Where no accounts are linked."""

    async def accounts(self, account: str) -> set[str]:
        return {account}

    async def conversations(self, account: str) -> set[str]:
        return set()

    async def forget(self, account: str) -> None:
        return


def add(
    app: typer.Typer, load: Load, default: Path, links: Callable[[Engine], Links] = lambda _engine: Alone()
) -> None:
    """Put the commands into a command line."""
    option = typer.Option("--config", "-c", help="The YAML file to read.")

    @app.command()
    def export(
        person: Who,
        output: Annotated[Path, typer.Option("--output", "-o", help="Where to write it; - prints it.")] = Path("-"),
        config: Annotated[Path, option] = default,
    ) -> None:
        """Write down all that is kept of a person, as JSON."""
        asyncio.run(_export(load(config), _account(person), links, output))

    @app.command()
    def erase(
        person: Who,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
        config: Annotated[Path, option] = default,
    ) -> None:
        """Delete all that is kept of a person, for good; the hub may be running."""
        asyncio.run(_erase(load(config), _account(person), links, sure=yes))


def _account(person: str) -> str:
    platform, _, id_ = person.partition(":")
    if not platform or not id_:
        raise typer.BadParameter("expected an account such as platform:id")
    return person


async def _export(config: Configured, account: str, links: Callable[[Engine], Links], output: Path) -> None:
    async with _person(config, account, links) as (person, _):
        found = await person.export()
    text = msgspec.json.format(msgspec.json.encode(found), indent=2)
    if str(output) == "-":
        typer.echo(text)
    else:
        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(text + b"\n")
        typer.echo(f"wrote {output}: {len(found.turns)} turns, {len(found.live)} live conversations")
    print(f"in the logs: {' '.join(person.aliases)}", file=sys.stderr)  # noqa: T201


async def _erase(config: Configured, account: str, links: Callable[[Engine], Links], *, sure: bool) -> None:
    async with _person(config, account, links) as (person, linked):
        if not sure:
            typer.confirm(f"Delete all that is kept of {', '.join(person.accounts)}?", abort=True)
        counts = await person.erase(linked)
    for kind, count in sorted(counts.items()):
        if count:
            typer.echo(f"{count:6} {kind}")
    typer.echo(f"erased: {', '.join(person.accounts)}" if counts.total() else f"nothing is kept of {account}")
    typer.echo(f"in the logs: {' '.join(person.aliases)}")


@contextlib.asynccontextmanager
async def _person(
    config: Configured, account: str, links: Callable[[Engine], Links]
) -> AsyncIterator[tuple[Person, Links]]:
    hub = config.hub
    pseudonyms = Pseudonyms(key(hub.var, hub.pseudonym_key))
    async with (
        open_archive(hub.database_url.get_secret_value(), hub.var, pseudonyms.of) as archive,
        open_store(hub.redis_url.get_secret_value() or None, hub.var) as store,
    ):
        engine = Engine(store)
        try:
            platforms = {name: settings.platform for name, settings in config.channels.items()}
            linked = links(engine)
            accounts, chats = await linked.accounts(account), await linked.conversations(account)
            yield Person(accounts, engine, archive, chats=chats, platforms=platforms, pseudonyms=pseudonyms), linked
        finally:
            await engine.close()
