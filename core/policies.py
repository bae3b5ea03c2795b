"""Which events are answered: a list read top to bottom. The first policy with a verdict ends the turn."""

from collections.abc import Callable, Sequence

import msgspec

from core.adapter import Settings
from core.bot import Remembered
from core.events import AnyEvent, Command, Message, Press
from core.language.sentences import Sentence

BOT_TURNS_A_MINUTE = 5
"""So many turns with other bots a conversation has in one minute; then it falls silent until they are over."""


class Silence(msgspec.Struct, frozen=True):
    """Say nothing; the reason is counted."""

    reason: str


class Refusal(msgspec.Struct, frozen=True):
    """Say one polite line, and do not trouble the bot."""

    reason: str
    line: Sentence


Verdict = Silence | Refusal | None
Policy = Callable[[AnyEvent, Settings, Sequence[Remembered], float], Verdict]


def is_said(event: AnyEvent, settings: Settings, history: Sequence[Remembered], now: float) -> Verdict:
    """Only what was said to us is answered; edits, deletes, reactions and joins are noted."""
    return None if isinstance(event, Message | Command | Press) else Silence(type(event).__name__.lower())


def is_human(event: AnyEvent, settings: Settings, history: Sequence[Remembered], now: float) -> Verdict:
    """Other bots only where the channel says so, and never in a loop."""
    if not event.user.is_bot:
        return None
    if not settings.answer_bots:
        return Silence("bot")
    recent = sum(said.by_bot and said.time > now - 60 for said in history)
    return Silence("bot loop") if recent >= BOT_TURNS_A_MINUTE else None


def is_addressed(event: AnyEvent, settings: Settings, history: Sequence[Remembered], now: float) -> Verdict:
    """In groups a message is for us when it names us, or where the channel says that more is."""
    if not isinstance(event, Message) or event.direct or event.mentioned or settings.answer == "all":
        return None
    if settings.answer == "threads" and event.address.thread and history:
        return None
    return Silence("not addressed")


def has_words(event: AnyEvent, settings: Settings, history: Sequence[Remembered], now: float) -> Verdict:
    """A message of nothing but files cannot be answered by reading."""
    if not isinstance(event, Message) or event.text.strip() or any(file.text for file in event.attachments):
        return None
    if event.attachments:
        return Refusal("no text", Sentence.READ_TEXT)
    return None if event.mentioned else Silence("empty")


POLICIES: tuple[Policy, ...] = (is_said, is_human, is_addressed, has_words)


def judge(event: AnyEvent, settings: Settings, history: Sequence[Remembered], now: float) -> Verdict:
    """What the policies say of an event; `now`: Unix seconds by the store's clock. None: let the bot answer."""
    for policy in POLICIES:
        if verdict := policy(event, settings, history, now):
            return verdict
    return None
