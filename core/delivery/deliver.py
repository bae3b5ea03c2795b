"""Brings an answer to its place message by message, so that no crash repeats anything that could be known."""

import asyncio
import contextlib
import hashlib
import time
from base64 import b32encode
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from core import metrics
from core.adapter import Adapter
from core.bot import NO_NOTES, Notes, Remembered
from core.delivery.gate import Gate
from core.errors import Unavailable, Unconfirmed, Undeliverable
from core.events import Address, Part, Sent
from core.limits.purse import Usage

TRIES = 3
"""Attempts at one part within a turn; after these the turn itself is tried again later."""
GONE = Part("…")
"""What a message shows that was begun and is not needed after all: platforms do not all let us delete."""


class Staged(msgspec.Struct, omit_defaults=True):
    """An answer on its way: stored before the first send and after each, taken up by whoever has the turn then."""

    to: Address
    time: float
    """When it was begun, Unix seconds: nothing of it was sent before."""
    parts: list[Part] | None = None
    """Each fits into one message; None while the bot is still speaking."""
    sent: list[Sent] = []
    """What the platform has taken, in order. While the bot speaks these are drafts, which are edited."""
    events: int = 1
    """So many events of the mailbox end with it."""
    remember: list[Remembered] = []
    """What the session keeps of this turn."""
    notes: Notes | None = None
    """What it keeps beside its messages, where that has changed."""
    noted: Notes = NO_NOTES
    """What that was before."""
    language: str = ""
    """The tag of the language that was talked in."""
    usage: list[Usage] = []
    """What the models took for it."""
    forget: bool = False
    problem: str = ""
    """What an admin may want to know of it."""
    silence: str = ""
    """Why nothing is said, where that is so."""
    reason: str = ""
    """Set where this is a last word about a turn that failed."""


Save = Callable[[Staged], Awaitable[None]]
"""Stores it; raises where the turn now belongs to somebody else."""


class Delivery:
    """One answer on its way through one adapter."""

    def __init__(
        self, staged: Staged, adapter: Adapter[Any], gate: Gate, save: Save, turn_id: str, *, resumed: bool
    ) -> None:
        """`resumed`: an earlier try may have got further than it could tell."""
        self.staged = staged
        self.adapter = adapter
        self._gate = gate
        self._store = save
        self._turn_id = turn_id
        self._began = time.monotonic()
        self._in_doubt = resumed
        self._saved = False
        self._shown: list[Part | None] = [None] * len(staged.sent)
        """What each sent message shows, as far as this process knows."""
        self._earlier: list[Sent] = []

    def take_up(self, sent: list[Sent]) -> None:
        """Show this in the messages of an earlier answer: they are edited instead of new ones sent. As long as there is
        nothing to show, they are left as they are."""
        self._earlier = sent

    async def finish(self, parts: list[Part]) -> None:
        """Show the whole answer, and nothing else. Raises SendError."""
        self.staged.parts = parts
        self._begin(parts)
        await self.save()  # from here on the bot is not asked again
        await self.show([*parts, *[GONE] * (len(self.staged.sent) - len(parts))])

    async def draft(self, parts: list[Part]) -> None:
        """Show what there is so far. Raises SendError."""
        self._begin(parts)
        await self.save()  # each time: who has lost the turn must not write over the answer of who has it now
        await self.show(parts)
        if not self._saved:
            await self.save()

    def _begin(self, parts: list[Part]) -> None:
        """From the first word on, the messages of an earlier answer are those of this one."""
        if parts and self._earlier and not self.staged.sent:
            self.staged.sent = self._earlier
            self._shown = [None] * len(self._earlier)

    async def show(self, parts: list[Part]) -> None:
        """Edit the messages that differ, send those that are missing; progress is saved before each send."""
        for number, part in enumerate(parts):
            if number == len(self.staged.sent):
                if not self._saved:
                    await self.save()
                self.staged.sent.append(await self._send(number, part))
                if number == 0:
                    metrics.observe("first_word_seconds", time.monotonic() - self._began)
                self._shown.append(part)
                self._saved = False
            elif self._shown[number] != part:
                before = self.staged.sent[number]
                self.staged.sent[number] = await self._edit(number, part)
                self._shown[number] = part
                self._saved = self._saved and self.staged.sent[number] == before

    async def save(self) -> None:
        """Store the answer as far as it is. Raises Stale, StoreError."""
        await self._store(self.staged)
        self._saved = True

    async def _send(self, number: int, part: Part, *, anew: bool = False) -> Sent:
        """`anew`: in place of a message that cannot be edited; finding that one again would not help."""
        to, adapter = self.staged.to, self.adapter
        key = part_key(self._turn_id, f"{number}{'+' * anew}")

        async def once() -> Sent:
            if self._in_doubt and not anew and adapter.capabilities.can_find:
                found = await self._gate.send(to, lambda: adapter.find(to, part, key, self.staged.time), self.save)
                if found is not None:
                    return await self._renew(found, part)
            return await self._gate.send(to, lambda: adapter.send(to, part, key), self.save)

        sent = await self._tried(once)
        self._in_doubt = False
        return sent

    async def _renew(self, found: Sent, part: Part) -> Sent:
        """What was sent before a crash may have been a draft of this; where it cannot be edited it has to do."""
        if self.adapter.capabilities.can_edit:
            with contextlib.suppress(Undeliverable):
                await self._gate.send(found.to, lambda: self.adapter.edit(found, part), self.save)
        return found

    async def _edit(self, number: int, part: Part) -> Sent:
        """The same message, or a new one where the old cannot be edited (any more)."""
        sent = self.staged.sent[number]

        async def once() -> Sent:
            await self._gate.send(sent.to, lambda: self.adapter.edit(sent, part), self.save)
            return sent

        try:
            return await self._tried(once)
        except Undeliverable:
            return await self._send(number, part, anew=True)

    async def _tried(self, once: Callable[[], Awaitable[Sent]]) -> Sent:
        """Again after a pause where the platform may yet take it."""
        for attempt in range(1, TRIES):
            try:
                return await once()
            except (Unavailable, Unconfirmed) as error:
                self._in_doubt = self._in_doubt or isinstance(error, Unconfirmed)
                await asyncio.sleep(2**attempt / 4)
                await self.save()  # the turn may belong to somebody else by now
        return await once()


def part_key(turn_id: str, number: str) -> str:
    """The idempotency key of a part: 25 characters, the same on every try."""
    return b32encode(hashlib.blake2b(f"{turn_id}#{number}".encode(), digest_size=16).digest())[:25].decode().lower()
