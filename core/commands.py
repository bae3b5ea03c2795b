"""The hub's own commands, the same on every platform."""

from collections.abc import AsyncIterator
from typing import Any

from core.adapter import CommandSpec
from core.bot import Bot, Restart, Turn
from core.events import Part

COMMANDS = (
    CommandSpec("ai", "Ask me something", "question"),
    CommandSpec("help", "What I can do"),
    CommandSpec("reset", "Forget this conversation and start anew"),
)

HELP = "Ask me anything in plain words.\n\n" + "\n".join(
    f"- `/{command.name}{f' <{command.argument}>' if command.argument else ''}` {command.summary}"
    for command in COMMANDS
)


async def run(name: str, turn: Turn, bot: Bot[Any]) -> AsyncIterator[str | Part | Restart]:
    """Answer a command; `turn.text` is what followed its name."""
    match name:
        case "ai" | "ask" if turn.text.strip():
            async for part in bot.respond(turn):
                yield part
        case "help" | "start" | "ai" | "ask":
            yield HELP
        case "reset":
            turn.forget()
            yield "Forgotten. We start anew."
        case _:
            yield f"I do not know `/{name}`. `/help` shows what I can do."
