"""The YAML keys of a Telegram channel."""

import re
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from core.adapter import Settings, bot_at

_FORMS = {
    # The token becomes part of a URL: anything else in it could lead the calls elsewhere.
    "bot_token": (r"(\d+:[A-Za-z0-9_-]+)?", "a bot token looks like 123456:ABC-def, as @BotFather shows it"),
    "webhook_secret": (r"[A-Za-z0-9_-]{0,256}", "only letters, digits, _ and -, at most 256"),
}


class TelegramSettings(Settings):
    platform: Literal["telegram"] = "telegram"
    bot_token: SecretStr = SecretStr("")
    """From @BotFather."""
    mode: Literal["polling", "webhook"] = "polling"
    """polling: needs no public address | webhook: Telegram calls `/webhooks/<channel>`, which must be public https"""
    webhook_secret: SecretStr = SecretStr("")
    """Your own choice of 1-256 letters, digits, `_` and `-`; only with `mode: webhook`, and required there."""
    api_url: str = Field("https://api.telegram.org", pattern=r"^https?://[^/?#]+[^?#]*$")
    """Another Bot API server."""
    poll_timeout: int = Field(30, ge=0, le=50)
    """Seconds that a poll waits for news."""

    environment: ClassVar[Mapping[str, str]] = {
        "bot_token": "TELEGRAM_BOT_TOKEN",
        "webhook_secret": "TELEGRAM_WEBHOOK_SECRET",
    }

    @field_validator(*_FORMS)
    @classmethod
    def _has_its_form(cls, secret: SecretStr, key: ValidationInfo) -> SecretStr:
        form, advice = _FORMS[str(key.field_name)]
        if not re.fullmatch(form, secret.get_secret_value()):
            raise ValueError(advice)
        return secret

    @property
    def exclusive(self) -> str | None:
        """Telegram gives a bot's updates to one poller; of two, each gets errors (#getupdates: 409)."""
        bot, _, secret = self.bot_token.get_secret_value().partition(":")
        if self.mode != "polling" or not secret:
            return None
        return bot_at(self.api_url, "api.telegram.org", f"telegram:{bot}")

    @property
    def needed(self) -> tuple[str, ...]:
        return ("bot_token", "webhook_secret") if self.mode == "webhook" else ("bot_token",)
