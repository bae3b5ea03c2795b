"""What a new configuration changes: channels are compared by a digest of all that their start depends on."""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import SecretStr

from core.adapter import Settings
from core.bot import BotSettings
from core.supervisor import why_off

if TYPE_CHECKING:
    from core.application import Configuration

Step = Literal["start", "stop", "restart", "keep"]


def digests(config: "Configuration") -> dict[str, str]:
    """Channel -> digest, of the channels that are on; no secret can be read from it."""
    shared = [
        {name: entry.model_dump() for name, entry in section.items()}
        for section in (config.models, config.personalities)
    ]
    return {
        name: _digest(config.public_url, settings, config.bots.get(settings.bot), shared)
        for name, settings in config.channels.items()
        if why_off(settings) is None
    }


def steps(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, Step]:
    """What becomes of each channel that is on before or after."""
    changes: dict[str, Step] = {name: "stop" for name in before if name not in after}
    for name, digest in after.items():
        old = before.get(name)
        changes[name] = "start" if old is None else "keep" if old == digest else "restart"
    return changes


def _digest(public_url: str, settings: Settings, bot: BotSettings | None, shared: object) -> str:
    parts = [public_url, settings.model_dump(exclude={"enabled"}), bot.model_dump() if bot else None, shared]
    return hashlib.blake2b(json.dumps(parts, default=_plain, sort_keys=True).encode(), digest_size=16).hexdigest()


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
