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
from core.overlap import Cut, Overlap, Question, cuts, in_one_room

EARLY = 0.25
"""Seconds before a turn began in which it may have been claimed already; what was heard before that is in its claim."""
EARLY_MAX = 1000
"""Conversations."""
KNOWN_MAX = 10_000
"""Events."""


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

    @property
    def is_cut(self) -> bool:
        return self._cut is not None

    def hear(self, new: AnyEvent) -> None:
        """Cut it short, once, where a new event says so; before it has begun it then never does."""
        if self._is_over or self._cut is not None:
            return
        ids = self._question.ids if in_one_room(new, self._question.event) else ()
        cut = cuts(new, ids, self._overlap)
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
        self._early: OrderedDict[str, list[tuple[float, AnyEvent]]] = OrderedDict()
        """What was heard, and when, of conversations in which nothing was under way yet: their turn may just have been
        claimed."""
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        """Events that turns here knew of. They are heard of late as well, and must not end their own answer, or the
        next one."""

    @contextmanager
    def answering(
        self,
        conversation: str,
        question: Question,
        overlap: Overlap,
        is_for_us: Callable[[AnyEvent], bool],
        known: Collection[str] = (),
        began: float = 0.0,
    ) -> Iterator[Answering]:
        """Known under its conversation while the body runs. `known`: ids of the events that the question was made of,
        and of those behind them that it was made in the light of. `began`: when the turn did, by the monotonic
        clock."""
        self._know(conversation, known)
        answering = self._answers[conversation] = Answering(question, overlap, is_for_us)
        for heard, event in self._early.pop(conversation, ()):
            if heard > began - EARLY and event.uid not in known:
                answering.hear(event)
        try:
            yield answering
        finally:
            if self._answers.get(conversation) is answering:
                del self._answers[conversation]

    def hear(self, conversation: str, new: AnyEvent) -> bool:
        """Cut short what a new event ends. True where this process gives the answer in that conversation, or did."""
        if (conversation, new.uid) in self._known:
            return True
        answering = self._answers.get(conversation)
        if answering is None:
            early = self._early.pop(conversation, [])
            self._early[conversation] = [*early[-9:], (time.monotonic(), new)]
            if len(self._early) > EARLY_MAX:
                self._early.popitem(last=False)
            return False
        answering.hear(new)
        return True

    def _know(self, conversation: str, events: Collection[str]) -> None:
        self._known |= {(conversation, uid): None for uid in events}
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
