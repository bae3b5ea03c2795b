"""A circuit breaker: a model that keeps failing is left alone, and asked now and then whether it is back."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum


class State(StrEnum):
    CLOSED = "closed"
    """All is well; every call goes through."""
    OPEN = "open"
    """Too many failed; none goes through."""
    HALF_OPEN = "half-open"
    """One call is on its way to find out."""


class Admission(Enum):
    """How a call was let through."""

    CALL = "call"
    PROBE = "probe"


@dataclass(slots=True)
class _Second:
    at: int
    good: int = 0
    bad: int = 0


class Breaker:
    """Opens when at least `share` of at least `calls` in the last `window` seconds failed."""

    def __init__(
        self,
        *,
        window: float = 30.0,
        calls: int = 20,
        share: float = 0.5,
        probe_every: float = 5.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._window = window
        self._calls = calls
        self._share = share
        self._probe_every = probe_every
        self._now = now
        self._seconds: deque[_Second] = deque()
        self._tried_at = 0.0
        self.state = State.CLOSED

    def admit(self) -> Admission | None:
        """Whether a call may go through now; None: not. Whoever was let through may `record` how it went."""
        if self.state is State.CLOSED:
            return Admission.CALL
        now = self._now()
        if now - self._tried_at < self._probe_every:
            return None
        self._tried_at = now
        self.state = State.HALF_OPEN
        return Admission.PROBE

    def record(self, admission: Admission, *, good: bool) -> None:
        """How it went. A call that was given up says nothing and is not recorded."""
        if admission is Admission.PROBE:
            self._probed(good)
        elif self.state is State.CLOSED:
            self._count(good)

    def _probed(self, good: bool) -> None:
        self.state = State.CLOSED if good else State.OPEN
        self._seconds.clear()

    def _count(self, good: bool) -> None:
        now = self._now()
        if not self._seconds or self._seconds[-1].at != int(now):
            self._seconds.append(_Second(int(now)))
        while self._seconds[0].at < now - self._window:
            self._seconds.popleft()
        if good:
            self._seconds[-1].good += 1
        else:
            self._seconds[-1].bad += 1
        bad = sum(second.bad for second in self._seconds)
        calls = bad + sum(second.good for second in self._seconds)
        if not good and calls >= self._calls and bad >= self._share * calls:
            self.state = State.OPEN
            self._tried_at = now
