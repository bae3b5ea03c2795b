"""What stands on the core, as far as the core needs to know it: the configuration, and the parts that are handed in."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from pydantic import SecretStr

from core.adapter import Adapter, Settings
from core.bot import Bot, BotSettings
from core.engine.engine import Durability
from core.limits.settings import LimitsSettings
from core.model.settings import ModelSettings
from core.persona.settings import Personality


class HubSettings(Protocol):
    """The keys under `hub:`."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def var(self) -> Path: ...
    @property
    def redis_url(self) -> SecretStr: ...
    @property
    def durability(self) -> Durability: ...
    @property
    def database_url(self) -> SecretStr: ...
    @property
    def metrics_token(self) -> SecretStr: ...
    @property
    def pseudonym_key(self) -> SecretStr: ...
    @property
    def log_level(self) -> str: ...
    @property
    def drain(self) -> float: ...


class Configuration(Protocol):
    """A valid configuration, typed."""

    @property
    def hub(self) -> HubSettings: ...
    @property
    def channels(self) -> Mapping[str, Settings]: ...
    @property
    def bots(self) -> Mapping[str, BotSettings]: ...
    @property
    def models(self) -> Mapping[str, ModelSettings]: ...
    @property
    def limits(self) -> LimitsSettings: ...
    @property
    def personalities(self) -> Mapping[str, Personality]: ...
    @property
    def code(self) -> Mapping[str, str]:
        """File with code of one's own, as the bots name it -> a digest of what it says."""
        ...

    @property
    def public_url(self) -> str: ...
    def secrets(self) -> set[str]:
        """Every secret value in it, for the logs to hide."""
        ...


@dataclass(frozen=True, slots=True)
class Extra:
    """Channels and pages that do not come from the YAML file."""

    channels: Mapping[str, Settings] = field(default_factory=dict)
    mount: Callable[[web.Application], None] = lambda _: None
    """Adds the pages to the web application."""
    listening: Callable[[str], None] = lambda _: None
    """Told the hub's address once it listens."""
    applied: Callable[["Configuration"], None] = lambda _: None
    """Told of each configuration that is taken over."""
    pages: Mapping[str, str] = field(default_factory=dict)
    """Title -> path of what a person may want to open."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What stands on the core: handed in, so that the core knows none of it."""

    adapter_type: Callable[[str], type[Adapter[Any]]]
    bot_type: Callable[[str], type[Bot[Any]]]
    playground: Callable[[Configuration], AbstractAsyncContextManager[Extra]]
