"""What a bot has said so far, as messages that fit the platform."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from core.adapter import Adapter
from core.bot import Restart, Turn
from core.delivery.split import split
from core.events import Choice, Part
from core.links import defanged
from core.log import SECRETS
from core.visible import visible


class Answer:
    """Takes the pieces that a bot yields: pieces of text in a row belong to one part."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._parts: list[Part] = []
        self._text: list[str] = []

    @property
    def links(self) -> Sequence[str] | None:
        """Hosts that it may link to."""
        return self._turn.links

    def add(self, piece: str | Part | Restart) -> None:
        match piece:
            case str():
                self._text.append(_encodable(piece))
            case Part():
                self._end_text()
                choices = tuple(Choice(_clean(each.label), each.value) for each in piece.choices)
                self._parts.append(Part(_clean(piece.text), choices))
            case Restart():
                self._text.clear()
            case _:
                raise TypeError(f"a bot yields text, parts or a restart, not {type(piece).__name__}")

    def parts(self) -> list[Part]:
        """All there is, without the hub's own secrets and with the links that are allowed; parts with nothing to see
        are left out."""
        self._text = ["".join(self._text)] if self._text else []
        said = [*self._parts, *(Part(_clean(text)) for text in self._text)]
        if self.links is not None:
            said = [Part(defanged(part.text, self.links), part.choices) for part in said]
        return [part for part in said if visible(part.text).strip() or part.choices]

    def _end_text(self) -> None:
        if self._text:
            self._parts.append(Part(_clean("".join(self._text))))
            self._text = []


LONGEST = 50_000
"""Characters of a part that are cut along their Markdown; what is longer is cut as the plain text it then mostly is."""
_MOST_LOOKS = 10
"""At a piece, until it has no link that is not allowed; two are the usual case, and what needs more than these is left
out."""
_AT_ONCE = 1_000
"""Characters that are cut without leaving the loop to others meanwhile."""


async def fitted(parts: list[Part], adapter: Adapter[Any], links: Sequence[str] | None = None) -> list[Part]:
    """The same as `fit`; long texts are cut in a thread, so that one answer does not stop all others."""
    if sum(len(part.text) for part in parts) <= _AT_ONCE:
        return fit(parts, adapter, links)
    return await asyncio.to_thread(fit, parts, adapter, links)


def fit(parts: list[Part], adapter: Adapter[Any], links: Sequence[str] | None = None) -> list[Part]:
    """Parts that each fit into one message of the platform; buttons stay under the last piece of theirs.

    `links`: hosts that may be linked to, None: all."""
    limit = adapter.capabilities.max_text
    fitting: list[Part] = []
    for part in parts:
        choices = part.choices[: adapter.capabilities.max_choices]
        text = part.text if choices else _with_numbers(part)
        pieces = list(_safe_pieces(text, lambda piece: adapter.measure(piece) <= limit, links)) or [text]
        fitting += [Part(piece) for piece in pieces[:-1]]
        fitting.append(Part(pieces[-1], choices))
    return fitting


def _safe_pieces(
    text: str, fits: Callable[[str], bool], links: Sequence[str] | None, looks: int = _MOST_LOOKS
) -> Iterator[str]:
    """What is code in the whole may be text in a piece, and half of an address another one."""
    for piece in _pieces(text, fits):
        safe = piece if links is None else defanged(piece, links)
        if safe == piece:
            yield piece
        elif looks:
            yield from _safe_pieces(safe, fits, links, looks - 1)
        else:
            yield "…"


def _pieces(text: str, fits: Callable[[str], bool]) -> list[str]:
    if len(text) <= LONGEST:
        try:
            return split(text, fits)
        except RecursionError:  # nested deeper than any text that is meant to be read
            pass
    return [piece for piece in _plainly(text, fits) if piece.strip()]


def _plainly(text: str, fits: Callable[[str], bool]) -> Iterator[str]:
    """Cut by length alone."""
    size = 1000
    at = 0
    while at < len(text):
        while size > 1 and not fits(text[at : at + size]):
            size //= 2
        yield text[at : at + size]
        at += size


def _clean(text: str) -> str:
    """Without the hub's own secrets, also where signs that nobody sees stand in them."""
    return SECRETS(visible(_encodable(text)))


def _encodable(text: str) -> str:
    """Without lone surrogates, which no platform and no store takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _with_numbers(part: Part) -> str:
    if not part.choices:
        return part.text
    return part.text + "\n\n" + "\n".join(f"{n}. {choice.label}" for n, choice in enumerate(part.choices, 1))
