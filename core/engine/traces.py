"""What the store holds of a person: in conversations, among dead letters, and on the way to the archive."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from core.archive.record import Kept
from core.bot import Notes, Remembered
from core.engine.engine import Engine
from core.engine.keys import Shard
from core.engine.link import Reply
from core.events import AnyEvent, Event, Sent

_event = msgspec.json.Decoder(AnyEvent).decode
_remembered = msgspec.json.Decoder(Remembered).decode
_notes = msgspec.json.Decoder(Notes).decode
_sent = msgspec.json.Decoder(Sent).decode
_kept = msgspec.json.Decoder(Kept).decode
_ended = msgspec.json.Decoder(dict[str, Any]).decode

T = TypeVar("T")
OWN = ("dd", "cur", "erased", "person", "persons")
"""Kinds of keys that are not searched by name: ids of deliveries, cursors, and what has an eraser of its own."""


@dataclass(frozen=True, slots=True)
class Whose:
    """Recognises what is of these accounts."""

    accounts: Collection[str]
    """`platform:id`"""
    platforms: Mapping[str, str]
    """Channel -> its platform."""

    def is_by(self, event: Event) -> bool:
        platform = self.platforms.get(event.address.channel)
        names = self.accounts if platform else {account.partition(":")[2] for account in self.accounts}
        return (f"{platform}:{event.user.id}" if platform else event.user.id) in names

    def is_named_by(self, conversation: str) -> bool:
        """Whether the conversation belongs to one user, and that is one of these."""
        channel, _, rest = conversation.partition("/")
        _, _, user = rest.rpartition("//")
        platform = self.platforms.get(channel)
        return any(
            user == quote(id_, safe=":+-@") and platform in (name, None)
            for name, _, id_ in (account.partition(":") for account in self.accounts)
        )

    def is_in(self, data: bytes) -> bool:
        """Whether an account stands anywhere in this JSON."""
        return any(json.dumps(account, ensure_ascii=False).encode() in data for account in self.accounts)


@dataclass(frozen=True, slots=True)
class Trace:
    """What is to go from one conversation, as it stands in the store."""

    conversation: str
    shard: Shard
    whole: bool
    """Nobody else is in it."""
    events: Sequence[bytes]
    """Of the mailbox."""
    records: Sequence[bytes]
    """Of the session: what they said, and what was answered to them."""
    replies: Sequence[bytes]
    """Ids of them."""
    notes: bytes
    summary: bytes
    is_staged: bool


@dataclass(frozen=True, slots=True)
class Loose:
    """An entry of a stream that is not kept by conversation."""

    stream: str
    id: bytes
    data: bytes
    is_letter: bool
    """A dead letter; else a turn on its way to the archive."""


class Traces:
    """Finds them by looking through everything; for a command, not for a turn. Each call may raise StoreError."""

    def __init__(self, engine: Engine, whose: Whose, known: Collection[str] = (), theirs: Collection[str] = ()) -> None:
        """`known`: conversations that they took part in. `theirs`: those that nobody else was in."""
        self._engine = engine
        self._whose = whose
        self._known = known
        self._theirs = theirs
        self._pattern = re.compile(
            rf"{re.escape(engine.prefix)}:(?:mb|st|done|sess|note|out):\{{(\d+)\}}:(.*)", re.DOTALL
        )

    async def conversations(self) -> AsyncIterator[Trace]:
        """All that hold something of theirs."""
        names: dict[str, Shard] = {}
        async for key in self.keys():
            if found := self._pattern.fullmatch(key):
                names[found[2]] = self._engine.shards[int(found[1])]
        for some in _chunks(list(names.items()), 100):
            for trace in await asyncio.gather(*(self._trace(name, shard) for name, shard in some)):
                if trace is not None:
                    yield trace

    async def loose(self, conversations: Collection[str]) -> AsyncIterator[Loose]:
        """Dead letters, and turns that the archive has not taken; all those of `conversations`."""
        streams = {at.dl: True for at in self._engine.shards} | {at.arc: False for at in self._engine.shards}
        streams[f"{self._engine.prefix}:arx"] = False
        for stream, is_letter in streams.items():
            after = "-"
            while entries := await self._engine.command("XRANGE", stream, after, "+", "COUNT", 500):
                for id_, values in entries:
                    fields = dict(zip(values[::2], values[1::2], strict=True))
                    data = fields.get(b"e", b"")
                    found = self._letter(fields, data) if is_letter else self._turn(data)
                    if found is True or found in conversations:
                        yield Loose(stream, id_, data, is_letter)
                after = f"({entries[-1][0].decode()}"

    async def ended(self, conversations: Collection[str]) -> AsyncIterator[tuple[str, bytes]]:
        """Keys that tell how events of theirs ended, and what they may still tell then: not where, and not why."""
        seen = re.compile(rf"{re.escape(self._engine.prefix)}:dd:")
        async for key in self.keys():
            record = _read(_ended, await self._engine.command("GET", key) or b"") if seen.match(key) else None
            name = str(record.get("conversation", "")) if record else ""
            if record and (name in conversations or name in self._theirs or self._whose.is_named_by(name)):
                yield key, msgspec.json.encode(record | {"conversation": "", "reason": ""})

    async def named(self) -> list[str]:
        """Keys of other parts that have an account in their name."""
        ours = re.compile(rf"{re.escape(self._engine.prefix)}:(?:{'|'.join(OWN)}|mb|st|done|sess|note|out):")
        spellings = {each for account in self._whose.accounts for each in (account, quote(account, safe=":+-@"))}
        ids = "|".join(map(re.escape, spellings))
        theirs = re.compile(rf"(?:^|[:/{{])(?:{ids})(?:$|[:/}}])")
        return [key async for key in self.keys() if not ours.match(key) and theirs.search(key)]

    async def keys(self) -> AsyncIterator[str]:
        """All under the engine's prefix; one may come twice."""
        cursor: Reply = b"0"
        pattern = re.sub(r"([\\*?\[\]^])", r"\\\1", self._engine.prefix) + ":*"
        while True:
            cursor, keys = await self._engine.command("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            for key in keys:
                yield key.decode(errors="surrogateescape")
            if cursor == b"0":
                return

    def _letter(self, fields: Mapping[bytes, bytes], data: bytes) -> bool | str:
        """Whether it is theirs, or the conversation that it is of."""
        return self._is_waiting(data) or fields.get(b"c", b"").decode()

    def _turn(self, data: bytes) -> bool | str:
        kept = _read(_kept, data)
        if kept is None:
            return self._whose.is_in(data)
        authors = {kept.account, *(said.author for said in kept.messages)}
        return not authors.isdisjoint(self._whose.accounts) or kept.conversation

    async def _trace(self, conversation: str, at: Shard) -> Trace | None:
        ask = self._engine.command
        events, records, note, staged, replies = await asyncio.gather(
            ask("LRANGE", at.mb + conversation, 0, -1),
            ask("LRANGE", at.sess + conversation, 0, -1),
            ask("HMGET", at.note + conversation, "n", "s"),
            ask("HGET", at.st + conversation, "staged"),
            ask("XRANGE", at.out + conversation, "-", "+"),
        )
        is_theirs, is_named = conversation in self._theirs, self._whose.is_named_by(conversation)
        authors = {record.author for record in map(partial(_read, _remembered), records) if record and record.author}
        if is_named and not is_theirs and authors and authors.isdisjoint(self._whose.accounts):
            return None  # of a channel whose platform is not known any more: the same id there is somebody else
        waiting = [event for event in events if self._is_waiting(event)]
        said = list(_said(records, self._whose.accounts))
        is_staged = bool(staged) and self._whose.is_in(staged)
        if not (waiting or said or is_staged or is_named or is_theirs or conversation in self._known):
            return None
        others = len(waiting) < len(events) or any(
            record is not None and record.role == "user" and record not in said
            for record in (_read(_remembered, each) for each in records)
        )
        ids = {id_ for record in said for id_ in record.ids if record.role == "assistant"}
        return Trace(
            conversation,
            at,
            is_named or is_theirs or (not others and bool(waiting or said)),
            waiting,
            [each for each in records if _read(_remembered, each) in said],
            [id_ for id_, fields in replies if _is_one_of(fields, ids)],
            note[0] or b"",
            note[1] or b"",
            is_staged,
        )

    def _is_waiting(self, envelope: bytes) -> bool:
        event = _read(_event, envelope)
        return self._whose.is_in(envelope) if event is None else self._whose.is_by(event)


def spared(notes: bytes) -> bytes:
    """Notes without what anybody may have said: who said which is not known."""
    found = _read(_notes, notes)
    return b"" if found is None else msgspec.json.encode(msgspec.structs.replace(found, pins=(), pending=""))


def _said(records: Sequence[bytes], accounts: Collection[str]) -> Iterator[Remembered]:
    """What they said, and the answers to it."""
    ids: set[str] = set()
    follows = False
    for each in records:
        record = _read(_remembered, each)
        if record is None:
            continue
        if record.role == "user":
            # A message that was said anew or taken back stands under the id of the first
            follows = record.author in accounts or bool(record.ids and ids & {*record.ids})
            if follows:
                ids |= {*record.ids}
                yield record
        elif (record.of in ids) if record.of else follows:
            yield record


def _is_one_of(fields: Sequence[bytes], ids: Collection[str]) -> bool:
    sent = _read(_sent, fields[1])
    return sent is not None and sent.id in ids


def _read(decode: Callable[[bytes], T], data: bytes) -> T | None:
    try:
        return decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[at : at + size] for at in range(0, len(items), size))
