"""The hub's own commands, the same on every platform, in the user's language."""

from collections.abc import AsyncIterator
from typing import Any

from core.adapter import CommandSpec
from core.bot import Bot, Restart, Turn
from core.events import Part
from core.language.sentences import Sentence, help_text, say

COMMANDS = (
    CommandSpec("ai", "Ask me something", "question"),
    CommandSpec("help", "What I can do"),
    CommandSpec("reset", "Forget this conversation and start anew"),
)


async def run(name: str, turn: Turn, bot: Bot[Any]) -> AsyncIterator[str | Part | Restart]:
    """Answer a command; `turn.text` is what followed its name."""
    match name:
        case "ai" | "ask" if turn.text.strip():
            async for part in bot.respond(turn):
                yield part
        case "help" | "start" | "ai" | "ask":
            yield help_text(COMMANDS, turn.language)
        case "reset":
            turn.forget()
            yield say(Sentence.FORGOTTEN, turn.language)
        case _:
            yield say(Sentence.UNKNOWN_COMMAND, turn.language, name=name)
