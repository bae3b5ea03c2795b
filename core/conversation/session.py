"""What a conversation remembers: its messages as a turn reads them, and what a turn adds."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TypeVar

import msgspec
import structlog

from core.bot import NO_NOTES, Notes, Remembered, Turn
from core.conversation.key import place
from core.conversation.summary import Summary
from core.engine.engine import Claim
from core.events import AnyEvent, Part, Press
from core.limits.purse import Usage

log = structlog.get_logger(__name__)
T = TypeVar("T")

_remembered = msgspec.json.Decoder(Remembered).decode
_notes = msgspec.json.Decoder(Notes).decode
_summary = msgspec.json.Decoder(Summary).decode


@dataclass(frozen=True, slots=True)
class Session:
    """As a turn finds it."""

    history: Sequence[Remembered] = ()
    """Oldest first, each message as it was said last."""
    notes: Notes = NO_NOTES
    summary: Summary | None = None
    first: int = 0
    """The number of `history[0]` as bots count, without a gap."""
    id: str = ""
    numbers: Sequence[int] = ()
    """Those of the records of `history` in the store, where one that stands for an older one has its own, and one that
    is gone leaves a gap. A summary is stored by these, which never change."""
    end: int = 0
    """The number of the record that is appended next."""

    @classmethod
    def of(cls, claim: Claim) -> "Session":
        """What cannot be read (another version wrote it) is left out: the conversation goes on without it."""
        found = ((number, _read(_remembered, each)) for number, each in enumerate(claim.history, claim.first))
        stored = [(number, record) for number, record in found if record]
        numbers, history = current([number for number, _ in stored], [record for _, record in stored])
        end = claim.first + len(claim.history)
        summary = _placed(_read(_summary, claim.summary), numbers, end)
        return cls(history, read_notes(claim.notes), summary, end - len(history), claim.session, numbers, end)

    def after(self, said: Sequence[Remembered]) -> "Session":
        """With what a turn has added to it."""
        end = self.end + len(said)
        numbers, history = current([*self.numbers, *range(self.end, end)], [*self.history, *said])
        summary = _placed(self.stored(self.summary) if self.summary else None, numbers, end)
        return replace(self, history=history, numbers=numbers, end=end, first=end - len(history), summary=summary)

    def anew(self, said: Sequence[Remembered]) -> list[Remembered]:
        """As it is remembered in place of what it was before."""
        numbers = dict(zip(map(_name, self.history), self.numbers, strict=True))
        return [msgspec.structs.replace(record, instead=numbers.get(_name(record), -1)) for record in said]

    def stored(self, summary: Summary) -> Summary:
        """A summary as it is kept."""
        at = max(0, summary.upto - self.first)
        return Summary(summary.text, self.numbers[at] if at < len(self.numbers) else self.end)

    def before(self, message_id: str, place: str) -> "Session":
        """As it was when that message was said there."""
        for at, said in enumerate(self.history):
            if said.role == "user" and said.place == place and message_id in said.ids:
                return replace(self, history=self.history[:at], numbers=self.numbers[:at])
        return self

    def question(self, message_id: str, place: str) -> Remembered | None:
        """What a user said in that message there."""
        said_there = (said for said in self.history if said.role == "user" and said.place == place)
        return next((said for said in said_there if message_id in said.ids), None)

    def answer_to(self, message_id: str, place: str) -> Remembered | None:
        """What was answered to that message."""
        said_there = (said for said in self.history if said.role == "assistant" and said.place == place)
        return next((said for said in said_there if said.of == message_id), None)


NEW = Session()


def current(numbers: Sequence[int], records: Sequence[Remembered]) -> tuple[Sequence[int], Sequence[Remembered]]:
    """Messages as they stand, and under which number: sessions are only appended to, so one that was said anew stands
    in its first place, and one that was taken back (its text is empty) is gone with its answer."""
    names = [_name(record) for record in records]
    if len(set(names)) == len(names) and all(record.text and record.instead < 0 for record in records):
        return numbers, records  # as it is with nearly every turn
    found: dict[_Name, int] = {}
    kept: list[tuple[int, Remembered]] = []
    for name, number, record in zip(names, numbers, records, strict=True):
        at = found.setdefault(name, len(kept)) if name[2] else len(kept)
        if at == len(kept):
            kept.append((number if record.instead < 0 else record.instead, record))
        else:
            kept[at] = kept[at][0], record
    gone = {(said.place, id_) for _, said in kept if said.role == "user" and not said.text for id_ in said.ids}
    asked = [said for _, said in kept if said.role == "user" and gone & {(said.place, id_) for id_ in said.ids}]
    gone |= {(said.place, id_) for said in asked for id_ in said.ids}
    left = [each for each in kept if not gone & {(each[1].place, id_) for id_ in (*each[1].ids, each[1].of)}]
    left.sort(key=itemgetter(0))
    return [number for number, _ in left], [said for _, said in left]


_Name = tuple[str, str, str]


def _name(record: Remembered) -> _Name:
    """The same for what stands for the same message."""
    last = record.of if record.role == "assistant" else record.ids[0] if record.ids else ""
    return record.role, record.place, last


def _placed(stored: Summary | None, numbers: Sequence[int], end: int) -> Summary | None:
    """A summary as bots count; None for one of a session that is over."""
    if stored is None or stored.upto > end:
        return None
    return Summary(stored.text, end - len(numbers) + bisect_left(numbers, stored.upto))


def exchange(event: AnyEvent, ids: Sequence[str], turn: Turn, parts: Sequence[Part], now: float) -> list[Remembered]:
    """What the session keeps of a turn: the question, said in the messages `ids`, and its answer, if there was one."""
    said = event.label if isinstance(event, Press) and event.label else turn.text
    question = Remembered(
        "user",
        said,
        event.user.name,
        turn.account,
        now,
        by_bot=event.user.is_bot,
        place=place(event),
        ids=tuple(ids),
        tokens=turn.tokens,
    )
    if not parts:
        return [question]
    answer = Remembered(
        "assistant",
        "\n\n".join(part.text for part in parts),
        time=now,
        place=place(event),
        choices=tuple(choice for part in parts for choice in part.choices),
        of=ids[0] if ids else "",
        tokens=sum(used.completion_tokens for used in turn.usage),
        model=next((used.model for used in reversed(turn.usage) if used.completion_tokens), ""),
    )
    return [question, answer]


def noted(notes: Notes, before: Notes, now: Notes) -> Notes:
    """What a turn made of the notes that it found, where these are others by `now`: its own changes, and theirs."""
    if now == before:
        return notes
    names = Notes.__struct_fields__
    ours = {name: getattr(notes, name) for name in names if getattr(notes, name) != getattr(before, name)}
    if "pins" in ours:
        taken_out = {*before.pins} - {*notes.pins}
        kept = [pin for pin in now.pins if pin not in taken_out]
        ours["pins"] = (*kept, *(pin for pin in notes.pins if pin not in {*before.pins, *kept}))
    return msgspec.structs.replace(now, **ours)


def read_notes(stored: bytes | None) -> Notes:
    """None for what cannot be read."""
    return _read(_notes, stored) or NO_NOTES


def _read(decode: Callable[[bytes], T], stored: bytes | None) -> T | None:
    try:
        return decode(stored) if stored else None
    except msgspec.DecodeError as error:
        log.warning("a session holds what cannot be read", error=str(error))
        return None


def taken_back(event: AnyEvent) -> Remembered:
    """What is appended when a user takes a message back."""
    return Remembered("user", "", place=place(event), ids=(event.message_id,))


def total(usage: Sequence[Usage]) -> Usage:
    """All calls of a turn as one."""
    return Usage(
        usage[-1].model if usage else "",
        sum(used.prompt_tokens for used in usage),
        sum(used.completion_tokens for used in usage),
        sum(used.cost for used in usage),
    )
