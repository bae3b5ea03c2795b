"""The room that is left for history, and its messages going in as whole units."""

from collections.abc import Iterable, Sequence

from core.conversation.entry import Count, Entry, size

Unit = tuple[int, ...]
"""Places in the history that go in together or not at all: a tool call and its results, else one message."""


class Room:
    """`left` tokens, which nothing that is taken in ever exceeds."""

    def __init__(self, history: Sequence[Entry], left: int, messages: int, count: Count) -> None:
        self.history = history
        self.left = left
        self.messages = messages
        """How many may still go in, pinned ones aside."""
        self.used = 0
        """Tokens of what was taken."""
        self.taken: set[int] = set()
        self.units = units(history)
        """Oldest first, by their last message."""
        self._count = count
        self._sizes: dict[int, int] = {}

    def size(self, at: int) -> int:
        """Tokens of one message, counted once."""
        if at not in self._sizes:
            self._sizes[at] = size(self.history[at], self._count)
        return self._sizes[at]

    def is_larger_than(self, tokens: int) -> bool:
        """Whether the whole history is; the newest are looked at first."""
        total = 0
        for at in range(len(self.history) - 1, -1, -1):
            total += self.size(at)
            if total > tokens:
                return True
        return False

    def reserve(self, tokens: int) -> None:
        """Something else takes this much."""
        self.left -= tokens
        self.used += tokens

    def pin(self) -> None:
        """Take in what is pinned, newest first, as long as it fits into half of the room.

        The half is set aside even where the next pinned message is too large for the rest of it: so more room never
        means less history."""
        pinned = [unit for unit in reversed(self.units) if any(self.history[at].pinned for at in unit)]
        share = self.left // 2
        wanted = sum(self._tokens(unit) for unit in pinned)
        aside = min(share, wanted)
        for unit in pinned:
            if (tokens := self._tokens(unit)) > share:
                break
            share -= tokens
            self.used += tokens
            self.taken.update(unit)
        self.left -= aside

    def take_newest(self, from_place: int = 0) -> None:
        """Take in the newest messages without a gap, none before a place."""
        if not from_place and not self.taken and self._take_all():
            return
        for unit in reversed(self.units):
            if unit[-1] < from_place:
                return
            if unit[0] not in self.taken and not self._take(unit):
                return

    def _take_all(self) -> bool:
        """The whole history at once, where it fits, as most do."""
        places = range(len(self.history))
        if len(self.history) > self.messages or len(self.units) < len(self.history):
            return False
        if (tokens := sum(map(self.size, places))) > self.left:
            return False
        self.messages -= len(self.history)
        self.left -= tokens
        self.used += tokens
        self.taken.update(places)
        return True

    def take_what_fits(self, ordered: Iterable[Unit]) -> None:
        """Take in units in this order, passing over those that are too large."""
        for unit in ordered:
            if unit[0] not in self.taken:
                self._take(unit)

    def _take(self, unit: Unit) -> bool:
        if len(unit) > self.messages or (tokens := self._tokens(unit)) > self.left:
            return False
        self.messages -= len(unit)
        self.left -= tokens
        self.used += tokens
        self.taken.update(unit)
        return True

    def _tokens(self, unit: Unit) -> int:
        return sum(map(self.size, unit))


def units(history: Sequence[Entry]) -> list[Unit]:
    """The history in units; a call whose result is missing is left out, and so is a result without its call."""
    if not any(entry.unit or entry.calls or entry.role == "tool" for entry in history):
        return [(at,) for at in range(len(history))]
    members: dict[str, list[int]] = {}
    for at, entry in enumerate(history):
        members.setdefault(entry.unit or f"\0{at}", []).append(at)
    whole = (tuple(unit) for unit in members.values() if _is_whole([history[at] for at in unit]))
    return sorted(whole, key=lambda unit: unit[-1])


def _is_whole(entries: Sequence[Entry]) -> bool:
    has_result = any(entry.role == "tool" for entry in entries)
    has_call = any(entry.role == "assistant" for entry in entries)
    return has_call if has_result else not any(entry.calls for entry in entries)
