"""Makes a text fit by leaving out its middle: how it begins and how it ends says most."""

from collections.abc import Sequence

from core.conversation.entry import Count

MARK = "\n[…]\n"
"""Stands where something was left out."""


def cut(text: str, limit: int, count: Count) -> str:
    """The text within so many tokens: with a mark in its middle where it was cut, empty where not even that fits."""
    total = count(text)
    if total <= limit:
        return text
    if (mark := count(MARK)) > limit:
        return ""
    keep = len(text) * (limit - mark) // total
    while keep > 0:
        head = (keep + 1) // 2
        shorter = text[:head] + MARK + text[len(text) - (keep - head) :]
        if count(shorter) <= limit:
            return shorter
        keep = keep * 9 // 10  # what is left is denser than the whole
    return MARK


def level(sizes: Sequence[int], room: int) -> int:
    """Where sizes have to be capped for their sum to fit: the small stay whole, the large share the rest."""
    for place, smallest in enumerate(ordered := sorted(sizes)):
        share = max(0, room) // (len(ordered) - place)
        if smallest > share:
            return share
        room -= smallest
    return max(sizes, default=0)
