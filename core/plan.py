"""What a new configuration changes: channels are compared by a digest of all that their start depends on."""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, SecretStr

from core.supervisor import why_off

if TYPE_CHECKING:
    from core.parts import Configuration

Step = Literal["start", "stop", "restart", "keep"]


def digests(config: "Configuration") -> dict[str, str]:
    """Channel -> digest, of the channels that are on; no secret can be read from it."""
    return {
        name: _digest(
            config.public_url, settings.model_dump(exclude={"enabled", "retention"}), bot_digest(config, settings.bot)
        )
        for name, settings in config.channels.items()
        if why_off(settings) is None
    }


def bot_digest(config: "Configuration", name: str) -> str:
    """Of a bot and of what it uses: the models, since they are opened and closed together, the personalities, and
    files with code of one's own."""
    bot = config.bots.get(name)
    keys = type(bot).model_fields if bot else ()
    return _digest(
        bot.model_dump() if bot else None,
        _section(config.models) if {"model", "embeddings"} & set(keys) else None,
        _section(config.personalities) if "personality" in keys else None,
        [config.code.get(file) for file in getattr(bot, "tools_from", ())],
    )


def steps(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, Step]:
    """What becomes of each channel that is on before or after."""
    changes: dict[str, Step] = {name: "stop" for name in before if name not in after}
    for name, digest in after.items():
        old = before.get(name)
        changes[name] = "start" if old is None else "keep" if old == digest else "restart"
    return changes


def _section(entries: Mapping[str, BaseModel]) -> dict[str, object]:
    return {name: entry.model_dump() for name, entry in entries.items()}


def _digest(*parts: object) -> str:
    return hashlib.blake2b(json.dumps(parts, default=_plain, sort_keys=True).encode(), digest_size=16).hexdigest()


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
