"""All that the hub has of a person, in the store and in the archive: to be handed out, or to be deleted."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from core.access.pairing import Pairing
from core.archive.erased import Erased, clock
from core.archive.record import Kept
from core.engine.engine import Engine
from core.engine.erase import erase as erase_from_store
from core.engine.traces import Traces, Whose
from core.pseudonym import Pseudonyms

if TYPE_CHECKING:
    from core.archive.archive import Archive


class Links(Protocol):
    """Which accounts are one person."""

    async def accounts(self, account: str) -> set[str]:
        """All of the person's, this one included."""
        ...

    async def conversations(self, account: str) -> set[str]:
        """The direct chats that were joined."""
        ...

    async def forget(self, account: str) -> None:
        """They are no longer one."""
        ...


class Live(msgspec.Struct, frozen=True):
    """What the store holds of one conversation."""

    conversation: str
    session: list[msgspec.Raw]
    """What the person said, and what was answered."""
    waiting: list[msgspec.Raw]
    """Events not yet answered."""
    notes: msgspec.Raw | None = None
    summary: msgspec.Raw | None = None


class Export(msgspec.Struct, frozen=True):
    """As it is written for the person."""

    accounts: list[str]
    exported: str
    turns: list[Kept]
    """From the archive."""
    live: list[Live]
    other: list[msgspec.Raw]
    """Events that could not be answered, and turns on their way to the archive."""


class Person:
    """Each call may raise StoreError or ArchiveAway."""

    def __init__(
        self,
        accounts: Collection[str],
        engine: Engine,
        archive: "Archive",
        *,
        chats: Collection[str],
        platforms: Mapping[str, str],
        pseudonyms: Pseudonyms,
    ) -> None:
        """`accounts`: all that are linked, each `platform:id`. `chats`: conversations that nobody else is in.
        `platforms`: of each channel."""
        self.accounts = sorted(accounts)
        self._engine = engine
        self._archive = archive
        self._chats = {*chats}
        self._platforms = platforms
        self._whose = Whose(self.accounts, platforms)
        self._pseudonyms = pseudonyms
        self.aliases: list[str] = []
        """Under which names the logs have them; known after `export` or `erase`."""

    async def export(self) -> Export:
        turns = await self._archive.export(self.accounts)
        traces = self._traces(turns)
        live, alone = [], set()
        async for trace in traces.conversations():
            if trace.whole:
                alone.add(trace.conversation)
            live.append(
                Live(
                    trace.conversation,
                    [msgspec.Raw(record) for record in trace.records],
                    [msgspec.Raw(event) for event in trace.events],
                    msgspec.Raw(trace.notes) if trace.whole and trace.notes else None,
                    msgspec.Raw(trace.summary) if trace.whole and trace.summary else None,
                )
            )
        other = [msgspec.Raw(entry.data) async for entry in traces.loose(alone)]
        self._name({turn.conversation for turn in turns} | {each.conversation for each in live})
        return Export(self.accounts, datetime.now(UTC).isoformat(timespec="seconds"), turns, live, other)

    async def erase(self, links: Links) -> Counter[str]:
        """Returns how much it was, by kind. May be repeated, and should be where it was cut off."""
        erased = Erased(self._engine, self._pseudonyms.of)
        await erased.add(self.accounts)
        turns = await self._archive.export(self.accounts)
        traces = self._traces(turns)
        conversations = {turn.conversation for turn in turns}
        async for trace in traces.conversations():
            conversations.add(trace.conversation)
        counts = await erase_from_store(self._engine, traces)
        pairing = Pairing(self._engine)
        for account in self.accounts:
            platform, _, id_ = account.partition(":")
            for channel in (name for name, its in self._platforms.items() if its == platform):
                counts["permissions"] += await pairing.forget(channel, id_)
        gone = await self._archive.erase(self.accounts, await clock(self._engine))
        counts += Counter({"archived turns": gone.turns, "archived messages": gone.messages})
        await links.forget(self.accounts[0])  # last: who repeats this must still find all accounts
        self._name(conversations)
        return counts

    def _traces(self, turns: Collection[Kept]) -> Traces:
        known = {turn.conversation for turn in turns}
        chats = self._chats | {turn.conversation for turn in turns if turn.direct}
        return Traces(self._engine, self._whose, known, chats)

    def _name(self, conversations: Collection[str]) -> None:
        self.aliases = [self._pseudonyms.of(account) for account in self.accounts]
        self.aliases += [self._pseudonyms.conversation(name) for name in sorted(conversations)]
