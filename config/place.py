"""Where something stands in the configuration, and how a fault there is told."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

Keys = tuple[str | int, ...]
"""The way from the top of the configuration to a value: `("channels", "team-slack", "mode")`."""


@dataclass(frozen=True, slots=True)
class Place:
    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong."""

    place: Place
    keys: Keys
    problem: str

    def __str__(self) -> str:
        return f"{self.place} {dotted(self.keys)}: {self.problem}" if self.keys else f"{self.place} {self.problem}"


def dotted(keys: Keys) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


def meant(word: str, known: Iterable[str]) -> str:
    """`, did you mean 'telegram'?` where a known word is near; else nothing."""
    near = get_close_matches(word, known, n=1)
    return f", did you mean '{near[0]}'?" if near else ""
