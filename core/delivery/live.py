"""Shows an answer while the bot still speaks, by editing the messages it is shown in."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from core.delivery.answer import Answer, fitted
from core.delivery.deliver import Delivery
from core.errors import HubError, SendError

log = structlog.get_logger(__name__)

FIRST = 0.03
"""Seconds from the first word until it is shown: an answer that is whole by then is sent as one message."""


class Live:
    """`async with`: call `news` whenever the answer has grown. Leaving waits for what is on the wire."""

    def __init__(self, answer: Answer, delivery: Delivery, is_cut: Callable[[], bool] = lambda: False) -> None:
        """`is_cut`: whether a cancellation only ends what the bot says, and this process goes on with the answer."""
        self._is_cut = is_cut
        self._answer = answer
        self._delivery = delivery
        self._start: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._grown = asyncio.Event()
        self._over = asyncio.Event()

    def news(self) -> None:
        """The bot has said more."""
        self._grown.set()
        if self._start is None:
            self._start = asyncio.get_running_loop().call_later(FIRST, self._begin)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._start is not None:
            self._start.cancel()
        if self._task is None:
            return
        self._over.set()
        self._grown.set()
        if kind is not None and not issubclass(kind, Exception) and not self._is_cut():
            self._task.cancel()  # the turn itself is cancelled: another worker goes on with it
        try:
            await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if not self._is_cut():
                self._task.cancel()
            await self._task
            raise

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        pace = self._delivery.adapter.capabilities.edit_every
        while not self._over.is_set():
            self._grown.clear()
            try:
                if parts := await fitted(self._answer.parts(), self._delivery.adapter, self._answer.links):
                    await self._delivery.draft(parts)
            except SendError as error:
                # The whole answer is still to be delivered, with all care; a draft is not worth more tries.
                log.info("draft not shown", channel=self._delivery.staged.to.channel, error=str(error))
                return
            except HubError:
                raise
            except Exception as error:
                log.error("draft not shown", channel=self._delivery.staged.to.channel, exc_info=error)
                return
            await _wait(self._over, pace)
            await self._grown.wait()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Until the event is set, at most so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
