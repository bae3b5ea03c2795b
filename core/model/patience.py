"""How long an answer is waited for: limits by phase, counting only the time spent waiting."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from core.model.settings import ModelLimits

T = TypeVar("T")

TAIL = 1.0
"""Seconds that figures on usage may come after the answer's end."""
DRAIN = 0.1
"""Seconds that the server may take to end the response after it said that nothing follows: the connection is kept."""


class Patience:
    """The clock of one answer. A consumer that takes its time between two pieces is not held against the model."""

    def __init__(self, limits: ModelLimits) -> None:
        self._limits = limits
        self._now: Callable[[], float] = asyncio.get_running_loop().time
        self._waited = 0.0
        self._phase = "first token"
        self._limit = limits.first_token
        self._since = 0.0
        self._signs = 0

    async def wait(self, call: Awaitable[T]) -> T:
        """The result of the call. Raises TimeoutError when a limit was reached; `complaint` says which."""
        began = self._now()
        left = min(self._since + self._limit, self._limits.total) - self._waited
        try:
            async with asyncio.timeout_at(began + left):
                return await call
        finally:
            self._waited += self._now() - began

    def heard(self, signs: int) -> None:
        """So many signs of life were counted by now: a new one starts the next gap."""
        if signs != self._signs:
            self._signs = signs
            self._enter("gap", self._limits.gap)

    def finished(self, *, done: bool) -> None:
        """The answer is complete; what may follow is not waited for much longer."""
        phase = "drain" if done else "tail"
        if self._phase != phase:
            self._enter(phase, DRAIN if done else TAIL)

    @property
    def complaint(self) -> str:
        """Which limit was reached."""
        if self._waited >= self._limits.total:
            return f"not finished within {self._limits.total:g} s"
        if self._phase == "first token":
            return f"no token within {self._limits.first_token:g} s"
        return f"stalled for {self._limits.gap:g} s"

    def _enter(self, phase: str, limit: float) -> None:
        self._phase, self._limit, self._since = phase, limit, self._waited
