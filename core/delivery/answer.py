"""What a bot has said so far, as messages that fit the platform."""

from typing import Any

from core.adapter import Adapter
from core.bot import Restart
from core.delivery.split import split
from core.events import Part


class Answer:
    """Takes the pieces that a bot yields: pieces of text in a row belong to one part."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._text: list[str] = []

    def add(self, piece: str | Part | Restart) -> None:
        match piece:
            case str():
                self._text.append(piece)
            case Part():
                self._end_text()
                self._parts.append(piece)
            case Restart():
                self._text.clear()

    def parts(self) -> list[Part]:
        """All there is; parts with nothing to see are left out."""
        self._text = ["".join(self._text)] if self._text else []
        said = [*self._parts, *map(Part, self._text)]
        return [part for part in said if part.text.strip() or part.choices]

    def _end_text(self) -> None:
        if self._text:
            self._parts.append(Part("".join(self._text)))
            self._text = []


def fit(parts: list[Part], adapter: Adapter[Any]) -> list[Part]:
    """Parts that each fit into one message of the platform; buttons stay under the last piece of theirs."""
    limit = adapter.capabilities.max_text
    fitting: list[Part] = []
    for part in parts:
        choices = part.choices[: adapter.capabilities.max_choices]
        text = part.text if choices else _with_numbers(part)
        pieces = split(text, lambda piece: adapter.measure(piece) <= limit) or [text]
        fitting += [Part(piece) for piece in pieces[:-1]]
        fitting.append(Part(pieces[-1], choices))
    return fitting


def _with_numbers(part: Part) -> str:
    if not part.choices:
        return part.text
    return part.text + "\n\n" + "\n".join(f"{n}. {choice.label}" for n, choice in enumerate(part.choices, 1))
