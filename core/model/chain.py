"""A model and those that answer in its place: retries, then the next, and never twice the same beginning."""

import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import stamina
import structlog
from stamina import Attempt

from core.model.errors import (
    BrokenStream,
    ModelError,
    ModelRefused,
    ModelThrottled,
    ModelUnavailable,
)
from core.model.link import Busy, Link
from core.model.port import ChatMessage, Lost, Piece, ToolSpec

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how soon the same model is asked again. Seconds."""

    times: int = 2
    first: float = 0.5
    """The least pause before the first retry; doubled before each further one, with up to a quarter more by chance."""
    longest: float = 5.0
    """Of a pause. A model that asks us to wait longer than this is passed over."""
    within: float = 10.0
    """What fails so long after the first try began is not asked again: by then the next model is the better hope."""


class Chain:
    """Models in the order in which they are asked. Itself a model."""

    def __init__(self, links: Sequence[Link], *, retries: Retries = Retries()) -> None:
        self._links = tuple(links)
        self._retries = retries

    @property
    def name(self) -> str:
        return self._links[0].model.name

    @property
    def served_as(self) -> str:
        return self._links[0].model.served_as

    @property
    def context_tokens(self) -> int:
        return self._links[0].model.context_tokens

    def most(self, prompt_tokens: int, max_tokens: int | None = None) -> float:
        """The most that an answer to so many tokens can cost: that of the dearest model."""
        return max(link.most(prompt_tokens, max_tokens) for link in self._links)

    def health(self) -> dict[str, dict[str, str | int]]:
        """Each model's counters and breaker."""
        return {link.model.name: link.health() for link in self._links}

    async def stream(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), max_tokens: int | None = None
    ) -> AsyncGenerator[Piece, None]:
        """As the port promises. Until the first piece another model may be tried; later errors go to the caller.

        Raises ModelUnavailable with the reason of each when none can, and ModelRefused when the request is at fault."""
        failures: list[tuple[Link, ModelError]] = []
        asking = _Asking(self._retries)
        for link in self._links:
            if _in_vain(link, failures):
                continue
            try:
                async for attempt in asking.attempts():
                    with attempt:
                        if asking.charged:
                            yield Lost()
                        async with aclosing(link.stream(messages, tools=tools, max_tokens=max_tokens)) as pieces:
                            async for piece in pieces:
                                asking.begun = True
                                yield piece
            except ModelError as error:
                if asking.begun or (isinstance(error, ModelRefused) and not _is_too_long(error)):
                    raise
                failures.append((link, error))
            else:
                _answered(link, failures)
                return
        verdict = _verdict(failures)
        verdict.charged = asking.charged
        raise verdict


@dataclass(slots=True)
class _Asking:
    """How one question goes."""

    retries: Retries
    begun: bool = False
    """There was an answer: whatever goes wrong from here on, nothing is said twice."""
    charged: bool = False
    """The last try came to nothing, and the server may want money for it."""

    def attempts(self) -> AsyncIterator[Attempt]:
        """At one model."""
        retries = self.retries
        context = stamina.retry_context(
            self._failed,
            attempts=retries.times + 1,
            timeout=retries.within,
            wait_initial=retries.first,
            wait_max=retries.longest,
            wait_jitter=retries.first / 4,
        )
        return aiter(context)

    def _failed(self, error: Exception) -> bool | float:
        """Whether asking again may help; in so many seconds, where the model said when."""
        self.charged = isinstance(error, ModelError) and error.charged
        if self.begun or isinstance(error, Busy):
            return False
        if not isinstance(error, ModelThrottled | ModelUnavailable):
            return isinstance(error, BrokenStream)
        if error.retry_after is None:
            return True
        # The rest is counted from the moment it was asked for, so a little more than that is in time.
        pause = error.retry_after * random.uniform(1.01, 1.1) + 0.01
        return pause if pause <= self.retries.longest else False


def _in_vain(link: Link, failures: Sequence[tuple[Link, ModelError]]) -> bool:
    """Whether this model holds no more than one for which the conversation was too long."""
    return any(
        isinstance(error, ModelRefused) and link.model.context_tokens <= other.model.context_tokens
        for other, error in failures
    )


def _is_too_long(error: ModelRefused) -> bool:
    return error.code == "context_length_exceeded"


def _answered(link: Link, failures: Sequence[tuple[Link, ModelError]]) -> None:
    if not failures:
        log.debug("model answered", model=link.model.name)
        return
    link.counters.stood_in += 1
    log.warning("a fallback answered", model=link.model.name, instead_of=_reasons(failures))


def _verdict(failures: Sequence[tuple[Link, ModelError]]) -> ModelError:
    errors = [error for _, error in failures]
    refused = next((error for error in errors if isinstance(error, ModelRefused)), None)
    if refused and all(isinstance(error, ModelRefused) for error in errors):
        return refused
    waits = [error.retry_after for error in errors if isinstance(error, ModelThrottled | ModelUnavailable)]
    return ModelUnavailable(_reasons(failures), min((wait for wait in waits if wait is not None), default=None))


def _reasons(failures: Sequence[tuple[Link, ModelError]]) -> str:
    return "; ".join(f"{link.model.name}: {error}" for link, error in failures)
