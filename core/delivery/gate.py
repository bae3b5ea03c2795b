"""Waits out a platform's 429: per room and per channel, so that one busy room does not hold up the rest."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from core.errors import Throttled
from core.events import Address

T = TypeVar("T")

SHORTEST = 0.1
"""Seconds that "later" means at least."""
PATIENCE = 15.0
"""Seconds that a turn waits here; for longer it gives up its place and comes back, so that others get theirs."""


class Gate:
    """Everybody who sends passes here; who is throttled closes the gate for all who would be."""

    def __init__(self) -> None:
        self._closed: dict[tuple[str, str], float] = {}
        """(channel, room) or (channel, "") -> until when, by the monotonic clock."""

    async def send(
        self,
        to: Address,
        call: Callable[[], Coroutine[Any, Any, T]],
        waited: Callable[[], Awaitable[None]] | None = None,
    ) -> T:
        """Make the call as often as the platform says "later"; nothing is dropped. Other errors pass through.

        `waited` is called after each wait: the world may have changed meanwhile. Raises Throttled where the wait is too
        long to hold a turn for it."""
        while True:
            if self._closed and (seconds := self._opens_in(to)) > 0:
                if seconds > PATIENCE:
                    raise Throttled(seconds)
                await asyncio.sleep(seconds)
                if waited is not None:
                    await waited()
                continue
            try:
                return await call()
            except Throttled as error:
                self.close(to, error)

    def is_open(self, to: Address) -> bool:
        """Whether a call that may as well be left out (a sign of life, an edit on the way) should be made now."""
        return self._opens_in(to) <= 0

    def close(self, to: Address, error: Throttled) -> None:
        """Let nobody pass for as long as the platform said."""
        place = (to.channel, to.room if error.scope == "room" else "")
        self._closed[place] = max(self._closed.get(place, 0.0), time.monotonic() + max(error.retry_after, SHORTEST))

    def _opens_in(self, to: Address) -> float:
        """Seconds; a gate whose time is over is forgotten."""
        now, longest = time.monotonic(), 0.0
        for place in ((to.channel, to.room), (to.channel, "")):
            seconds = self._closed.get(place, now) - now
            if seconds <= 0:
                self._closed.pop(place, None)
            longest = max(longest, seconds)
        return longest
