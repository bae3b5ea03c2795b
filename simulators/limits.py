"""How often a platform takes a call: its limits as data, counted by a clock that a test may wind on."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Limit:
    """So many `calls` within so many `seconds`, counted for each room, method or bot by itself.

    Then all places are free again `seconds` after the first call; with `leaks` they become free one by one."""

    calls: int
    seconds: float
    leaks: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """What a limit still allows."""

    calls: int
    wait: float
    """Seconds until there is a place, 0 where there is one."""
    reset_after: float
    """Seconds until all places are free."""


class Meter:
    def __init__(self, clock: Callable[[], float], *, enabled: bool) -> None:
        self.enabled = enabled
        self._clock = clock
        self._used: dict[tuple[Limit, str], tuple[float, float]] = {}
        """What is counted -> since when, how many calls."""

    def take(self, *counted: tuple[Limit, str]) -> float:
        """Count a call against all of these. Above 0: it is one too many and is not counted; come back in so many
        seconds."""
        if not self.enabled:
            return 0.0
        if wait := max(self.left(limit, key).wait for limit, key in counted):
            return wait
        for limit, key in counted:
            since, used = self._state(limit, key)
            self._used[limit, key] = since, used + 1
        return 0.0

    def left(self, limit: Limit, key: str) -> Left:
        since, used = self._state(limit, key)
        free = limit.calls - ceil(used)
        if limit.leaks:
            each = limit.seconds / limit.calls
            return Left(free, max(0.0, (used - limit.calls + 1) * each), used * each)
        reset = since + limit.seconds - self._clock()
        return Left(free, 0.0 if free > 0 else reset, reset)

    def _state(self, limit: Limit, key: str) -> tuple[float, float]:
        now = self._clock()
        since, used = self._used.get((limit, key), (now, 0.0))
        if limit.leaks:
            return now, max(0.0, used - (now - since) * limit.calls / limit.seconds)
        return (now, 0.0) if now - since >= limit.seconds else (since, used)
