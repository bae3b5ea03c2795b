"""The answers that are being given now, and how one is cut short by what the user does meanwhile."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import msgspec

from core.events import AnyEvent
from core.overlap import Cut, Overlap, Question, cuts, in_one_room

EARLY_MAX = 1000
"""Conversations."""


class CutShort(Exception):
    """Raised in place of the cancellation that `Answering.hear` caused."""

    def __init__(self, cut: Cut) -> None:
        super().__init__(cut)
        self.cut: Cut = cut


class Answering:
    """`async with`: while the body runs, `hear` may cancel it; its task then sees CutShort instead."""

    def __init__(
        self, question: Question, overlap: Overlap, is_for_us: Callable[[AnyEvent], bool], upto: int = 0
    ) -> None:
        """`upto`: the number of the last event that can have played a part in what the question is."""
        self._upto = upto
        self._question = question
        self._overlap: Overlap = overlap
        self._is_for_us = is_for_us
        self._cut: Cut | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._is_over = False

    @property
    def is_cut(self) -> bool:
        return self._cut is not None

    def hear(self, new: AnyEvent, number: int | None = None) -> bool:
        """Cut it short, once, where a new event says so; before it has begun it then never does. False: it is over.

        Nothing that was accepted before the turn was claimed does: it has had its turn, or is known to this one."""
        if self._is_over:
            return False
        if self._cut is not None or (number is not None and number <= self._upto):
            return True
        ids = self._question.ids if in_one_room(new, self._question.event) else ()
        cut = cuts(new, ids, self._overlap)
        if cut in ("edited", "withdrawn") or (cut and self._is_for_us(new)):
            self._cut = cut
            if self._task is not None:
                self._task.cancel()
        return True

    def carry_out(self) -> None:
        """Nothing cuts it from here on: a command is done whole, and what comes behind it waits."""
        self._cut, self._is_over = None, True

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
    number: int = 0
    """As it was accepted."""


class UnderWay:
    """By conversation: at most one answer is being given in each."""

    def __init__(self) -> None:
        self._answers: dict[str, Answering] = {}
        self._early: OrderedDict[str, list[tuple[AnyEvent, int]]] = OrderedDict()
        """What was heard of conversations in which nothing was under way yet: their turn may just have been claimed."""

    @contextmanager
    def answering(
        self,
        conversation: str,
        question: Question,
        overlap: Overlap,
        is_for_us: Callable[[AnyEvent], bool],
        upto: int = 0,
    ) -> Iterator[Answering]:
        """Known under its conversation while the body runs. `upto`: the number of the last event that can have played
        a part in what the question is."""
        answering = self._answers[conversation] = Answering(question, overlap, is_for_us, upto)
        for event, number in self._early.pop(conversation, ()):
            answering.hear(event, number)
        try:
            yield answering
        finally:
            if self._answers.get(conversation) is answering:
                del self._answers[conversation]

    def hear(self, conversation: str, new: AnyEvent, number: int | None) -> bool:
        """Cut short what a new event ends. True where this process gives the answer in that conversation.

        `number`: as the event was accepted; None where it is not yet, and comes behind all that is under way."""
        answering = self._answers.get(conversation)
        if answering is not None and answering.hear(new, number):
            return True
        if number is not None:
            early = self._early.pop(conversation, [])
            self._early[conversation] = [*early[-9:], (new, number)]
            if len(self._early) > EARLY_MAX:
                self._early.popitem(last=False)
        return False
