"""Who says what in a group: a label for each account, which nothing that anybody writes can take on."""

import re
import unicodedata
from collections.abc import Sequence

from core.bot import Remembered
from core.visible import visible

_LONGEST = 60
_LONGEST_ID = 16
_SHOWN_DIGITS = 4
"""Of an id that is only a number: a telephone number is no model's business."""
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
        """What stands before what this account says; `name`: what it calls itself, as far as is known."""
        if author in self._labels:
            return self._labels[author]
        shown = _shown(name)
        who = author or f"?{shown}"  # kept before accounts were: a name is all there is
        if who not in self._labels:
            self._labels[who] = self._free(self._by_name(shown) if shown else _by_account(author))
        return self._labels[who]

    def of(self, history: Sequence[Remembered]) -> list[str]:
        """The labels of what was said; ours have none. A name counts from the first message on, also where it became
        known later."""
        said_by = [(said.author, said.name) if said.role == "user" else None for said in history]
        for said in said_by:
            if said and _shown(said[1]):
                self.label(*said)
        return [self.label(*said) if said else "" for said in said_by]

    def _by_name(self, shown: str) -> str:
        plain = _plain(shown)
        is_anothers = plain in _ROLES or plain == self._ours or plain.startswith(_NOBODY)
        return f"{_NOBODY} called {shown}" if is_anothers else shown

    def _free(self, shown: str) -> str:
        number, free = 1, shown
        while _plain(free) in self._taken:
            number += 1
            free = f"{shown} ({number})"
        self._taken.add(_plain(free))
        return free


def spoken(label: str, text: str) -> str:
    """What somebody said, for the model: all lines behind the first stand back, so that none looks like a label."""
    return f"{label}: {text}".replace("\n", "\n  ") if label else text


def _shown(name: str) -> str:
    """What can be shown of a name; empty where that is nothing."""
    return _MARKS.sub(" ", visible(name)).strip()[:_LONGEST].strip()


def _by_account(author: str) -> str:
    """For somebody without a name: `somebody (U7)`. By the platform's own id and not by a number in the order of
    speaking, for it stays the same as the conversation moves on and in its summaries, and is what a mention in a text
    (`@U7`) says."""
    own = _MARKS.sub("", visible(author.rpartition(":")[2])).replace("(", "").replace(")", "")
    if own.lstrip("+").isdigit():
        own = own[-_SHOWN_DIGITS:]
    return f"{_NOBODY} ({own[:_LONGEST_ID]})" if own else _NOBODY


def _plain(name: str) -> str:
    """By what two names are told apart: their letters and digits, whatever their case, width or decoration."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold()))
