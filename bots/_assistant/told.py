"""What the model is told in a turn: made to fit its window anew for each round of tool calls."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from bots._assistant.speakers import spoken
from core.conversation.context import LEAST, fit
from core.conversation.entry import Count, Entry
from core.conversation.settings import ContextSettings
from core.conversation.summary import Summary
from core.model.port import ChatMessage, ToolCall
from core.visible import visible

_encode = msgspec.json.Encoder().encode
_calls = msgspec.json.Decoder(tuple[ToolCall, ...]).decode


@dataclass(frozen=True, slots=True)
class Told:
    """All there is to tell; `messages` chooses."""

    system: str
    history: Sequence[Entry]
    newest: Entry
    settings: ContextSettings
    budget: int
    """Tokens of a prompt."""
    count: Count
    summary: Summary | None = None
    first: int = 0
    """The number in the session of the first of `history` that is part of it."""
    pins: tuple[str, ...] = ()
    """What the user asked to keep in mind."""

    def messages(self, since: Sequence[ChatMessage] = ()) -> list[ChatMessage]:
        """The prompt, within the budget. `since`: what was called in this turn, and the results."""
        pinned = [Entry("user", f"Please keep in mind: {pin}", pinned=True) for pin in self.pins]
        window = fit(
            self.system,
            [*pinned, *self.history],
            self.newest,
            self.budget,
            self.settings,
            count=self.count,
            summary=self.summary,
            since=entries(since, "now"),
            first=self.first - len(pinned),
        )
        told = [ChatMessage("system", window.system)]
        if window.summary:  # what others said has no more weight for having been summarised
            told.append(ChatMessage("user", window.summary))
        told += map(_message, (*window.history, window.newest, *window.since))
        return told


def budget(settings: ContextSettings, context_tokens: int, tools: int) -> int:
    """Tokens of a prompt, given what the model takes at most and what describing its tools takes."""
    whole = min(settings.tokens, context_tokens)
    return max(LEAST, whole - min(settings.reserve, whole // 2) - tools)


def entries(messages: Sequence[ChatMessage], name: str) -> list[Entry]:
    """Messages of a model as the window takes them; a call and its results become one unit. `name`: of these units."""
    made: list[Entry] = []
    unit = ""
    for number, message in enumerate(messages):
        match message.role:
            case "tool":
                made.append(Entry("tool", visible(message.text), message.call_id, unit=unit))
            case "user":
                made.append(Entry("user", message.text))
            case _:
                unit = f"{name}{number}" if message.calls else ""
                calls = _encode(message.calls).decode() if message.calls else ""
                made.append(Entry("assistant", message.text, unit=unit, calls=calls))
    return made


def _message(entry: Entry) -> ChatMessage:
    """In groups with who said it, in words: not every server takes a name beside the text."""
    match entry.role:
        case "tool":
            return ChatMessage("tool", entry.text, call_id=entry.name)
        case "assistant":
            return ChatMessage("assistant", entry.text, calls=_calls(entry.calls) if entry.calls else ())
        case "user":
            return ChatMessage("user", spoken(entry.name, entry.text))
