"""A turn with tools: the model speaks, calls, reads the results and speaks again."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import msgspec

from core.model.errors import BrokenStream
from core.model.port import CallPiece, ChatMessage, End, Model, TextPiece, ToolCall
from core.model.tools import Keys, RunContext, Tools, declined

MAX_ROUNDS = 5
"""Times that the model may call tools in one turn; then it must answer with what it has."""

MAX_CALLS = 8
"""Calls of one round that are run."""

Prompt = Callable[[Sequence[ChatMessage]], Sequence[ChatMessage]]
"""What the model is told, given what was called in this turn and the results: asked before each call of the model, so
that the whole can be made to fit again."""


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
    prompt: Prompt,
    tools: Tools,
    *,
    context: RunContext = RunContext(),  # noqa: B008
    since: Sequence[ChatMessage] = (),
    max_tokens: int | None = None,
    rounds: int = MAX_ROUNDS,
) -> AsyncGenerator[Step, None]:
    """Text as it comes, an `End` with the figures of each call of the model, and a `Round` after each round of calls.
    The last step is an `End` with no round behind it, or a `Confirm`.

    `since`: rounds that this turn has behind it; `context`: for whom tools run, with the name of this turn as its key.
    Raises what the model raises; BrokenStream then holds the text of all rounds."""
    behind = list(since)
    keys = Keys(context.key)
    for call in (call for message in since for call in message.calls):
        keys.of(call)
    said = ""
    for number in range(rounds + 1):
        text = ""
        calls: tuple[ToolCall, ...] = ()
        specs = tools.specs if number < rounds else ()
        end: End | None = None
        try:
            async with aclosing(model.stream(prompt(behind), tools=specs, max_tokens=max_tokens)) as pieces:
                async for piece in pieces:
                    match piece:
                        case TextPiece():
                            text += piece.text
                            yield piece
                        case CallPiece():
                            calls = piece.calls
                        case End():
                            end = piece
        except BrokenStream as error:
            error.said = said + error.said
            raise
        said += text
        if end is None:
            raise BrokenStream("the answer has no end", said)
        yield end
        if not calls or not specs:
            return
        unit, pending = await _run(tools, text, calls, context, keys)
        if pending:
            yield Confirm(pending, unit)
            return
        behind += unit
        yield Round(unit)


async def settle(tools: Tools, asked: Confirm, *, agreed: bool, context: RunContext = RunContext()) -> Round:  # noqa: B008
    """The whole round, once the human decided. `converse` goes on with it in `since`.

    `context`: with the name of the question as its key."""
    if not agreed:
        return Round((*asked.messages, *declined(asked.calls)))
    keys = Keys(context.key)
    contexts = [msgspec.structs.replace(context, key=keys.of(call)) for call in asked.calls]
    runs = (tools.run(call, agreed=True, context=own) for call, own in zip(asked.calls, contexts, strict=True))
    return Round((*asked.messages, *await asyncio.gather(*runs)))


async def _run(
    tools: Tools, text: str, calls: Sequence[ToolCall], context: RunContext, keys: Keys
) -> tuple[tuple[ChatMessage, ...], tuple[ToolCall, ...]]:
    """The assistant's message with the results known by now, and the calls that wait for a human.

    A call that cannot be run is answered at once: nobody is asked to agree to it."""
    calls = calls[:MAX_CALLS]
    pending = tuple(call for call in calls if (tool := tools.get(call.name)) and tool.confirm and not tools.fault(call))
    contexts = [(call, msgspec.structs.replace(context, key=keys.of(call))) for call in calls if call not in pending]
    results = await asyncio.gather(*(tools.run(call, context=own) for call, own in contexts))
    return (ChatMessage("assistant", text, calls=tuple(calls)), *results), pending
