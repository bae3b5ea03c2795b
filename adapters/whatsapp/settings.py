"""The YAML keys of a WhatsApp channel."""

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from core.adapter import Settings

_SEPARATORS = str.maketrans("", "", " -().\t")


class WhatsAppSettings(Settings):
    account_sid: str = ""
    """Starts with AC."""
    auth_token: SecretStr = SecretStr("")
    """The account's primary auth token: it signs the webhooks, so an API key does not do."""
    number: str = ""
    """The sender, with or without `whatsapp:`."""
    messaging_service_sid: str = ""
    """Sends through this Messaging Service; starts with MG."""
    shared_keys: Mapping[str, SecretStr] = Field(default_factory=dict)
    """Webhook signing keys made in Twilio's Webhooks configuration: id -> secret."""
    api_url: str = "https://api.twilio.com"
    """Also stands in for Twilio's other hosts when it is not one of Twilio's own."""

    environment: ClassVar[Mapping[str, str]] = {
        "account_sid": "TWILIO_ACCOUNT_SID",
        "auth_token": "TWILIO_AUTH_TOKEN",
        "number": "TWILIO_WHATSAPP_NUMBER",
    }

    @field_validator("account_sid", "messaging_service_sid")
    @classmethod
    def _trimmed(cls, value: str) -> str:
        return value.strip()

    @field_validator("number")
    @classmethod
    def _bare_number(cls, value: str) -> str:
        return value.strip().removeprefix("whatsapp:").translate(_SEPARATORS)

    @field_validator("api_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @property
    def sender(self) -> str:
        """The number as Twilio spells it."""
        return f"whatsapp:{self.number}"

    @property
    def is_twilio(self) -> bool:
        """Whether `api_url` is one of Twilio's own hosts, which reach us only at a public https address."""
        return (urlsplit(self.api_url).hostname or "").endswith(".twilio.com")

    @property
    def messaging_url(self) -> str:
        """The host of the typing sign."""
        return self.api_url.replace("://api.", "://messaging.", 1) if self.is_twilio else self.api_url
