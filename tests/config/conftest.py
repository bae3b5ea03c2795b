"""A configuration to write and load, with two platforms and two bots of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import Field, SecretStr

from config.load import load
from config.schema import Config
from core.adapter import Settings
from core.bot import BotSettings
from core.conversation.settings import ContextSettings
from core.errors import ConfigError
from core.model.mcp import MCPSettings


class TelegramSettings(Settings):
    bot_token: SecretStr = SecretStr("")
    """From @BotFather."""
    mode: Literal["polling", "webhook"] = "polling"
    poll_timeout: int = 30

    environment: ClassVar[Mapping[str, str]] = {"bot_token": "TELEGRAM_BOT_TOKEN"}

    def missing(self) -> tuple[str, ...]:
        return () if self.bot_token.get_secret_value() else ("bot_token",)


class ConsoleSettings(Settings):
    prompt: str = "> "


class KnowledgeSettings(BotSettings):
    knowledge: list[str] = ["knowledge/"]


class AssistantSettings(BotSettings):
    model: str = "main"
    personality: str = "ada"
    personas: list[str] = Field(default_factory=list)
    tools_from: list[str] = Field(default_factory=list)
    mcp: dict[str, MCPSettings] = Field(default_factory=dict)
    context: ContextSettings = ContextSettings()


PLATFORMS: dict[str, type[Settings]] = {"telegram": TelegramSettings, "console": ConsoleSettings}
BOTS: dict[str, type[BotSettings]] = {
    "assistant": AssistantSettings,
    "echo": BotSettings,
    "knowledge": KnowledgeSettings,
}

SMALL = """\
channels:
  desk:
    platform: telegram
    bot: assistant
    bot_token: 1:fake
bots:
  assistant: {use: echo}
"""

WITH_MODELS = """\
models:
  main: {name: m}
  small: {name: s}
personalities:
  ada: {name: Ada, role: a helper}
bots:
  assistant:
    use: assistant
"""
"""A bot to which more keys may be added."""


class Folder:
    """Files of a configuration, loaded from where they lie."""

    path = Path("hub.yaml")

    def load(self, text: str | None = None, **environ: str) -> Config:
        if text is not None:
            self.path.write_text(text)
        return load(self.path, PLATFORMS, BOTS, environ)

    def faults(self, text: str | None = None, **environ: str) -> list[str]:
        with pytest.raises(ConfigError) as raised:
            self.load(text, **environ)
        assert raised.value.__cause__ is None
        return raised.value.faults


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Folder:
    monkeypatch.chdir(tmp_path)
    return Folder()


@pytest.fixture
def small() -> str:
    return SMALL
