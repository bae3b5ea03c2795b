"""What may stand in `hub.yaml`: the sections, and the settings that come out of them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator

from core.adapter import Settings
from core.bot import BotSettings
from core.limits.settings import LimitsSettings
from core.model.settings import ModelSettings
from core.persona.settings import Personality

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"""Names of channels and bots: they stand in web addresses and in the store's keys."""


class HubSettings(BaseModel):
    """The hub itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """The interface that the web server listens on; `0.0.0.0`: all."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """The web server's port; 0 takes a free one."""
    public_url: str = ""
    """How the world reaches this hub, for webhooks and their signatures. Left empty: `http://127.0.0.1:<port>`."""
    playground: Literal["auto"] | bool = "auto"
    """The page that plays all platforms. auto: while nobody but this machine can reach the hub
    (`host` and `public_url` are loopback) | true | false"""
    var: Path = Path("var")
    """The folder for what the hub keeps."""
    redis_url: SecretStr = SecretStr("")
    """The store: `redis://…` or `rediss://…`. Without it the hub runs a store of its own under `var`."""
    durability: Literal["local", "replica"] = "local"
    """When an event counts as taken: when the store has it | when a replica of the store has it too, for a store that
    fails over."""
    database_url: SecretStr = SecretStr("")
    """The archive: `postgresql://…` or `sqlite:///…`. Without it, a file under `var`."""
    metrics_token: SecretStr = SecretStr("")
    """What Prometheus must send to read `/metrics`. Without it, only this machine may read them."""
    pseudonym_key: SecretStr = SecretStr("")
    """The key of the names that logs and the archive have for people: 64 hexadecimal digits, the same for all hubs of
    one store. Without it, one that is made in `var/pseudonym-key`."""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(lambda level: level.lower() if isinstance(level, str) else level),
    ] = "info"
    """How much is logged."""
    drain: Annotated[float, Field(ge=0, le=300, allow_inf_nan=False)] = 25
    """Seconds that answers under way may take to finish when the hub stops."""

    environment: ClassVar[Mapping[str, str]] = {
        "port": "PORT",
        "public_url": "PUBLIC_URL",
        "redis_url": "REDIS_URL",
        "database_url": "DATABASE_URL",
        "metrics_token": "METRICS_TOKEN",
        "pseudonym_key": "PSEUDONYM_KEY",
        "log_level": "LOG_LEVEL",
    }
    """Key -> the environment name that is read where the key is not given."""

    @field_validator("public_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("expected an address such as https://hub.example.org")
        return url.rstrip("/")

    @field_validator("pseudonym_key")
    @classmethod
    def _is_key(cls, key: SecretStr) -> SecretStr:
        if key.get_secret_value() and not re.fullmatch("[0-9a-fA-F]{64}", key.get_secret_value()):
            raise ValueError(
                "expected 64 hexadecimal digits: what openssl rand -hex 32 prints, or var/pseudonym-key holds"
            )
        return key

    @field_validator("redis_url")
    @classmethod
    def _is_store(cls, url: SecretStr) -> SecretStr:
        return _of(url, ("redis", "rediss", "unix"), "redis://:password@host:6379/0")

    @field_validator("database_url")
    @classmethod
    def _is_archive(cls, url: SecretStr) -> SecretStr:
        example = "postgresql://user:password@host:5432/name or sqlite:///archive.db"
        return _of(url, ("postgres", "postgresql", "sqlite"), example)

    @field_validator("var")
    @classmethod
    def _is_folder(cls, var: Path) -> Path:
        if var.exists() and not var.is_dir():
            raise ValueError("expected a folder, and there is a file of that name")
        return var


def _of(url: SecretStr, schemes: tuple[str, ...], example: str) -> SecretStr:
    """The address, if it begins like one of these; whether the rest is right shows when it is used."""
    scheme, given, _ = url.get_secret_value().partition("://")
    if (scheme or given) and not (given and scheme.partition("+")[0] in schemes):
        raise ValueError(f"expected an address such as {example}")
    return url


@dataclass(frozen=True, slots=True)
class Kinds:
    """A section of named entries, each of the kind that one of its keys names."""

    key: str
    models: Mapping[str, type[BaseModel]]


@dataclass(frozen=True, slots=True)
class Named:
    """A section of named entries, all of one kind."""

    model: type[BaseModel]


Section = type[BaseModel] | Kinds | Named


def sections(platforms: Mapping[str, type[Settings]], bots: Mapping[str, type[BotSettings]]) -> dict[str, Section]:
    """Everything at the top of the file, in the order of the reference."""
    return {
        "hub": HubSettings,
        "channels": Kinds("platform", platforms),
        "bots": Kinds("use", bots),
        "models": Named(ModelSettings),
        "limits": LimitsSettings,
        "personalities": Named(Personality),
    }


@dataclass(frozen=True, slots=True)
class Reference:
    """A key whose value, or each value of its list, names an entry of another section."""

    section: str
    key: tuple[str, ...]
    """The way to it within an entry."""
    target: str
    what: str
    """One entry of the target, in a word."""


REFERENCES = (
    Reference("channels", ("bot",), "bots", "bot"),
    Reference("bots", ("model",), "models", "model"),
    Reference("bots", ("embeddings",), "models", "model"),
    Reference("bots", ("context", "summary_model"), "models", "model"),
    Reference("bots", ("personality",), "personalities", "personality"),
    Reference("bots", ("personas",), "personalities", "personality"),
    Reference("models", ("fallback",), "models", "model"),
)


CODE = ("tools_from",)
"""Keys of bots that name files with code, which are read when the bot starts."""


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration that is whole and valid."""

    hub: HubSettings = field(default_factory=HubSettings)
    channels: Mapping[str, Settings] = field(default_factory=dict)
    bots: Mapping[str, BotSettings] = field(default_factory=dict)
    models: Mapping[str, ModelSettings] = field(default_factory=dict)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    personalities: Mapping[str, Personality] = field(default_factory=dict)
    files: tuple[Path, ...] = field(default=(), compare=False)
    """Where it was read from."""
    code: Mapping[str, str] = field(default_factory=dict)
    """File with code of one's own, as the bots name it -> a digest of what it says; empty where it is not there."""

    @property
    def public_url(self) -> str:
        """How the world reaches this hub, without a slash at the end."""
        return self.hub.public_url or f"http://127.0.0.1:{self.hub.port}"

    def secrets(self) -> set[str]:
        """Every secret value in here, for the logs to hide."""
        return set(_hidden([self.hub, self.channels, self.bots, self.models]))


def _hidden(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        if secret := value.get_secret_value():
            yield secret
        if token := secret.partition(" ")[2]:  # `Bearer …`
            yield token
    elif isinstance(value, BaseModel):
        yield from _hidden([item for _, item in value])
    elif isinstance(value, Mapping):
        yield from _hidden(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _hidden(item)
