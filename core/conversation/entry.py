"""A message as the context window sees it."""

from collections.abc import Callable
from typing import Literal

import msgspec

from core.conversation.tokens import PER_MESSAGE

Count = Callable[[str], int]
"""Tokens of a text; of the empty one none."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    role: Literal["user", "assistant", "tool"]
    text: str
    name: str = ""
    """Who said it, where several share a conversation."""
    time: float = 0.0
    """Unix seconds."""
    pinned: bool = False
    """The user asked to remember it."""
    unit: str = ""
    """The same for a tool call and its results: a provider refuses one without the other."""
    calls: str = ""
    """The tool calls of an assistant's message, as JSON. Counted, never cut."""
    tokens: int | None = None
    """What `count` said of its text, name and calls when it was stored; saves counting again."""


def size(entry: Entry, count: Count) -> int:
    """Tokens of a message, with what the provider wraps around it."""
    return PER_MESSAGE + (content(entry, count) if entry.tokens is None else entry.tokens)


def content(entry: Entry, count: Count) -> int:
    """What belongs into `Entry.tokens`."""
    return count(entry.text) + (count(entry.name) if entry.name else 0) + (count(entry.calls) if entry.calls else 0)
