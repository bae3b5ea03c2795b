"""How tests ask a model, and models that do as they are told."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from core.model.errors import ModelError
from core.model.port import ChatMessage, End, Model, Piece, TextPiece, ToolSpec

WORDS = "one two three four five"


def question(text: str = WORDS) -> list[ChatMessage]:
    return [ChatMessage("user", text)]


async def pieces(model: Model, text: str = WORDS, **more: object) -> list[Piece]:
    """All of the answer."""
    async with asyncio.timeout(5), aclosing(model.stream(question(text), **more)) as stream:
        return [piece async for piece in stream]


async def answer(model: Model, text: str = WORDS, **more: object) -> str:
    """The text of the answer, which must have come to its end."""
    *said, end = await pieces(model, text, **more)
    assert isinstance(end, End)
    return "".join(piece.text for piece in said if isinstance(piece, TextPiece))


class FakeModel:
    """Says its name, after the errors it was given; an error may be preceded by text."""

    def __init__(self, name: str = "fake", *, context_tokens: int = 1000) -> None:
        self.name = name
        self.served_as = name
        self.context_tokens = context_tokens
        self.script: list[ModelError | list[Piece | ModelError]] = []
        self.asked: list[list[ChatMessage]] = []
        self.offered: list[Sequence[ToolSpec]] = []
        self.hold: asyncio.Event | None = None
        self.price = 0.0
        """Of a million tokens, read or written."""

    def most(self, prompt_tokens: int, max_tokens: int | None = None) -> float:
        return self.price * (prompt_tokens + (max_tokens or 100)) / 1_000_000

    async def stream(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), max_tokens: int | None = None
    ) -> AsyncGenerator[Piece, None]:
        self.asked.append(list(messages))
        self.offered.append(tools)
        told = self.script.pop(0) if self.script else [TextPiece(self.name), end()]
        if self.hold:
            await self.hold.wait()
        for item in [told] if isinstance(told, ModelError) else told:
            if isinstance(item, ModelError):
                raise item
            yield item


def end(reason: str = "stop", prompt: int = 1, completion: int = 1) -> End:
    return End(reason, "fake", prompt, completion, estimated=False)
