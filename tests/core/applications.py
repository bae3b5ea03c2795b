"""A whole hub on fakes: its configuration, its parts, and what was built of them."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from core.adapter import Settings
from core.bot import BotSettings
from core.limits.settings import LimitsSettings
from core.model.settings import ModelSettings
from core.parts import Extra, Parts
from tests.fakes import FakeAdapter, FakeBot

NONE = SecretStr("")


@dataclass(frozen=True)
class HubSettings:
    var: Path
    redis_url: SecretStr
    durability: str = "local"
    database_url: SecretStr = NONE
    metrics_token: SecretStr = NONE
    pseudonym_key: SecretStr = NONE
    host: str = "127.0.0.1"
    port: int = 0
    log_level: str = "info"
    drain: float = 5.0


@dataclass(frozen=True)
class Configuration:
    hub: HubSettings
    channels: dict[str, Settings]
    bots: dict[str, BotSettings]
    models: dict[str, ModelSettings] = field(default_factory=dict)
    personalities: dict = field(default_factory=dict)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    code: dict[str, str] = field(default_factory=dict)
    public_url: str = ""

    def secrets(self):
        return set()


class WithModel(BotSettings):
    model: str = "default"


class Built:
    """Keeps the bots and adapters that were made; `bot_class` and `adapter_class` may be replaced."""

    def __init__(self, extra: Extra = Extra()) -> None:  # noqa: B008
        self.bots: list[FakeBot] = []
        self.adapters: list[FakeAdapter] = []
        self.bot_class: type[FakeBot] = FakeBot
        self.adapter_class: type[FakeAdapter] = FakeAdapter
        self.extra = extra

    def bot(self, settings, resources):
        self.bots.append(self.bot_class())
        self.bots[-1].settings = settings
        return self.bots[-1]

    def adapter(self, settings, wiring):
        self.adapters.append(self.adapter_class(settings, wiring))
        return self.adapters[-1]

    @contextlib.asynccontextmanager
    async def playground(self, config):
        yield self.extra

    @property
    def parts(self) -> Parts:
        return Parts(lambda platform: self.adapter, lambda use: self.bot, self.playground)


def channel(bot: str, **keys: object) -> Settings:
    return Settings(platform="fake", enabled=True, bot=bot, **keys)


def configuration(store, var: Path, bots: str = "a", **channels: str) -> Configuration:
    """Channels by the names of their bots; each letter of `bots` is a bot."""
    hub = HubSettings(var, SecretStr(f"unix://{store.socket}"))
    made = {name: channel(bot) for name, bot in channels.items()}
    return Configuration(hub, made, {name: WithModel(use="fake") for name in bots})
