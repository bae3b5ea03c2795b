"""Who says what in a group: a label for each account, which nothing that anybody writes can take on."""

import re
import unicodedata
from collections.abc import Sequence

from core.bot import Remembered
from core.visible import visible

_LONGEST = 60
_MARKS = re.compile(r"[\s:：\[\]{}<>|`\"*_#\\]+")
_NOBODY = "somebody"
_ROLES = frozenset("system assistant developer tool user model function".split())  # noqa: SIM905


class Speakers:
    """One label for one account; two people of one name get two."""

    def __init__(self, ours: str) -> None:
        """`ours`: the name of the bot, which nobody else may go by."""
        self._ours = _plain(ours)
        self._labels: dict[str, str] = {}
        self._taken: set[str] = set()

    def label(self, author: str, name: str) -> str:
        """What stands before what this account says; `name`: what it calls itself."""
        shown = _shown(name)
        who = author or f"?{shown}"  # kept before accounts were: a name is all there is
        if who not in self._labels:
            if _plain(shown) in _ROLES or _plain(shown) == self._ours:
                shown = f"{_NOBODY} called {shown}"
            number, free = 1, shown
            while _plain(free) in self._taken:
                number += 1
                free = f"{shown} ({number})"
            self._taken.add(_plain(free))
            self._labels[who] = free
        return self._labels[who]

    def of(self, history: Sequence[Remembered]) -> list[str]:
        """The labels of what was said; ours have none."""
        return [self.label(said.author, said.name) if said.role == "user" else "" for said in history]


def spoken(label: str, text: str) -> str:
    """What somebody said, for the model: all lines behind the first stand back, so that none looks like a label."""
    return f"{label}: {text}".replace("\n", "\n  ") if label else text


def _shown(name: str) -> str:
    return _MARKS.sub(" ", visible(name)).strip()[:_LONGEST].strip() or _NOBODY


def _plain(name: str) -> str:
    """By what two names are told apart: their letters and digits, whatever their case, width or decoration."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold()))
