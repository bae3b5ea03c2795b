"""The command line: `python3 run.py COMMAND`."""

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from core import log
from core.application import Application
from core.cli import access, dead, people, trace
from core.cli.program import Program
from core.cli.running import Running
from core.cli.serve import serve
from core.errors import ConfigError, HubError
from core.parts import Configuration
from core.people.people import People

CONFIG = Path("config/hub.yaml")
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The YAML file to read.")]


def main(program: Program, arguments: list[str] | None = None) -> None:
    """Run a command; an error of ours ends in one clear message, never in a traceback."""
    try:
        command_line(program)(arguments, standalone_mode=True, prog_name="run.py")
    except ConfigError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except HubError as error:
        print(f"switchboard: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        print(f"switchboard: {error.strerror or error}{where}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def command_line(program: Program) -> typer.Typer:
    """All commands."""
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        no_args_is_help=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="`python3 run.py test` checks everything: linters, types, import rules, tests.",
    )

    @app.callback(invoke_without_command=True)
    def no_command(context: typer.Context) -> None:
        """Switchboard: one conversation core, every channel. Without a command it serves."""
        if context.invoked_subcommand is None:
            _run(serve(program, partial(program.load, CONFIG, None, None)))

    @app.command("serve")
    def serve_command(
        config: ConfigOption = CONFIG,
        host: Annotated[str | None, typer.Option(help="Listen here instead of where the file says.")] = None,
        port: Annotated[int | None, typer.Option(help="The web server's port.")] = None,
    ) -> None:
        """Run the hub until it is stopped."""
        _run(serve(program, partial(program.load, config, host, port)))

    @app.command()
    def chat(
        config: ConfigOption = CONFIG,
        bot: Annotated[str | None, typer.Option(help="Which of the bots to talk with.")] = None,
    ) -> None:
        """Talk with a bot here in the terminal."""
        _run(_chat(program, program.load(config, None, None), bot))

    @app.command()
    def check(config: ConfigOption = CONFIG) -> None:
        """Say whether the YAML file is right, and if not what is wrong where."""
        found = program.load(config, None, None)
        typer.echo(f"{config} is right: {len(found.channels)} channels, {len(found.bots)} bots.")

    @app.command()
    def schema(
        output: Annotated[Path, typer.Option("--output", "-o", help="Where to write it; - prints it.")] = Path(
            "config/schema.json"
        ),
    ) -> None:
        """Write the JSON Schema of the YAML file, which editors complete and check with."""
        text = json.dumps(program.schema(), indent=2) + "\n"
        if str(output) == "-":
            typer.echo(text, nl=False)
        else:
            output.write_text(text)
            typer.echo(f"wrote {output}")

    @app.command()
    def reload(
        config: ConfigOption = CONFIG,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    ) -> None:
        """Have the running hub take over the YAML file."""
        found = program.load(config, None, None)
        running = Running.find(found.hub.var)
        changes = running.changes(found)
        for name, step in sorted(changes.items()):
            typer.echo(f"{step:8} {name}")
        if not changes:
            typer.echo("no channel of the file is on, before or after")
        if not dry_run:
            running.reload()

    @app.command()
    def bench(
        users: Annotated[int, typer.Option(min=1, help="How many talk at once.")] = 48,
        each: Annotated[int, typer.Option(min=1, help="Messages each of them says.")] = 40,
    ) -> None:
        """Measure the hub beside bare SDK bots on this machine."""
        _run(program.bench(users, each))

    app.add_typer(dead.commands(lambda path: program.load(path, None, None), CONFIG), name="dead")
    trace.add(app, lambda path: program.load(path, None, None), CONFIG)
    people.add(
        app, lambda path: program.load(path, None, None), CONFIG, links=lambda engine: People(engine, lambda _: None)
    )
    app.add_typer(access.commands(lambda path: program.load(path, None, None), CONFIG), name="access")
    return app


def _run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def _chat(program: Program, config: Configuration, bot: str | None) -> None:
    """Talk until the input ends and all of it is answered; in a corner of the store of its own."""
    log.setup("WARNING").learn(config.secrets())
    prefix = f"chat-{os.getpid()}"
    application = Application(program.chat(config, bot), program.parts, prefix=prefix, archived=False)
    async with application.running():
        await application.supervisor.settled(10)
        (console,) = application.supervisor.channels.values()
        if console.adapter is None:
            raise HubError(f"the terminal cannot be used: {console.detail}")
        if sys.stdin.isatty():
            typer.echo(
                f"You are talking with the bot {console.settings.bot}. /help says what it knows, Ctrl+D ends it."
            )
        await program.ended(console.adapter)
        while (await application.engine.stats()).in_flight:  # noqa: ASYNC110 - the store has no event for it
            await asyncio.sleep(0.05)
        await application.engine.forget_all()
    (config.hub.var / f"{prefix}.spool").unlink(missing_ok=True)
