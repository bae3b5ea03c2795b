"""What of a conversation the model gets to read: within a hard budget of tokens, whatever the history.

The system prompt and the newest user message are always inside. Where they alone exceed the budget the newest
message loses its middle and no history goes in; only a system prompt of more than three quarters of the budget loses
its own.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from core.conversation.cut import cut, level
from core.conversation.entry import Count, Entry, content, size
from core.conversation.importance import Marks, marks, scores
from core.conversation.room import Room, Unit, units
from core.conversation.settings import ContextSettings, Strategy
from core.conversation.summary import Summary, shown
from core.conversation.tokens import PER_MESSAGE

LEAST = 64
"""Tokens of the smallest budget."""
_NEWEST = 2
"""importance: units that go in before all others, however little they seem to matter."""


class Window(msgspec.Struct, frozen=True):
    """The parts of a prompt, in the order of the model's reading."""

    system: str
    summary: str
    """Labelled and fenced; empty where none is used."""
    history: tuple[Entry, ...]
    newest: Entry
    since: tuple[Entry, ...]
    """Tool calls of this turn and their results."""
    kept: tuple[int, ...]
    """The places in the history given to `fit` of those that are in `history`."""
    dropped: int
    """Messages of the history that are not inside, those that the summary covers included."""
    tokens: int
    """Of all parts, with what the provider wraps around each message."""
    is_cut: bool
    """Something of the system prompt or of this turn had to be left out."""


def fit(
    system: str,
    history: Sequence[Entry],
    newest: Entry,
    budget: int,
    settings: ContextSettings,
    *,
    count: Count,
    summary: Summary | None = None,
    since: Sequence[Entry] = (),
    first: int = 0,
) -> Window:
    """Choose what goes in. `budget` tokens, at least `LEAST`: ValueError below that.

    `history` is oldest first; `first` is the number in the session of its oldest message, which tells what the
    summary covers. `count` is asked only for messages that carry no `tokens` and that may go in."""
    if budget < LEAST:
        raise ValueError(f"a context window has at least {LEAST} tokens, not {budget}")
    fixed = _fixed(system, newest, since, budget, count)
    left = 0 if fixed.is_cut else budget - fixed.tokens
    room = Room(history, left, settings.messages, count)
    if summary and summary.upto > first + len(history):
        summary = None  # of a session that is over
    strategy = _by_size(room, settings, summary) if settings.strategy == "auto" else settings.strategy
    told = _told(room, summary, settings, count) if strategy == "summarize" and summary else ""
    room.pin()
    if strategy == "importance":
        room.take_what_fits(_by_importance(room, marks(settings.languages, settings.marked_words)))
    else:
        room.take_newest(from_place=summary.upto - first if told and summary else 0)
    kept = tuple(sorted(room.taken))
    return Window(
        system=fixed.system,
        summary=told,
        history=tuple(history[at] for at in kept),
        newest=fixed.newest,
        since=fixed.since,
        kept=kept,
        dropped=len(history) - len(kept),
        tokens=fixed.tokens + room.used,
        is_cut=fixed.is_cut,
    )


def _by_size(room: Room, settings: ContextSettings, summary: Summary | None) -> Strategy:
    if summary and room.is_larger_than(settings.summarize_above):
        return "summarize"
    return "importance" if room.is_larger_than(settings.importance_above) else "window"


def _told(room: Room, summary: Summary, settings: ContextSettings, count: Count) -> str:
    told = shown(summary, min(settings.summary_tokens, room.left // 2) - PER_MESSAGE, count)
    if told:
        room.reserve(count(told) + PER_MESSAGE)
    return told


def _by_importance(room: Room, marked: Marks) -> list[Unit]:
    """The newest first, then by score."""
    places = range(len(room.history))
    if len(room.history) <= room.messages and not room.is_larger_than(room.left):
        return room.units[::-1]
    found = scores(room.history, list(map(room.size, places)), marked)
    older = sorted(room.units[:-_NEWEST], key=lambda unit: (max(found[at] for at in unit), unit[-1]), reverse=True)
    return [*room.units[: -_NEWEST - 1 : -1], *older]


class _Fixed(msgspec.Struct, frozen=True):
    """What is inside in any case."""

    system: str
    newest: Entry
    since: tuple[Entry, ...]
    tokens: int
    is_cut: bool


def _fixed(system: str, newest: Entry, since: Sequence[Entry], budget: int, count: Count) -> _Fixed:
    tokens = PER_MESSAGE + count(system) + sum(size(entry, count) for entry in (newest, *since))
    if tokens <= budget:
        return _Fixed(system, newest, tuple(since), tokens, False)
    newest = replace(newest, name=_short(newest.name, budget, count), calls="", tokens=None)
    results = _recent(since, budget, count)
    frame = PER_MESSAGE + sum(content(replace(entry, text=""), count) + PER_MESSAGE for entry in (newest, *results))
    free = budget - frame
    sizes = [count(entry.text) for entry in results]
    asked = count(newest.text)
    # A quarter of the budget is for this turn even under a system prompt that is too long.
    share = min(free, max(free - count(system), min(asked + sum(sizes), budget // 4)))
    newest = replace(newest, text=cut(newest.text, max(share // 2, share - sum(sizes)), count))
    share -= count(newest.text)
    height = level(sizes, share)
    results = [replace(entry, text=cut(entry.text, height, count)) for entry in results]
    free -= sum(count(entry.text) for entry in (newest, *results))
    system = cut(system, free, count)
    return _Fixed(system, newest, tuple(results), budget - free + count(system), True)


def _recent(since: Sequence[Entry], budget: int, count: Count) -> list[Entry]:
    """The newest tool calls of this turn; their names and arguments cannot be cut and get half of the budget."""
    room = budget // 2
    taken: list[int] = []
    for unit in reversed(units(since)):
        room -= sum(PER_MESSAGE + content(replace(since[at], text="", tokens=None), count) for at in unit)
        if room < 0:
            break
        taken += unit
    return [replace(since[at], tokens=None) for at in sorted(taken)]


def _short(name: str, budget: int, count: Count) -> str:
    return name if count(name) <= budget // 8 else ""
