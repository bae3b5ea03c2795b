"""How a turn ends: events leave the mailbox, and what was said goes into session and archive."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from core import metrics
from core.afterwards import Afterwards
from core.bot import Remembered
from core.conversation.session import noted, read_notes
from core.engine.engine import Changed, Engine
from core.work import Work, archived, with_ids

Outcome = Literal["silent", "answered"]

_encode = msgspec.json.Encoder().encode


class Ending:
    """One for the process."""

    def __init__(self, engine: Engine, *, archived: bool) -> None:
        """`archived`: what is said goes into the archive."""
        self.afterwards = Afterwards(engine, archived=archived)
        self.silences: Counter[str] = Counter()
        """Reason -> how many events this process passed over for it."""
        self._engine = engine
        self._archived = archived

    async def commit(self, work: Work) -> None:
        """The answer was sent, or is a silence; or it was a last word about a turn that failed.

        Raises Stale, or StoreError."""
        staged = work.staged
        if staged.reason:
            await self.bury(work, staged.reason)
            return
        remember = [with_ids(record, staged.sent) for record in staged.remember]
        outcome: Outcome = "silent" if staged.silence else "answered"
        # The bill of an answer that is a silence is open yet; else it is settled.
        await asyncio.gather(self._commit(work, outcome, remember), work.bill.settle())
        _count(work, outcome)
        if staged.silence:
            self.silences[staged.silence] += 1
        elif remember:
            self.afterwards.reflect(work, remember)

    async def _commit(self, work: Work, outcome: Outcome, remember: Sequence[Remembered]) -> None:
        """Again where accounts were joined meanwhile, or people erased: their notes and ours are both kept."""
        staged, claim = work.staged, work.claim
        entry = archived(work, remember) if self._archived else None
        while True:
            if staged.notes and not staged.forget:
                now = read_notes(claim.notes)
                staged.notes, staged.noted = noted(staged.notes, staged.noted, now), now
            try:
                return await self._engine.commit(
                    claim,
                    outcome=outcome,
                    events=staged.events,
                    append=[_encode(record) for record in remember],
                    forget=staged.forget,
                    notes=_encode(staged.notes) if staged.notes else b"",
                    replies=[_encode(sent) for sent in staged.sent],
                    trace=work.trace(outcome, staged.silence or staged.problem),
                    archive=_encode(entry) if entry else b"",
                )
            except Changed as changed:
                claim.notes = changed.notes

    async def bury(self, work: Work, reason: str) -> None:
        """The events become dead letters. Raises as `commit`."""
        events, trace = work.staged.events, work.trace("dead", reason)
        await self._engine.fail(work.claim, "dead", reason=reason, events=events, trace=trace)
        metrics.count("events_total", events, channel=work.event.address.channel, outcome="dead")


def _count(work: Work, outcome: str) -> None:
    """For the metrics: how the turn ended, and how long it took."""
    staged = work.staged
    metrics.count("events_total", staged.events, channel=work.event.address.channel, outcome=outcome)
    metrics.observe("turn_seconds", time.monotonic() - work.began)
    if staged.silence:
        metrics.count("silences_total", reason=staged.silence)
