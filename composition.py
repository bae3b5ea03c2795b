"""The one place where all parts meet: platforms, bots, configuration, simulators and pages are put on the core here."""

import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, cast

import adapters
import bots
from core import cli
from core.adapter import Adapter, Settings
from core.bot import BotSettings
from core.cli.program import Program
from core.errors import ConfigError
from core.parts import Configuration, Extra, Parts
from core.server import LOOPBACK, is_private

if TYPE_CHECKING:
    from config.schema import Config


def load(path: Path, host: str | None = None, port: int | None = None) -> "Config":
    """The configuration in a file, `.env` beside this one included; it may be told to listen elsewhere."""
    from config.load import environment, load

    found = load(path, adapters.settings_types(), bot_settings(), environment(Path(__file__).parent, os.environ))
    told = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    if not told:
        return found
    try:
        hub = type(found.hub).model_validate({**found.hub.model_dump(exclude_unset=True), **told})
    except ValueError as error:
        raise ConfigError([f"--port {port}: expected 0 to 65535"]) from error
    return replace(found, hub=hub)


def bot_settings() -> dict[str, type[BotSettings]]:
    """Bot -> its YAML keys."""
    return {name: bots.bot_type(name).settings_type for name in bots.names()}


def watch(
    read: Callable[[], Configuration], current: Configuration
) -> tuple[AsyncIterator[Configuration | list[str]], Callable[[], None]]:
    """New configurations as they are saved, and the call that asks for a look."""
    from config.schema import Config
    from config.watch import Watch

    dot_env = Path(__file__).parent / ".env"
    watching = Watch(cast("Callable[[], Config]", read), cast("Config", current), also=[dot_env])

    async def found() -> AsyncIterator[Configuration | list[str]]:
        async for news in watching:
            yield news if isinstance(news, Config) else list(news.faults)

    return found(), watching.nudge


def schema() -> dict[str, Any]:
    from config.editor import schema

    return schema(adapters.settings_types(), bot_settings())


def chat(config: Configuration, bot: str | None) -> Configuration:
    """The console as the only channel."""
    from adapters.console.settings import ConsoleSettings

    name = bot or _bot(config)
    if name not in config.bots:
        raise ConfigError([f"there is no bot '{name}'; the file has {', '.join(sorted(config.bots)) or 'none'}"])
    own = cast("Config", config)
    hub = own.hub.model_copy(update={"host": "127.0.0.1", "port": 0, "playground": False})
    return replace(own, hub=hub, channels={"console": ConsoleSettings(platform="console", enabled=True, bot=name)})


async def ended(console: Adapter[Any]) -> None:
    """Wait for the end of the terminal's input."""
    from adapters.console.adapter import ConsoleAdapter

    await cast("ConsoleAdapter", console).closed.wait()


async def bench(users: int, each: int) -> None:
    from bench.compare import compare

    await compare(users, each)


@contextlib.asynccontextmanager
async def playground(config: Configuration) -> AsyncIterator[Extra]:
    """All platforms on one page, played by the simulators; only where nobody else can reach it, unless told."""
    wanted = cast("Config", config).hub.playground
    alone = is_private(config.hub.host, config.public_url)
    if not config.bots or not (alone if wanted == "auto" else wanted):
        yield Extra()
        return
    from simulators.discord import DiscordSimulator
    from simulators.slack import SlackSimulator
    from simulators.stage import Simulator
    from simulators.telegram import TelegramSimulator
    from simulators.twilio import TwilioSimulator
    from web.playground import Playground

    slack, whatsapp, telegram, discord = (
        SlackSimulator(),
        TwilioSimulator(auth_token=token_hex(16)),
        TelegramSimulator(),
        DiscordSimulator(),
    )
    stages: dict[str, Simulator] = {each.platform: each for each in (slack, whatsapp, telegram, discord)}
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

        hosts = LOOPBACK if config.hub.host in LOOPBACK else None
        current = [config]
        page = Playground(
            _panes(slack, whatsapp, telegram, discord), hosts=hosts, personalities=lambda: current[-1].personalities
        )
        pages = {"Playground": "/playground", "Personalities": "/playground/personas"}
        yield Extra(channels, page.mount, listening, lambda applied: current.__setitem__(0, applied), pages)


def _panes(slack: Any, whatsapp: Any, telegram: Any, discord: Any) -> list[Any]:
    """Who talks where on the playground, and what only some platforms let a user do."""
    from web.panes import Pane, Person, Room

    def commanded(stage: Any) -> Callable[[str, str, str, str], Awaitable[object]]:
        return lambda name, rest, user, room: stage.command(name, rest, user=user, room=room)

    def quoting(stage: Any) -> Callable[[str, Any, str], Awaitable[object]]:
        return lambda text, message, user: stage.say(
            text, user=user, room=message.room, thread=message.thread, reply_to=message
        )

    def own(label: str, ids: dict[str, str]) -> list[Room]:
        return [Room(room, label, only=user) for user, room in ids.items()]

    in_discord = {user: discord.world.direct_room(user) for user in ("42", "43")}
    numbers = {number: f"whatsapp:{number}" for number in ("+15551230001", "+15551230002")}
    return [
        Pane(
            "Slack",
            "slack",
            slack,
            [Person("U1", "Ada"), Person("U2", "Ben")],
            [Room("C1", "# general", group=True), *own("hub", {"U1": "D1", "U2": "D2"})],
            threads=True,
            command=commanded(slack),
        ),
        Pane(
            "WhatsApp",
            "whatsapp",
            whatsapp,
            [Person("+15551230001", "Ann"), Person("+15551230002", "Ben")],
            own("Switchboard", numbers),
        ),
        Pane(
            "Telegram",
            "telegram",
            telegram,
            [Person("42", "Ann"), Person("43", "Ben")],
            [*own("hub", {"42": "42", "43": "43"}), Room(telegram.group, "Group", group=True)],
            quote=quoting(telegram),
        ),
        Pane(
            "Discord",
            "discord",
            discord,
            [Person("42", "ann"), Person("43", "bob")],
            [Room("70", "# general", group=True), *own("hub", in_discord)],
            quote=quoting(discord),
            command=commanded(discord),
        ),
    ]


def _bot(config: Configuration) -> str:
    """Who answers where no channel says it."""
    return "assistant" if "assistant" in config.bots or not config.bots else next(iter(config.bots))


def program() -> Program:
    parts = Parts(adapters.adapter_type, bots.bot_type, playground)
    return Program(parts, load, watch, schema, chat, ended, bench)


def main() -> None:
    cli.main(program())


if __name__ == "__main__":
    main()
