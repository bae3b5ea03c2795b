"""A model that asks the purse before each call and pays after it."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import msgspec

from core.limits.purse import Purse, Usage
from core.model.errors import ModelError
from core.model.port import CallPiece, ChatMessage, End, Lost, Model, Piece, TextPiece, ToolSpec

_PER_REQUEST, _PER_MESSAGE = 64, 16
"""Tokens that servers put around a request and around each message, on the safe side."""
_BYTES_A_TOKEN = 4
"""About what a token is long, where nobody told."""


class Metered:
    """Itself a model. One for each turn; calls at the same time may share it."""

    def __init__(self, model: Model, purse: Purse | None, booked: Callable[[End], None] | None = None) -> None:
        """`booked` is told the figures of each call that was begun, also of one that broke off."""
        self._model = model
        self._purse = purse
        self._booked = booked

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def served_as(self) -> str:
        return self._model.served_as

    @property
    def context_tokens(self) -> int:
        return self._model.context_tokens

    def most(self, prompt_tokens: int, max_tokens: int | None = None) -> float:
        """The most that an answer to so many tokens can cost."""
        return self._model.most(prompt_tokens, max_tokens)

    async def stream(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), max_tokens: int | None = None
    ) -> AsyncGenerator[Piece, None]:
        """As the port promises, but what is `Lost`. Raises OverBudget, before anything is asked, or asked again, where
        the purse does not cover it.

        What breaks off, is lost or not read to its end is paid for by an estimate; what never began costs nothing."""
        size = _size(messages, tools)
        covered = self._model.most(size, max_tokens)
        await self._cover(covered)
        said, owes = 0, True
        try:
            async with aclosing(self._model.stream(messages, tools=tools, max_tokens=max_tokens)) as pieces:
                async for piece in pieces:
                    match piece:
                        case TextPiece():
                            said += len(piece.text.encode())
                        case CallPiece():
                            said += sum(len(call.name) + len(call.arguments) for call in piece.calls)
                        case Lost():
                            owes = False
                            self._pay(self._guess(size, 0), covered)
                            await self._cover(covered)
                            owes = True
                            continue
                        case End():
                            owes = False
                            self._pay(piece, covered)
                    yield piece
        except ModelError as error:
            if owes and not (said or error.charged):
                owes = False
                self._free(covered)
            raise
        finally:
            if owes:
                self._pay(self._guess(size, said), covered)

    def _guess(self, size: int, said: int) -> End:
        """What a call took that told no figures: at the price of the dearest model."""
        read, written = size // _BYTES_A_TOKEN, said // _BYTES_A_TOKEN + 1
        return End("length", self.name, read, written, estimated=True, cost=self._model.most(read, written))

    async def _cover(self, amount: float) -> None:
        if self._purse is not None:
            await self._purse.cover(amount)

    def _free(self, amount: float) -> None:
        if self._purse is not None:
            self._purse.paid(0, 0, 0, covered=amount)

    def _pay(self, end: End, covered: float) -> None:
        if self._purse is not None:
            self._purse.book(Usage(end.model, end.prompt_tokens, end.completion_tokens, end.cost), covered=covered)
        if self._booked is not None:
            self._booked(end)


def _size(messages: Sequence[ChatMessage], tools: Sequence[ToolSpec]) -> int:
    """No prompt has more tokens than bytes: the vocabularies in use are built on bytes."""
    size = _PER_REQUEST + sum(len(msgspec.json.encode(tool)) for tool in tools)
    for message in messages:
        size += _PER_MESSAGE + len(message.text.encode()) + len(message.name.encode())
        for call in message.calls:
            size += len(call.name.encode()) + len(call.arguments.encode())
    return size
