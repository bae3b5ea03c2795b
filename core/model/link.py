"""One model of a chain with what protects it: a bulkhead, a breaker, a memory of how long it asked us to wait."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from core import metrics
from core.model.breaker import Breaker
from core.model.errors import ModelError, ModelRefused, ModelThrottled, ModelUnavailable
from core.model.port import ChatMessage, End, Model, Piece, ToolSpec

LONGEST_REST = 60.0
"""Seconds that a model is left alone at its own word; a slip in a header must not cost an hour."""


class Busy(ModelUnavailable):
    """Not asked at all: too many answers are under way, or it failed too often of late."""


@dataclass(slots=True)
class Counters:
    """What happened since the start."""

    calls: int = 0
    answers: int = 0
    failures: int = 0
    """Throttled, unavailable, refused our key, or broke off."""
    refusals: int = 0
    """The request's fault, not the model's."""
    stood_in: int = 0
    """Answers given because models before it in a chain could not."""


class Link:
    """One model, shared by all chains that it is part of."""

    def __init__(
        self,
        model: Model,
        *,
        concurrency: int = 64,
        queue_limit: float = 1.0,
        breaker: Breaker | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`queue_limit`: seconds to wait for a place among the `concurrency` answers under way."""
        self.model = model
        self.counters = Counters()
        self._places = asyncio.Semaphore(concurrency)
        self._queue_limit = queue_limit
        self._breaker = breaker or Breaker()
        self._now = now
        self._rests_until = 0.0
        self._last_error = ""

    def health(self) -> dict[str, str | int]:
        """How it stands, for the health page."""
        counters = self.counters
        return {
            "breaker": self._breaker.state.value,
            "calls": counters.calls,
            "answers": counters.answers,
            "failures": counters.failures,
            "refusals": counters.refusals,
            "stood_in": counters.stood_in,
            "last_error": self._last_error,
        }

    def most(self, prompt_tokens: int, max_tokens: int | None = None) -> float:
        """The most that an answer to so many tokens can cost."""
        return self.model.most(prompt_tokens, max_tokens)

    async def stream(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), max_tokens: int | None = None
    ) -> AsyncGenerator[Piece, None]:
        """As the port promises; Busy or ModelThrottled at once where asking would be in vain."""
        rest = self._rests_until - self._now()
        if rest > 0:
            raise ModelThrottled("it asked us to wait", rest)
        async with self._place():
            admission = self._breaker.admit()
            if admission is None:
                raise Busy("left alone after many failures")
            self.counters.calls += 1
            try:
                async with aclosing(self.model.stream(messages, tools=tools, max_tokens=max_tokens)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, End):  # whoever asked may never come back for more
                            self.counters.answers += 1
                            self._breaker.record(admission, good=True)
                        yield piece
            except ModelError as error:
                self._note(error)
                self._breaker.record(admission, good=isinstance(error, ModelRefused))
                raise

    def _note(self, error: ModelError) -> None:
        if isinstance(error, ModelRefused):
            self.counters.refusals += 1
            return
        self.counters.failures += 1
        metrics.count("model_failures_total", model=self.model.name, reason=type(error).__name__)
        self._last_error = str(error)
        if isinstance(error, ModelThrottled) and error.retry_after:
            self._rests_until = self._now() + min(error.retry_after, LONGEST_REST)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._queue_limit):
                await self._places.acquire()
        except TimeoutError as error:
            raise Busy("too many answers under way") from error
        try:
            yield
        finally:
            self._places.release()
