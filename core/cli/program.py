"""What the command line is handed: the parts, and how a configuration is read."""

from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.adapter import Adapter
from core.parts import Configuration, Parts


@dataclass(frozen=True, slots=True)
class Program:
    """Everything that stands on the core, put together in one place outside it."""

    parts: Parts
    load: Callable[[Path, str | None, int | None], Configuration]
    """From this file, with another host or port if given. Raises ConfigError with all faults."""
    watch: Callable[
        [Callable[[], Configuration], Configuration],
        tuple[AsyncIterator[Configuration | list[str]], Callable[[], None]],
    ]
    """Yields each new valid configuration, or the faults of an edit that changes nothing; the call asks for a look."""
    schema: Callable[[], dict[str, Any]]
    """The JSON Schema of the YAML file."""
    chat: Callable[[Configuration, str | None], Configuration]
    """The same with one channel only, `console`, which talks with this terminal (and the named bot)."""
    ended: Callable[[Adapter[Any]], Coroutine[Any, Any, None]]
    """Waits until nothing more will be said in that terminal."""
    bench: Callable[[int, int], Coroutine[Any, Any, None]]
    """Measure with so many users and messages each."""
