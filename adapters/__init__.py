"""Where it is said. One folder a platform, one line of this table each; an SDK is imported when its channel is on."""

from pkgutil import resolve_name
from typing import Any

from core.adapter import Adapter, Settings

PLATFORMS = {
    "slack": ("adapters.slack.settings:SlackSettings", "adapters.slack.adapter:SlackAdapter"),
    "telegram": ("adapters.telegram.settings:TelegramSettings", "adapters.telegram.adapter:TelegramAdapter"),
    "discord": ("adapters.discord.settings:DiscordSettings", "adapters.discord.adapter:DiscordAdapter"),
    "whatsapp": ("adapters.whatsapp.settings:WhatsAppSettings", "adapters.whatsapp.adapter:WhatsAppAdapter"),
    "console": ("adapters.console.settings:ConsoleSettings", "adapters.console.adapter:ConsoleAdapter"),
}


def settings_types() -> dict[str, type[Settings]]:
    """Platform -> its YAML keys; imports no SDK."""
    return {platform: resolve_name(settings) for platform, (settings, _) in PLATFORMS.items()}


def adapter_type(platform: str) -> type[Adapter[Any]]:
    """The adapter's class; imports the platform's SDK."""
    adapter: type[Adapter[Any]] = resolve_name(PLATFORMS[platform][1])
    return adapter
