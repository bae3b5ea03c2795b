"""What is said. Each file here that defines a class `Bot` is a bot: `use: <file name>` in the YAML."""

import importlib
import pkgutil
from typing import Any

from core.bot import Bot


def names() -> list[str]:
    """The bots there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def bot_type(name: str) -> type[Bot[Any]]:
    """The class of the bot in `bots/<name>.py`."""
    bot: type[Bot[Any]] = importlib.import_module(f"bots.{name}").Bot
    return bot
