"""Tells of webhook requests that were refused: once a minute for each channel, however many they are."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from aiohttp import web

log = structlog.get_logger(__name__)

EVERY = 60.0
"""Seconds between two lines about one channel."""


@dataclass(slots=True)
class _Count:
    told_at: float
    untold: int = 0


class Refusals:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, _Count] = {}

    @contextmanager
    def watching(self, channel: str, remote: str | None) -> Iterator[Callable[[web.StreamResponse], None]]:
        """Around a request; call what it gives with the answer. An answer may also be raised."""

        def answered(response: web.StreamResponse | web.HTTPException) -> None:
            if 400 <= response.status < 500:
                self._note(channel, response.status, remote)

        try:
            yield answered
        except web.HTTPException as answer:
            answered(answer)
            raise

    def _note(self, channel: str, status: int, remote: str | None) -> None:
        now = self._clock()
        count = self._counts.setdefault(channel, _Count(told_at=now - EVERY))
        count.untold += 1
        if now - count.told_at >= EVERY:
            log.warning(
                "webhook requests refused", channel=channel, count=count.untold, last_status=status, remote=remote
            )
            count.told_at, count.untold = now, 0
