"""What the command line is handed: the parts, and how a configuration is read."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.application import Configuration, Parts


@dataclass(frozen=True, slots=True)
class Program:
    """Everything that stands on the core, put together in one place outside it."""

    parts: Parts
    load: Callable[[Path], Configuration]
    """Raises ConfigError with all faults."""
    watch: Callable[[Path, Configuration], tuple[AsyncIterator[Configuration | list[str]], Callable[[], None]]]
    """Yields each new valid configuration, or the faults of an edit that changes nothing; the call asks for a look."""
    schema: Callable[[], dict[str, Any]]
    """The JSON Schema of the YAML file."""
    override: Callable[[Configuration, str | None, int | None], Configuration]
    """The same with another host or port."""
    chat: Callable[[Configuration, str | None], tuple[Configuration, asyncio.Event]]
    """A configuration of one channel, which talks with this terminal; the event is set at its end."""
    bench: Callable[[int, int], Coroutine[Any, Any, None]]
    """Measure with so many users and messages each."""
