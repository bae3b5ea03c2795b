"""The answers that are being given now, and how one is cut short by what the user does meanwhile."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import msgspec

from core.events import AnyEvent
from core.overlap import Cut, Overlap, Question, cuts


class CutShort(Exception):
    """Raised in place of the cancellation that `Answering.hear` caused."""

    def __init__(self, cut: Cut) -> None:
        super().__init__(cut)
        self.cut: Cut = cut


class Answering:
    """`async with`: while the body runs, `hear` may cancel it; its task then sees CutShort instead."""

    def __init__(self, question: Question, overlap: Overlap, is_for_us: Callable[[AnyEvent], bool]) -> None:
        self._question = question
        self._overlap: Overlap = overlap
        self._is_for_us = is_for_us
        self._cut: Cut | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0

    def hear(self, new: AnyEvent) -> None:
        """Cut it short, once, where a new event says so."""
        if self._task is None or self._cut is not None:
            return
        cut = cuts(new, self._question.ids, self._overlap)
        if cut in ("edited", "withdrawn") or (cut and self._is_for_us(new)):
            self._cut = cut
            self._task.cancel()

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        self._cancelling = self._task.cancelling() if self._task else 0
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._cut is None or task is None:
            return
        if task.uncancel() <= self._cancelling and (kind is None or issubclass(kind, asyncio.CancelledError)):
            raise CutShort(self._cut) from error


class Meanwhile(msgspec.Struct, frozen=True):
    """An event that may bear on an answer which another process is giving."""

    conversation: str
    event: AnyEvent


class UnderWay:
    """By conversation: at most one answer is being given in each."""

    def __init__(self) -> None:
        self._answers: dict[str, Answering] = {}

    @contextmanager
    def answering(
        self, conversation: str, question: Question, overlap: Overlap, is_for_us: Callable[[AnyEvent], bool]
    ) -> Iterator[Answering]:
        """Known under its conversation while the body runs."""
        answering = self._answers[conversation] = Answering(question, overlap, is_for_us)
        try:
            yield answering
        finally:
            if self._answers.get(conversation) is answering:
                del self._answers[conversation]

    def hear(self, conversation: str, new: AnyEvent) -> bool:
        """Cut short what a new event ends. True where this process gives the answer in that conversation."""
        answering = self._answers.get(conversation)
        if answering is None:
            return False
        answering.hear(new)
        return True
