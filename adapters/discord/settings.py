"""The YAML keys of a Discord channel."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import SecretStr

from core.adapter import Settings


class DiscordSettings(Settings):
    platform: Literal["discord"] = "discord"
    bot_token: SecretStr = SecretStr("")
    """Developer Portal → your application → Bot → Reset Token."""
    api_url: str = "https://discord.com/api/v10"
    """Where Discord's REST API is; a proxy or a private server speaks the same."""
    gateway_url: str = ""
    """Where its gateway is (`wss://…`); empty: the API is asked."""
    reply: Literal["reference", "thread"] = "reference"
    """How a mention in a server is answered: by a message that quotes it | in a new thread under it."""

    environment: ClassVar[Mapping[str, str]] = {"bot_token": "DISCORD_BOT_TOKEN"}

    def missing(self) -> tuple[str, ...]:
        return () if self.bot_token.get_secret_value() else ("bot_token",)
