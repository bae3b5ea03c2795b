"""Which events are answered: a list read top to bottom. The first policy with a verdict ends the turn."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from core.adapter import Settings
from core.bot import Notes
from core.conversation.session import NEW, Session
from core.events import AnyEvent, Command, Message, Press
from core.language.sentences import Sentence

BOT_TURNS_A_MINUTE = 5
"""So many turns with other bots a conversation has in one minute; then it falls silent until they are over."""


class Silence(msgspec.Struct, frozen=True):
    """Say nothing; the reason is counted."""

    reason: str
    notes: Notes | None = None
    """What the session is to note of it."""


class Refusal(msgspec.Struct, frozen=True):
    """Say one polite line, and do not trouble the bot."""

    reason: str
    line: Sentence


Verdict = Silence | Refusal | None


@dataclass(frozen=True, slots=True)
class Case:
    """An event, and all that a policy may look at."""

    event: AnyEvent
    settings: Settings
    session: Session = NEW
    now: float = 0.0
    """Unix seconds by the store's clock."""


Policy = Callable[[Case], Verdict]


def is_said(case: Case) -> Verdict:
    """Only what was said to us is answered; edits, deletes, reactions and joins are noted."""
    is_words = isinstance(case.event, Message | Command | Press)
    return None if is_words else Silence(type(case.event).__name__.lower())


def is_human(case: Case) -> Verdict:
    """Other bots only where the channel says so, and never in a loop."""
    if not case.event.user.is_bot:
        return None
    if not case.settings.answer_bots:
        return Silence("bot")
    recent = sum(said.by_bot and said.time > case.now - 60 for said in case.session.history)
    return Silence("bot loop") if recent >= BOT_TURNS_A_MINUTE else None


def is_addressed(case: Case) -> Verdict:
    """In groups a message is for us when it names us, or where the channel says that more is.

    That ends when we are told to be quiet, and when people talk to each other; whoever names us begins it anew."""
    event, notes = case.event, case.session.notes
    if not isinstance(event, Message) or event.direct or event.mentioned:
        return None
    is_followed = case.settings.answer == "all" or (
        case.settings.answer == "threads" and bool(event.address.thread) and bool(case.session.history)
    )
    if not is_followed:
        return Silence("not addressed")
    if notes.quiet:
        return Silence("told to be quiet")
    if event.to_others:
        is_thread = case.settings.answer == "threads"
        return Silence("to others", msgspec.structs.replace(notes, quiet=True) if is_thread else None)
    return None


def has_words(case: Case) -> Verdict:
    """A message of nothing but files cannot be answered by reading."""
    event = case.event
    if not isinstance(event, Message) or event.text.strip() or any(file.text for file in event.attachments):
        return None
    if event.attachments:
        return Refusal("no text", Sentence.READ_TEXT)
    return None if event.mentioned else Silence("empty")


POLICIES: tuple[Policy, ...] = (is_said, is_human, is_addressed, has_words)


def judge(case: Case) -> Verdict:
    """What the policies say of an event. None: let the bot answer."""
    for policy in POLICIES:
        if verdict := policy(case):
            return verdict
    return None


def is_for_us(case: Case) -> bool:
    """Whether an event is one that is answered."""
    return not isinstance(judge(case), Silence)
