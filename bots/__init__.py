"""What is said. Each file here that defines a class `Bot` is a bot: `use: <file name>` in the YAML."""

import importlib
import pkgutil
from typing import Any

from core.bot import Bot
from core.errors import ConfigError


def names() -> list[str]:
    """The bots there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def bot_type(name: str) -> type[Bot[Any]]:
    """The class of the bot in `bots/<name>.py`. Raises ConfigError where the file is broken."""
    try:
        bot: type[Bot[Any]] = importlib.import_module(f"bots.{name}").Bot
    except Exception as error:
        # Whatever is wrong with the file, the admin is told in one line where to look.
        raise ConfigError([f"bots/{name}.py: {type(error).__name__}: {error}"]) from error
    return bot
