"""A turn with tools: the model speaks, calls, reads the results and speaks again."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec

from core.model.errors import BrokenStream
from core.model.port import CallPiece, ChatMessage, End, Model, TextPiece, ToolCall
from core.model.tools import Tools, declined

MAX_ROUNDS = 5
"""Times that the model may call tools in one turn; then it must answer with what it has."""

MAX_CALLS = 8
"""Calls of one round that are run."""


class Round(msgspec.Struct, frozen=True):
    """What the model said and called, and the result of each call: one unit, kept or dropped together."""

    messages: tuple[ChatMessage, ...]


class Confirm(msgspec.Struct, frozen=True):
    """The turn stops here until a human agreed to `calls`, or not; `settle` makes a Round of the decision."""

    calls: tuple[ToolCall, ...]
    messages: tuple[ChatMessage, ...]
    """What the model said and called, and the results of the calls that needed no consent."""


Step = TextPiece | Round | Confirm | End


async def converse(
    model: Model,
    messages: Sequence[ChatMessage],
    tools: Tools,
    *,
    max_tokens: int | None = None,
    rounds: int = MAX_ROUNDS,
) -> AsyncGenerator[Step, None]:
    """Text as it comes, a `Round` after each round of calls, and at last one `End` with the figures of all rounds;
    or a `Confirm` as the last step, before which the figures so far come as an `End`.

    Raises what the model raises; BrokenStream then holds the text of all rounds."""
    told = list(messages)
    said = ""
    spent: End | None = None
    for number in range(rounds + 1):
        text = ""
        calls: tuple[ToolCall, ...] = ()
        specs = tools.specs if number < rounds else ()
        try:
            async with aclosing(model.stream(told, tools=specs, max_tokens=max_tokens)) as pieces:
                async for piece in pieces:
                    match piece:
                        case TextPiece():
                            text += piece.text
                            yield piece
                        case CallPiece():
                            calls = piece.calls
                        case End():
                            spent = _sum(spent, piece)
        except BrokenStream as error:
            error.said = said + error.said
            raise
        said += text
        if spent is None:
            raise BrokenStream("the answer has no end", said)
        if not calls or not specs:
            yield spent
            return
        unit, pending = await _run(tools, text, calls)
        if pending:
            yield spent
            yield Confirm(pending, unit)
            return
        told += unit
        yield Round(unit)


async def settle(tools: Tools, asked: Confirm, *, agreed: bool) -> Round:
    """The whole round, once the human decided. `converse` goes on from the conversation with it at the end."""
    if not agreed:
        return Round((*asked.messages, *declined(asked.calls)))
    results = await asyncio.gather(*(tools.run(call, agreed=True) for call in asked.calls))
    return Round((*asked.messages, *results))


async def _run(
    tools: Tools, text: str, calls: Sequence[ToolCall]
) -> tuple[tuple[ChatMessage, ...], tuple[ToolCall, ...]]:
    """The assistant's message with the results known by now, and the calls that wait for a human."""
    calls = calls[:MAX_CALLS]
    pending = tuple(call for call in calls if (tool := tools.get(call.name)) and tool.confirm)
    results = await asyncio.gather(*(tools.run(call) for call in calls if call not in pending))
    return (ChatMessage("assistant", text, calls=tuple(calls)), *results), pending


def _sum(before: End | None, now: End) -> End:
    if before is None:
        return now
    return End(
        now.reason,
        now.model,
        before.prompt_tokens + now.prompt_tokens,
        before.completion_tokens + now.completion_tokens,
        estimated=before.estimated or now.estimated,
    )
