"""The look back after an answer: a summary of what is older, by a model."""

from collections.abc import Sequence
from contextlib import aclosing

import structlog

from bots._assistant.speakers import Speakers
from core.bot import Remembered
from core.conversation.entry import Entry
from core.conversation.exact import Counts
from core.conversation.settings import ContextSettings
from core.conversation.summary import Summary, accept, are_enough, plan
from core.model.errors import ModelError
from core.model.port import ChatMessage, Model, TextPiece
from core.safety import checked

log = structlog.get_logger(__name__)

_TURN = 2
"""Messages that a turn adds."""
_LOOK_EVERY = 6
"""Messages between two looks whether a session without a summary is large enough for one: to know, all its messages
are counted."""
_SLACK = 50
"""Tokens that a summary may run over its length; they are cut away."""


async def reflected(
    model: Model,
    settings: ContextSettings,
    counts: Counts,
    history: Sequence[Remembered],
    summary: Summary | None,
    first: int,
) -> Summary | None:
    """A newer summary; None where none is due, or none could be made: the next look back tries again."""
    if not are_enough(len(history), summary, settings, first=first):
        return None
    if settings.strategy == "auto" and summary is None and (first + len(history)) % _LOOK_EVERY >= _TURN:
        return None
    count = counts.of(model.name)
    made = plan(remembered(history, Speakers("")), summary, settings, count=count, first=first)
    if made is None:
        return None
    told = [ChatMessage("system", made.system), ChatMessage("user", made.material)]
    text: list[str] = []
    try:
        async with aclosing(model.stream(told, max_tokens=made.tokens + _SLACK)) as pieces:
            text.extend([piece.text async for piece in pieces if isinstance(piece, TextPiece)])
    except ModelError as error:
        await log.awarning("no summary was made", model=model.name, error=str(error))
        return None
    found = accept(made, "".join(text), summary, count=count)
    return None if found is summary else found


def remembered(history: Sequence[Remembered], speakers: Speakers | None) -> list[Entry]:
    """What was said before, as the window takes it; with labels where `speakers` are told apart."""
    labels = speakers.of(history) if speakers else [""] * len(history)
    return [
        Entry(said.role, checked(said.text).text, label, said.time) for said, label in zip(history, labels, strict=True)
    ]
