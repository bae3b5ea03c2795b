"""Finds where to cut: as much as fits into each piece, asking about little more text than goes into it."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from core.markdown import parse

Fits = Callable[[str], bool]
Places = Sequence[tuple[re.Pattern[str], float]]
"""Where to cut, best first, and how much of the piece must be left before the cut for it to be worth it."""

_GUESS = 1000
"""Characters tried first; later tries start from the length of the piece before."""
_LONGEST_SIGN = 64
"""Characters that may stand for one sign; text that claims more is cut inside of it."""
_FLAG_HALF = re.compile("[\U0001f1e6-\U0001f1ff]")
_FLAG_HALVES = re.compile("[\U0001f1e6-\U0001f1ff]+$")


class TooTight(Exception):
    """Not even one character fits in this form."""


class Piece(NamedTuple):
    text: str
    again: int = 0
    """How many visible characters at its start were said before: a table's header."""


def pack(
    sizes: Sequence[int],
    join: Callable[[int, int], str],
    split_one: Callable[[int], list[Piece]],
    fits: Fits,
    *,
    headings: Sequence[bool] = (),
    again: int = 0,
) -> list[Piece]:
    """Pieces `join(first, last)` of as many units as fit; a unit that does not fit alone is split.

    `sizes`: the characters up to each unit, and after the last. What follows a split unit fills up its last piece.
    Headings stay with what they stand over; `again` marks what `join` repeats in every piece."""
    pieces: list[Piece] = []
    rest = Piece("")
    start, hint, count = 0, _GUESS, len(sizes) - 1
    while start < count:
        before = rest.text + "\n\n" if rest.text else ""
        first = start

        def good(last: int, before: str = before, first: int = first) -> bool:
            return fits(before + join(first, last))

        end = reach(sizes, start, hint, good)
        while headings and start + 1 < end < count and headings[end - 1]:
            end -= 1
        if end > start:
            pieces.append(Piece(before + join(start, end), rest.again or again))
            hint = sizes[end] - sizes[start]
            start, rest = end, Piece("")
        elif rest.text:
            pieces.append(rest)
            rest = Piece("")
        else:
            pieces += split_one(start)
            start += 1
            if pieces and not again and _is_open(pieces[-1].text):
                rest = pieces.pop()
    return [*pieces, rest] if rest.text else pieces


def cut(text: str, form: Callable[[int, int], str], fits: Fits, places: Places) -> list[Piece]:
    """Pieces `form(start, end)` of the text, each ending at the best of the `places`. Raises TooTight."""
    pieces: list[Piece] = []
    start, hint = 0, _GUESS
    while start < len(text):

        def good(end: int, start: int = start) -> bool:
            piece = form(start, end)
            return not piece or fits(piece)

        end = reach(range(len(text) + 1), start, hint, good, tolerance=1 / 16)
        if end == start:
            raise TooTight
        hint = end - start
        if end < len(text):
            end = _place(text, start, end, good, places)
        if piece := form(start, end):
            pieces.append(Piece(piece))
        start = end
    return pieces


def reach(sizes: Sequence[int], start: int, hint: int, good: Callable[[int], bool], *, tolerance: float = 0.0) -> int:
    """The last index that is good, or `start` when none is: by growing steps from `hint`, then by halving.

    It may fall short by the `tolerance`, a share of the size found."""
    best, size, step, last = start, hint, hint // 8 + 1, len(sizes) - 1
    while True:
        if best == last:
            return best
        bad = min(max(bisect_right(sizes, sizes[start] + size) - 1, best + 1), last)
        if not good(bad):
            break
        best = bad
        size = max(size, sizes[best] - sizes[start]) + step
        step *= 2
    while bad - best > 1 and sizes[bad] - sizes[best] > tolerance * (sizes[best] - sizes[start]):
        middle = (best + bad) // 2
        if good(middle):
            best = middle
        else:
            bad = middle
    return best


def _is_open(markdown: str) -> bool:
    """Whether more may follow without being taken into what is there, as it would be into a list."""
    blocks = parse(markdown).children
    return bool(blocks) and blocks[-1].type in ("paragraph", "fence")


def _place(text: str, start: int, end: int, good: Callable[[int], bool], places: Places) -> int:
    for pattern, share in places:
        found = max((match.end() for match in pattern.finditer(text, start, end + 1)), default=start)
        if found - start > share * (end - start) and text[start:found].strip() and good(found):
            return found
    for place in range(end, max(start, end - _LONGEST_SIGN), -1):
        if not _inside_sign(text, place):
            return place if good(place) else end
    return end


def _inside_sign(text: str, place: int) -> bool:
    """Whether the reader sees what is left and right of the place as one: letter and accent, emoji, flag."""
    left, right = text[place - 1], text[place]
    if _FLAG_HALF.match(right):
        before = _FLAG_HALVES.search(text[max(0, place - _LONGEST_SIGN) : place])
        return before is not None and len(before[0]) % 2 == 1
    return (
        "\u200d" in (left, right)
        or unicodedata.category(right).startswith("M")
        or "\U0001f3fb" <= right <= "\U0001f3ff"
        or "\U000e0020" <= right <= "\U000e007f"
    )
