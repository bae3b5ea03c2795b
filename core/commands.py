"""The hub's own commands, the same on every platform, in the user's language."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from core.adapter import CommandSpec
from core.bot import NO_NOTES, Bot, Turn
from core.events import Part
from core.language.names import SPOKEN, own_name, tag_of
from core.language.sentences import Sentence, help_text, say
from core.limits.limits import Limits, Payer
from core.limits.lines import usage_text
from core.people import flow
from core.people.flow import Here
from core.people.people import People

MOST_PINS = 20
"""Things that a session keeps in mind; a new one takes the place of the oldest."""
LONGEST_PIN = 500
"""Characters."""

COMMANDS = (
    CommandSpec("ai", Sentence.DOES_AI, Sentence.A_QUESTION),
    CommandSpec("help", Sentence.DOES_HELP),
    CommandSpec("stop", Sentence.DOES_STOP),
    CommandSpec("reset", Sentence.DOES_RESET),
    CommandSpec("remember", Sentence.DOES_REMEMBER, Sentence.A_TEXT),
    CommandSpec("persona", Sentence.DOES_PERSONA, Sentence.A_NAME),
    CommandSpec("language", Sentence.DOES_LANGUAGE, Sentence.A_NAME),
    CommandSpec("usage", Sentence.DOES_USAGE),
    CommandSpec("link", Sentence.DOES_LINK, Sentence.A_CODE),
    CommandSpec("unlink", Sentence.DOES_UNLINK),
)


_ALONE = frozenset({"help", "stop", "reset", "persona", "language", "usage", "link", "unlink"})
_WITH_A_WORD = frozenset({"persona", "language", "link"})


def short(text: str) -> tuple[str, str]:
    """`/ai usage` is `/usage`, where a platform lets only `/ai` be set up: the command and what follows it.

    Two empty texts for a question: a command is only what cannot well be one."""
    name, *rest = text.lower().split()[:3] or [""]
    if (not rest and name in _ALONE) or (len(rest) == 1 and name in _WITH_A_WORD):
        return name, text.split()[1] if rest else ""
    return "", ""


@dataclass(frozen=True, slots=True)
class Order:
    """Who gave a command, to whom, and whom a command may need to ask."""

    turn: Turn
    """`text` is what followed the command's name."""
    bot: Bot[Any]
    payer: Payer
    limits: Limits
    people: People
    here: Here


async def run(name: str, order: Order) -> AsyncIterator[str | Part]:
    """Carry out a command. Nothing of it is remembered in the session but what it changes."""
    order.turn.off_record()
    if act := _ACTS.get(name):
        yield await act(order)
    else:
        yield say(Sentence.UNKNOWN_COMMAND, order.turn.language, name=name)


async def _help(order: Order) -> str:
    turn = order.turn
    return help_text(COMMANDS, turn.language)


async def _stop(order: Order) -> str:
    """What was under way was cut short before this turn began; it is only told here."""
    turn = order.turn
    if turn.notes.stopped:
        turn.note(stopped=False)
        return say(Sentence.STOPPED, turn.language)
    if turn.direct:
        return say(Sentence.NOTHING_TO_STOP, turn.language)
    turn.note(quiet=True)
    return say(Sentence.QUIET, turn.language)


async def _reset(order: Order) -> str:
    turn = order.turn
    turn.forget()
    turn.notes = NO_NOTES
    return say(Sentence.FORGOTTEN, turn.language)


async def _remember(order: Order) -> str:
    turn = order.turn
    text = " ".join(turn.text.split())[:LONGEST_PIN]
    if not text:
        return say(Sentence.NOTHING_TO_PIN, turn.language)
    turn.note(pins=(*(pin for pin in turn.notes.pins if pin != text), text)[-MOST_PINS:])
    return say(Sentence.PINNED, turn.language)


async def _persona(order: Order) -> str:
    """The first of the bot's personas is its own."""
    turn = order.turn
    personas = order.bot.personas()
    own = next(iter(personas), "")
    current = turn.notes.persona if turn.notes.persona in personas else own
    title = personas.get(current, "Switchboard")
    names = ", ".join(f"`{name}`" for name in personas)
    wanted = turn.text.strip().strip("`").casefold()
    if len(personas) < 2:
        return say(Sentence.PERSONA_FIXED, turn.language, name=title)
    if not wanted:
        return say(Sentence.PERSONA_NOW, turn.language, name=title, names=names)
    found = next((name for name, title in personas.items() if wanted in (name.casefold(), title.casefold())), None)
    if found is None:
        return say(Sentence.PERSONA_UNKNOWN, turn.language, name=turn.text.strip()[:40], names=names)
    turn.note(persona="" if found == own else found)
    return say(Sentence.PERSONA_SET, turn.language, name=personas[found])


async def _language(order: Order) -> str:
    turn = order.turn
    wanted = turn.text.strip()
    if not wanted:
        return say(Sentence.LANGUAGE_NOW, turn.language, language=own_name(turn.language))
    if wanted.casefold() == "auto":
        turn.note(language="")
        return say(Sentence.LANGUAGE_AUTO, turn.language)
    tag = tag_of(wanted)
    if tag is None:
        known = ", ".join(own_name(tag) for tag in SPOKEN)
        return say(Sentence.LANGUAGE_UNKNOWN, turn.language, name=wanted[:40], languages=known)
    turn.note(language=tag)
    return say(Sentence.LANGUAGE_SET, tag, language=own_name(tag))


async def _usage(order: Order) -> str:
    return usage_text(await order.limits.usage(order.payer), order.turn.language)


async def _link(order: Order) -> str | Part:
    """Also where the question that it asks was answered: `text` is the value of the button then."""
    if flow.is_answer(order.turn.text):
        return await flow.answer(order.here, order.people, order.turn.text)
    return await flow.link(order.here, order.people, order.turn.text)


async def _unlink(order: Order) -> str:
    return await flow.unlink(order.here, order.people)


_ACTS: dict[str, Callable[[Order], Awaitable[str | Part]]] = {
    "help": _help,
    "start": _help,
    "ai": _help,
    "ask": _help,
    "stop": _stop,
    "reset": _reset,
    "remember": _remember,
    "persona": _persona,
    "language": _language,
    "usage": _usage,
    "link": _link,
    "unlink": _unlink,
}
