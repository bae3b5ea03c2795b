"""The one place where all parts meet: platforms, bots, configuration, simulators and pages are put on the core here."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import adapters
import bots
from core import cli
from core.adapter import Settings
from core.application import Configuration, Extra, Parts
from core.bot import BotSettings
from core.cli.program import Program
from core.errors import ConfigError

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def load(path: Path) -> Any:
    """The configuration in a file, `.env` beside this one included."""
    from config.load import environment, load

    return load(path, adapters.settings_types(), bot_settings(), environment(Path(__file__).parent, os.environ))


def bot_settings() -> dict[str, type[BotSettings]]:
    """Bot -> its YAML keys."""
    return {name: bots.bot_type(name).settings_type for name in bots.names()}


def watch(path: Path, current: Configuration) -> tuple[AsyncIterator[Configuration | list[str]], Callable[[], None]]:
    """New configurations as they are saved, and the call that asks for a look."""
    from config.schema import Config
    from config.watch import Watch

    watching = Watch(partial(load, path), cast("Config", current), also=[Path(__file__).parent / ".env"])

    async def found() -> AsyncIterator[Configuration | list[str]]:
        async for news in watching:
            yield news if isinstance(news, Config) else list(news.faults)

    return found(), watching.nudge


def schema() -> dict[str, Any]:
    from config.reference import schema

    return schema(adapters.settings_types(), bot_settings())


def override(config: Configuration, host: str | None, port: int | None) -> Configuration:
    """The same configuration, listening elsewhere."""
    changed = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    own = cast("Any", config)
    return cast("Configuration", replace(own, hub=own.hub.model_copy(update=changed)))


def chat(config: Configuration, bot: str | None) -> tuple[Configuration, asyncio.Event]:
    """The console as the only channel."""
    from adapters.console.settings import ConsoleSettings

    name = bot or _bot(config)
    if name not in config.bots:
        raise ConfigError([f"there is no bot '{name}'; the file has {', '.join(sorted(config.bots))}"])
    closed = asyncio.Event()
    console = ConsoleSettings(platform="console", enabled=True, bot=name)
    own = cast("Any", config)
    hub = own.hub.model_copy(update={"host": "127.0.0.1", "port": 0, "playground": False})
    return cast("Configuration", replace(own, hub=hub, channels={"console": console})), closed


async def bench(users: int, each: int) -> None:
    from bench.compare import compare

    await compare(users, each)


@contextlib.asynccontextmanager
async def playground(config: Configuration) -> AsyncIterator[Extra]:
    """All platforms on one page, played by the simulators; only where nobody else can reach it, unless told."""
    wanted = cast("Any", config).hub.playground
    if not config.bots or not (config.hub.host in LOOPBACK if wanted == "auto" else wanted):
        yield Extra()
        return
    from simulators.discord import DiscordSimulator
    from simulators.telegram import TelegramSimulator

    from simulators.slack import SlackSimulator
    from simulators.twilio import TwilioSimulator
    from web.panes import Pane, Person, Room
    from web.playground import Playground

    stages = {
        "slack": SlackSimulator(mode="socket"),
        "whatsapp": TwilioSimulator(),
        "telegram": TelegramSimulator(),
        "discord": DiscordSimulator(),
    }
    async with contextlib.AsyncExitStack() as stack:
        for stage in stages.values():
            await stack.enter_async_context(stage)
        types = adapters.settings_types()
        channels: dict[str, Settings] = {
            f"playground-{name}": types[name].model_validate(
                {"platform": name, "enabled": True, "bot": _bot(config), **stage.settings()}
            )
            for name, stage in stages.items()
        }

        def listening(url: str) -> None:
            for name, stage in stages.items():
                stage.webhook_url = f"{url}/webhooks/playground-{name}"

        panes = _panes(stages, Pane, Person, Room)
        page = Playground(panes)
        yield Extra(channels, page.routes(), listening, {"Playground": "/playground"})


def _bot(config: Configuration) -> str:
    """Who answers where no channel says it."""
    return "assistant" if "assistant" in config.bots or not config.bots else next(iter(config.bots))


def program() -> Program:
    parts = Parts(adapters.adapter_type, bots.bot_type, playground)
    return Program(parts, load, watch, schema, override, chat, bench)


def main() -> None:
    cli.main(program())


if __name__ == "__main__":
    main()
