"""The policy: whether a sender may be answered in this channel at all."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from core.access.pairing import Pairing
from core.access.settings import AccessSettings
from core.engine.engine import Engine
from core.events import AnyEvent
from core.language.sentences import Sentence, say

KNOWN_FOR = 5.0
"""Seconds for which an account that was let in is not looked up again; one that is put out is answered for that long.
Strangers are looked up with each message, so that whoever is let in is answered at once."""
KNOWN_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Denied:
    """Not to be answered. `line`: what to say to that; None: nothing."""

    reason: Literal["not allowed", "not paired"]
    line: Sentence | None = None
    code: str = ""

    def text(self, language: str) -> str | None:
        """The line in the user's language."""
        return None if self.line is None else say(self.line, language, code=self.code)


class Access:
    """One for the process."""

    def __init__(self, engine: Engine, *, now: Callable[[], float] = time.monotonic) -> None:
        self.pairing = Pairing(engine)
        self._now = now
        self._known: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def lets_in(self, event: AnyEvent, settings: AccessSettings) -> bool:
        """The same without a word to anybody, and without a code. Raises StoreError."""
        if settings.access == "open" or event.user.id in settings.allow:
            return True
        if settings.access == "allowlist":
            return False
        key, now = (event.address.channel, event.user.id), self._now()
        return now < self._known.get(key, 0.0) or await self.pairing.look(*key) is True

    async def check(self, event: AnyEvent, settings: AccessSettings) -> Denied | None:
        """None: go on. The store is asked about strangers alone, and about those let in every few seconds.

        Raises StoreError: nobody is let in because the store is away; the turn is to be tried again."""
        if settings.access == "open" or event.user.id in settings.allow:
            return None
        if settings.access == "allowlist":
            return await self._turn_away(event)
        return await self._pair(event)

    async def _turn_away(self, event: AnyEvent) -> Denied:
        """One line a day where nobody else reads it."""
        if not event.direct:
            return Denied("not allowed")
        is_first = await self.pairing.first_today(event.address.channel, event.user.id, event.uid)
        return Denied("not allowed", Sentence.NOT_ALLOWED if is_first else None)

    async def _pair(self, event: AnyEvent) -> Denied | None:
        key, now = (event.address.channel, event.user.id), self._now()
        if now < self._known.get(key, 0.0):
            return None
        may_ask = event.direct and not event.user.is_bot
        found = await self.pairing.look(*key, name=event.user.name, event=event.uid, may_ask=may_ask)
        if found is True:
            self._known[key] = now + KNOWN_FOR
            self._known.move_to_end(key)
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
            return None
        return Denied("not paired", Sentence.PAIRING, found) if found else Denied("not paired")
