"""The answers that are being given now, and how one is cut short by what the user does meanwhile."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import msgspec

from core.events import AnyEvent
from core.overlap import Cut, Overlap, Question, cuts

EARLY = 0.5
"""Seconds between a claim and the beginning of its turn, at most."""
EARLY_MAX = 1000
"""Conversations."""


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
        self._is_over = False

    def hear(self, new: AnyEvent) -> None:
        """Cut it short, once, where a new event says so; before it has begun it then never does."""
        if self._is_over or self._cut is not None:
            return
        cut = cuts(new, self._question.ids, self._overlap)
        if cut in ("edited", "withdrawn") or (cut and self._is_for_us(new)):
            self._cut = cut
            if self._task is not None:
                self._task.cancel()

    async def __aenter__(self) -> Self:
        if self._cut is not None:
            raise CutShort(self._cut)
        self._task = asyncio.current_task()
        self._cancelling = self._task.cancelling() if self._task else 0
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task, self._is_over = self._task, None, True
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
        self._early: OrderedDict[str, tuple[float, list[AnyEvent]]] = OrderedDict()
        """What was heard of conversations in which nothing was under way yet: their turn may just have been claimed."""

    @contextmanager
    def answering(
        self,
        conversation: str,
        question: Question,
        overlap: Overlap,
        is_for_us: Callable[[AnyEvent], bool],
        known: Collection[str] = (),
    ) -> Iterator[Answering]:
        """Known under its conversation while the body runs. `known`: ids of the events that the question was made of,
        and of those behind them that it was made in the light of."""
        answering = self._answers[conversation] = Answering(question, overlap, is_for_us)
        heard, events = self._early.pop(conversation, (0.0, []))
        if heard > time.monotonic() - EARLY:
            for event in events:
                if event.uid not in known:
                    answering.hear(event)
        try:
            yield answering
        finally:
            if self._answers.get(conversation) is answering:
                del self._answers[conversation]

    def hear(self, conversation: str, new: AnyEvent) -> bool:
        """Cut short what a new event ends. True where this process gives the answer in that conversation."""
        answering = self._answers.get(conversation)
        if answering is None:
            _, events = self._early.pop(conversation, (0.0, []))
            self._early[conversation] = (time.monotonic(), [*events[-9:], new])
            if len(self._early) > EARLY_MAX:
                self._early.popitem(last=False)
            return False
        answering.hear(new)
        return True
