"""What the server is told to answer and to do wrong, and what it saw."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

Misbehaviour = Literal[
    "throttle",  # 429, with the Retry-After that `retry_after` says
    "quota",  # 429 that no waiting mends
    "error",  # 500
    "away",  # 503
    "bad key",  # 401
    "too long",  # 400 context_length_exceeded
    "web page",  # 200 with HTML, as captive portals and wrong addresses answer
    "hang",  # no headers
    "hang before token",  # headers, keep-alives, and nothing more
    "stall",  # nothing more after some tokens
    "reset",  # TCP reset after some tokens
    "cut",  # the response ends after some tokens, properly as far as HTTP can tell
    "garbage",  # a line that is no event
    "bad json",  # an event that is no JSON
    "error event",  # an error amid the tokens
    "drip",  # tokens for ever
    "huge",  # one token of 5 MB
    "no done",  # everything but the last line
    "no usage",  # no figures though they were asked for
    "filtered",  # finish_reason content_filter
]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of a scripted answer."""

    name: str
    arguments: str = "{}"
    id: str = "call_1"


@dataclass(frozen=True, slots=True)
class Script:
    """An answer that was written beforehand."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    reason: str = ""
    """Left empty: `tool_calls` where there are calls, else `stop`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request."""

    kind: Misbehaviour
    after: int = 2
    """Tokens before it goes wrong."""
    retry_after: str = ""
    """Seconds as in `2`, `250ms` for the header in milliseconds, or `date:3` for the date three seconds from now."""


@dataclass(slots=True)
class Exchange:
    """One request as the server saw it."""

    body: dict[str, Any]
    connection: int = 0
    """The client's port: the same for requests over one connection."""
    tokens: int = 0
    """Chunks with text that were sent."""
    status: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    left: bool = False
    """The client closed the connection before the answer was over."""

    @property
    def said(self) -> str:
        """The last message of the request."""
        return str(self.body["messages"][-1].get("content") or "")

    @property
    def texts(self) -> list[str]:
        """What is to be embedded."""
        given = self.body.get("input")
        return [given] if isinstance(given, str) else list(given or ())
