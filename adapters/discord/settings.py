"""The YAML keys of a Discord channel."""

import binascii
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from hashlib import sha256
from typing import ClassVar, Literal

from pydantic import SecretStr

from core.adapter import Settings, bot_at


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

    @property
    def exclusive(self) -> str | None:
        """Discord sends every event to each gateway connection of a bot: two hubs would both answer."""
        token = self.bot_token.get_secret_value()
        return bot_at(self.api_url, "discord.com", f"discord:{_application(token)}") if token else None


def _application(token: str) -> str:
    """Whose token it is: its first part is the application's id in base64; else what tells tokens apart."""
    first = token.partition(".")[0]
    try:
        found = urlsafe_b64decode(first + "=" * (-len(first) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        found = ""
    return found if found.isdecimal() else sha256(token.encode()).hexdigest()[:16]
