"""The talk about joining accounts: `/link`, the question that follows a code, and `/unlink`."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from core.bot import Remembered
from core.engine.engine import Claim
from core.events import Choice, Part
from core.language.sentences import Sentence, agreed, say, when
from core.people.codes import Offer, Question, TooMany
from core.people.people import People

NAME_MAX = 40
"""Characters of a display name that are shown to somebody else."""
_MARKUP = re.compile(r"[^\w ,'’+-]|_")
_VALUE = re.compile(r"link:([0-9a-f]{16}):(yes|no)")


@dataclass(frozen=True, slots=True)
class Here:
    """Who talks, and where: the facts of a turn that this talk needs."""

    account: str
    name: str
    bot: str
    key: str
    """The conversation of the direct chat by itself, where nobody is joined."""
    direct: bool
    language: str
    claim: Claim
    event: str
    """The event's id, unique in the hub."""


async def link(here: Here, people: People, text: str) -> Part | str:
    """`/link` gives a code, `/link CODE` asks whether to join. Raises StoreError."""
    if not here.direct:
        return say(Sentence.LINK_IN_PRIVATE, here.language)
    if not text.strip():
        code = await people.codes.make(Offer(here.account, here.name, here.bot, here.key))
        if isinstance(code, TooMany):
            return say(Sentence.LINK_TOO_MANY, here.language, when=when(code.seconds, here.language))
        return say(Sentence.LINK_CODE, here.language, code=code, when=when(people.codes.life, here.language))
    offer = await people.codes.find(here.account, text)
    if isinstance(offer, TooMany):
        return say(Sentence.RATE_LIMIT, here.language, when=when(offer.seconds, here.language))
    if offer is None:
        return say(Sentence.LINK_WRONG, here.language)
    if offer.account == here.account:
        return say(Sentence.LINK_SELF, here.language)
    first = await _called(people, offer.account, offer.name, offer.bot, offer.key)
    second = await _called(people, here.account, here.name, here.bot, here.key)
    question = Question(secrets.token_hex(8), people.codes.key(text), offer, first, second, here.claim.time)
    await people.codes.ask(here.account, question)
    yes, no = (f"link:{question.id}:{answer}" for answer in ("yes", "no"))
    return Part(
        say(Sentence.LINK_CONSENT, here.language, first=first, second=second),
        (
            Choice(say(Sentence.YES, here.language), yes),
            Choice(say(Sentence.NO, here.language), no),
        ),
    )


async def typed(here: Here, people: People, text: str, history: Sequence[Remembered]) -> str | None:
    """The value of the button that was typed, as a word or as its number; None where it is no answer to our question.

    Only what follows the question at once: a later one may be somebody else's. Costs a look at the store for a yes,
    a no, a 1 or a 2. Raises StoreError."""
    number = text.strip().rstrip(".")
    agrees = agreed(text, here.language) if number not in ("1", "2") else number == "1"
    if not here.direct or agrees is None:
        return None
    question = await people.codes.question(here.account)
    if question is None:
        return None
    is_next = not question.event and (not history or history[-1].time <= question.asked)
    return f"link:{question.id}:{'yes' if agrees else 'no'}" if is_next or question.event == here.event else None


def is_answer(value: str) -> bool:
    """Whether a pressed button was one of ours."""
    return _VALUE.fullmatch(value) is not None


async def answer(here: Here, people: People, value: str) -> str:
    """Do as the user decided. The turn must remember nothing. Raises Stale, Busy or StoreError."""
    if not here.direct:
        return say(Sentence.LINK_IN_PRIVATE, here.language)
    found = _VALUE.fullmatch(value)
    question = await people.codes.question(here.account)
    if not found or question is None or question.id != found[1]:
        return say(Sentence.EXPIRED, here.language)
    if found[2] == "no":
        if question.event:
            return say(Sentence.EXPIRED, here.language)
        await people.codes.close(here.account)
        return say(Sentence.DECLINED, here.language)
    done = await people.join(question, here.account, here.bot, here.key, here.claim, here.event)
    if done == "gone":
        return say(Sentence.EXPIRED, here.language)
    return say(Sentence.LINKED, here.language, first=question.first, second=question.second)


async def unlink(here: Here, people: People) -> str:
    """`/unlink`. The turn must remember nothing. Raises Stale, Busy or StoreError."""
    if not here.direct:
        return say(Sentence.LINK_IN_PRIVATE, here.language)
    is_left = await people.leave(here.account, here.claim, here.event)
    return say(Sentence.UNLINKED if is_left else Sentence.NOT_LINKED, here.language)


async def _called(people: People, account: str, name: str, bot: str, key: str) -> str:
    """How an account is shown: its name, its platform, and how many messages its history has."""
    platform, _, id_ = account.partition(":")
    plain = " ".join(_MARKUP.sub(" ", name).split())[:NAME_MAX] or _MARKUP.sub(" ", id_)
    return f"{plain} ({platform}, 💬 {await people.messages(account, bot, key)})"
