"""The hub's own commands, the same on every platform, in the user's language."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from core.adapter import CommandSpec
from core.bot import NO_NOTES, Bot, Restart, Turn
from core.events import Part
from core.language.names import SPOKEN, own_name, tag_of
from core.language.sentences import Sentence, help_text, say

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
)

Said = AsyncIterator[str | Part | Restart]


async def run(name: str, turn: Turn, bot: Bot[Any]) -> Said:
    """Answer a command; `turn.text` is what followed its name. Only what the bot answers is remembered."""
    if name in ("ai", "ask") and turn.text.strip():
        async for piece in bot.respond(turn):
            yield piece
        return
    turn.off_record()
    act = _ACTS.get(name)
    if act is None:
        yield say(Sentence.UNKNOWN_COMMAND, turn.language, name=name)
    else:
        yield act(turn, bot)


def _help(turn: Turn, bot: Bot[Any]) -> str:
    return help_text(COMMANDS, turn.language)


def _stop(turn: Turn, bot: Bot[Any]) -> str:
    """What was under way was cut short before this turn began; it is only told here."""
    if turn.notes.stopped:
        turn.note(stopped=False)
        return say(Sentence.STOPPED, turn.language)
    if turn.direct:
        return say(Sentence.NOTHING_TO_STOP, turn.language)
    turn.note(quiet=True)
    return say(Sentence.QUIET, turn.language)


def _reset(turn: Turn, bot: Bot[Any]) -> str:
    turn.forget()
    turn.notes = NO_NOTES
    return say(Sentence.FORGOTTEN, turn.language)


def _remember(turn: Turn, bot: Bot[Any]) -> str:
    text = " ".join(turn.text.split())[:LONGEST_PIN]
    if not text:
        return say(Sentence.NOTHING_TO_PIN, turn.language)
    turn.note(pins=(*(pin for pin in turn.notes.pins if pin != text), text)[-MOST_PINS:])
    return say(Sentence.PINNED, turn.language)


def _persona(turn: Turn, bot: Bot[Any]) -> str:
    """The first of the bot's personas is its own."""
    personas = bot.personas()
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


def _language(turn: Turn, bot: Bot[Any]) -> str:
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


_ACTS: dict[str, Callable[[Turn, Bot[Any]], str]] = {
    "help": _help,
    "start": _help,
    "ai": _help,
    "ask": _help,
    "stop": _stop,
    "reset": _reset,
    "remember": _remember,
    "persona": _persona,
    "language": _language,
}
