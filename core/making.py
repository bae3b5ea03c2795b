"""Makes the bots of a configuration and starts them: all of those that are asked for, or none."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from core.bot import Bot, BotSettings, Resources
from core.errors import ConfigError

log = structlog.get_logger(__name__)


async def started(
    names: Iterable[str],
    settings: Mapping[str, BotSettings],
    bot_type: Callable[[str], type[Bot[Any]]],
    resources: Resources,
) -> dict[str, Bot[Any]]:
    """The bots of these names. Raises ConfigError; then none is left running."""
    made: dict[str, Bot[Any]] = {}
    try:
        for name in sorted(names):
            if name not in settings:
                raise ConfigError([f"there is no bot '{name}'"])
            try:
                made[name] = bot_type(settings[name].use)(settings[name], resources)
                await made[name].start()
            except ConfigError as error:
                raise ConfigError([f"bots.{name}: {fault}" for fault in error.faults]) from error
    except BaseException:
        await stop(made.values())
        raise
    return made


async def stop(bots: Iterable[Bot[Any]]) -> None:
    """Stop each; one that fails at it keeps none of the others from it."""
    for bot in bots:
        try:
            await bot.stop()
        except Exception:  # noqa: BLE001 - the edge of one bot
            await log.aexception("bot stopped badly", bot=bot.settings.use)
