"""The durable inbox: events wait in order in their conversation's mailbox until a turn for each has ended."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import redis.asyncio

from core.engine import lua
from core.engine.batch import Batch, Replication
from core.engine.keys import Shard, shard_of
from core.engine.link import Link, Reply, pack
from core.errors import HubError, IntakeError, StoreError
from core.events import Accepted

Durability = Literal["local", "replica"]
Failure = Literal["retry", "release", "wait", "dead"]

AFTER_A_SEND = 30.0
"""Seconds for which the end of a turn is tried while the store is away: begun anew, the turn might send again. Below
the minute for which the store knows a repeated end."""


@dataclass(frozen=True, slots=True)
class Trace:
    """How an event ended, kept in place of the mark that its id was seen."""

    uid: str
    """As given to `accept`."""
    record: bytes


NO_TRACE = Trace("", b"")


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an event at intake."""

    outcome: Accepted
    number: int | None = None
    """Of a new one: it counts up with each event that is accepted; None while the event is not in the store yet."""


class Stale(HubError):
    """Somebody else owns the conversation now, or the turn is over: stop without sending."""


class Changed(HubError):
    """Somebody who joined or erased accounts has changed the notes meanwhile: nothing was done."""

    def __init__(self, notes: bytes) -> None:
        super().__init__("the notes were changed")
        self.notes = notes


@dataclass(slots=True)
class Claim:
    """The right to one turn, and all that it needs."""

    conversation: str
    token: str
    """Its wake-up token. A token is given out once, and one taken back is replaced."""
    shard: int
    tries: int
    """1 at the first."""
    envelopes: list[bytes]
    """The mailbox from its head on: the first is this turn's event, some of the others may bear on it."""
    staged: bytes | None
    """What an earlier try of the same event staged last."""
    history: list[bytes]
    """The session window, oldest first."""
    notes: bytes | None
    """What the session keeps beside its messages."""
    summary: bytes | None
    """Of the session's older messages."""
    first: int
    """The number in the session of `history[0]`."""
    session: str
    """Its id; empty before its first message."""
    time: float
    """By the store's clock, Unix seconds."""
    upto: int = 0
    """The number of the event that was accepted last: those with higher ones came behind these `envelopes`."""

    @property
    def envelope(self) -> bytes:
        """The event of this turn."""
        return self.envelopes[0]

    @property
    def fence(self) -> int:
        """Higher than that of every earlier claim of this conversation: the order of the tokens."""
        milliseconds, _, sequence = self.token.partition("-")
        return int(milliseconds) << 20 | int(sequence)


@dataclass(frozen=True, slots=True)
class Claims:
    """What one call of `claim` got."""

    claims: list[Claim]
    due_in: float | None
    """Seconds until the next delayed conversation of this shard is due."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Where all events are: accepted = answered + silent + dead + in_flight."""

    accepted: int = 0
    answered: int = 0
    silent: int = 0
    dead: int = 0
    in_flight: int = 0
    """Accepted and not yet ended, the waiting ones included."""


class Engine:
    """All that is done to the inbox, each step one script; nothing here keeps state between two calls.

    One shard is the default: a single server runs one script at a time, and one ready stream is read in one call, so
    more of them only add calls. The number is part of the key names: change it with an empty inbox only.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        *,
        prefix: str = "sb",
        shards: int = 1,
        lease: float = 30.0,
        dedupe_ttl: float = 86400,
        mailbox_max: int = 100,
        depth_max: int = 100_000,
        window: int = 60,
        lookahead: int = 20,
        session_ttl: float = 86400,
        max_tries: int = 5,
        max_deliveries: int = 20,
        dead_max: int = 10_000,
        limit: float = 2.0,
        durability: Durability = "local",
        scripts: Mapping[str, str] | None = None,
    ) -> None:
        """Times are in seconds.

        `window`: messages of a session that are kept. `lookahead`: events of a mailbox that a turn gets to see.
        `max_tries`: failed tries until a dead letter. `max_deliveries`: the same for tries during which the worker
        died; more, because a crash also strikes the innocent that happened to be in flight. `limit`: for one call.
        `durability`: an event is accepted when the store has it | when a replica of the store has it too."""
        self.prefix = prefix
        self.shards = [Shard(prefix, number) for number in range(shards)]
        self.lease = lease
        self.max_tries = max_tries
        self.nudge: Callable[[int], bool] = _nobody_here
        """Told that a shard has something to claim; True when this process will take it at once."""
        self._pool = client.connection_pool
        replication = Replication(frozenset({"accept"}), f"{prefix}:mark") if durability == "replica" else None
        self._batch = Batch(self._pool, scripts or lua.load(), limit=limit, replication=replication)
        self._limit = limit
        self._dedupe_ms = round(dedupe_ttl * 1000)
        self._session_ms = round(session_ttl * 1000)
        self._lease_ms = round(lease * 1000)
        self._mailbox_max = mailbox_max
        self._depth_max = depth_max // shards
        self._window = window
        self._lookahead = lookahead
        self._max_deliveries = max_deliveries
        self._dead_max = dead_max

    async def forget_all(self) -> None:
        """Delete everything under this engine's prefix: for one that is used once. Raises StoreError."""
        cursor: Reply = b"0"
        while True:
            cursor, keys = await self._batch.command("SCAN", cursor, "MATCH", f"{self.prefix}:*", "COUNT", 1000)
            if keys:
                await self._batch.command("UNLINK", *keys)
            if cursor == b"0":
                return

    async def close(self) -> None:
        """Let calls under way end. The client is its owner's to close."""
        await self._batch.close()

    async def accept(
        self,
        conversation: str,
        envelope: bytes,
        uids: Sequence[str],
        cursor: tuple[str, str, str] | None = None,
        hold: float = 0,
    ) -> Accepted:
        """Make an event durable; any of its ids seen before makes it a duplicate.

        `cursor` (channel, name, value) moves in the same step. `hold`: seconds until an idle conversation gets its
        turn, for more of the same to come in. Raises IntakeError, soon, when it could not."""
        return (await self.take(conversation, envelope, uids, cursor, hold)).outcome

    async def take(
        self,
        conversation: str,
        envelope: bytes,
        uids: Sequence[str],
        cursor: tuple[str, str, str] | None = None,
        hold: float = 0,
    ) -> Taken:
        """As `accept`, and tells the event's number."""
        shard = self._shard(conversation)
        channel, name, value = cursor or ("", "", "")
        others = b"0" if self.nudge(shard.number) else b"1"
        keys = [
            shard.run,
            shard.rdy,
            shard.cnt,
            shard.mb + conversation,
            shard.wake,
            self._cursor_key(channel),
            shard.dly,
        ]
        keys += [shard.dd + uid for uid in uids]
        limits = (self._dedupe_ms, self._mailbox_max, self._depth_max)
        args = (conversation, envelope, *limits, others, name, value, round(hold * 1000))
        try:
            result = await self._batch.run("accept", keys, args)
        except StoreError as error:
            raise IntakeError(str(error)) from error
        if result > 0:
            return Taken(Accepted.NEW, result)
        if result == 0:
            return Taken(Accepted.DUPLICATE)
        if result == -1:
            return Taken(Accepted.FULL)
        raise IntakeError("too many events are waiting", retry_after=5.0)

    async def claim(self, worker: str, count: int, shard: int = 0) -> Claims:
        """Take up to `count` conversations of a shard that wait for a turn. Raises StoreError."""
        at = self.shards[shard]
        args = (worker, count, self._window, self._lookahead, at.mb, at.st, at.sess, at.note)
        time, due, upto, *found = await self._batch.run("claim", (at.run, at.rdy, at.dly, at.wake, at.cnt), args)
        claims = [_claim(reply, shard, time / 1e6, upto) for reply in found]
        return Claims(claims, None if due < 0 else due / 1000)

    async def stage(self, claim: Claim, state: bytes, *, limit: float = AFTER_A_SEND) -> None:
        """Keep what the turn has so far, for another try of it. Raises Stale, or StoreError after `limit` seconds."""
        at, conversation = self.shards[claim.shard], claim.conversation
        args = (conversation, claim.token, state)
        if not await self._batch.insist("stage", (at.run, at.st + conversation), args, limit):
            raise Stale(conversation)

    async def commit(
        self,
        claim: Claim,
        *,
        outcome: Literal["answered", "silent"],
        events: int = 1,
        append: Sequence[bytes] = (),
        forget: bool = False,
        notes: bytes = b"",
        replies: Sequence[bytes] = (),
        archive: bytes = b"",
        trace: Trace = NO_TRACE,
        limit: float = AFTER_A_SEND,
    ) -> None:
        """End the turn of so many `events`; `forget` empties the session before `append` and `notes`. Harmless again.

        `archive`: what the archive is to keep of it. `trace`: how the first event ended.
        Raises Stale, or StoreError after `limit` seconds; Changed where `notes` would write over others than the
        claim's."""
        at, conversation = self.shards[claim.shard], claim.conversation
        keys = [at.run, at.rdy, at.cnt]
        keys += [name + conversation for name in (at.st, at.done, at.mb, at.sess, at.out, at.note)]
        keys += [at.arc, at.dd + trace.uid]
        args: list[str | bytes | int] = [conversation, claim.token, outcome, events, int(forget)]
        args += [self._window, self._session_ms, notes, claim.notes or b"", archive, trace.record]
        args += [len(append), *append, *replies]
        result = await self._batch.insist("commit", keys, args, limit)
        if isinstance(result, bytes):
            raise Changed(result)
        self._handed_on(claim, result)

    async def fail(
        self,
        claim: Claim,
        kind: Failure,
        *,
        delay: float = 0,
        reason: str = "",
        patience: float = 0,
        events: int = 1,
        trace: Trace = NO_TRACE,
        limit: float = AFTER_A_SEND,
    ) -> bool:
        """End this try: the same event again after `delay` seconds, or never (dead: so many `events`). Returns whether
        `patience` made it dead.

        release: this try does not count. wait: nor does this one; the delay grows while that lasts, and after
        `patience` seconds of it (0: no end) the event is dead. Harmless again. Raises as `commit`."""
        at, conversation = self.shards[claim.shard], claim.conversation
        keys = [at.run, at.rdy, at.cnt]
        keys += [name + conversation for name in (at.st, at.done, at.mb)]
        times = (round(delay * 1000), reason, self._dead_max, round(patience * 1000))
        args = (conversation, claim.token, kind, *times, events, trace.record)
        result = await self._batch.insist("fail", [*keys, at.dly, at.dl, at.dd + trace.uid], args, limit)
        self._handed_on(claim, result)
        return bool(result == 4)

    async def summarize(self, claim: Claim, session: str, summary: bytes) -> bool:
        """Keep a summary with the session it was made of; False where that is over, or one reaches as far already.

        Raises StoreError."""
        at = self.shards[claim.shard]
        return bool(await self._batch.run("summarize", (at.note + claim.conversation,), (session, summary)))

    async def archive(self, claim: Claim, entry: bytes) -> None:
        """Send the archive what belongs to no commit. Raises StoreError."""
        await self._batch.command("XADD", self.shards[claim.shard].arc, "*", "e", entry)

    async def beat(self, worker: str, claims: Sequence[Claim]) -> None:
        """Renew the lease of these claims. Does nothing to those that were taken away. Raises StoreError."""
        tokens: dict[int, list[str]] = {}
        for claim in claims:
            tokens.setdefault(claim.shard, []).append(claim.token)
        for shard, held in tokens.items():
            await self._batch.command("XCLAIM", self.shards[shard].rdy, "g", worker, 0, *held, "JUSTID")

    @property
    def connections(self) -> int:
        """How many there have been: when it grows, what a call of `claim` got may have been lost on the way."""
        return self._batch.connections

    async def reap(self, worker: str = "", keep: Iterable[Claim] = ()) -> int:
        """Take back what was held by workers that died; or all that is held in this worker's name, but for `keep`.

        Returns how many conversations that were. Raises StoreError."""
        total = 0
        tokens = [(claim.shard, claim.token) for claim in keep]
        for at in self.shards:
            kept = [token for shard, token in tokens if shard == at.number]
            head = (self._lease_ms, 1000, worker, self._max_deliveries, self._dead_max, at.mb, at.st)
            taken, _ = await self._batch.run("reap", (at.run, at.rdy, at.cnt, at.dl), [*head, *kept])
            total += taken
            if taken:
                self.nudge(at.number)
        return total

    async def sweep(self) -> int:
        """Repair conversations that lost their token; returns how many, which should be none. Raises StoreError."""
        total = 0
        for at in self.shards:
            cursor: Reply = b"0"
            while True:
                cursor, repaired = await self._batch.run("sweep", (at.run, at.rdy, at.dly), (cursor, at.mb))
                total += repaired
                if cursor == b"0":
                    break
        return total

    async def wait(self, link: Link, seconds: float) -> int | None:
        """Block until another process calls for a worker, on a connection of its own. Returns the shard.

        Raises what `Link.ask` raises."""
        names = [at.wake for at in self.shards]
        (reply,) = await link.ask([pack("BLPOP", *names, seconds)], seconds + self._limit)
        if isinstance(reply, Exception):
            raise reply
        return None if reply is None else names.index(reply[0].decode())

    def link(self) -> Link:
        """A connection for `wait`."""
        return Link(self._pool)

    async def call(self, script: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Reply:
        """Run another of the scripts. Raises StoreError."""
        return await self._batch.run(script, keys, args)

    async def command(self, *command: str | bytes | int) -> Reply:
        """Run a plain command in the same piece as the scripts. Raises StoreError."""
        return await self._batch.command(*command)

    async def cursors(self, channel: str) -> dict[str, str]:
        """How far a channel had read with the last accepted event. Raises StoreError."""
        return _decoded(await self._batch.command("HGETALL", self._cursor_key(channel)))

    async def stats(self) -> Stats:
        """Raises StoreError."""
        total = dict.fromkeys(("accepted", "answered", "silent", "dead", "pending"), 0)
        for at in self.shards:
            counts = _decoded(await self._batch.command("HGETALL", at.cnt))
            total = {name: count + int(counts.get(name, 0)) for name, count in total.items()}
        return Stats(total["accepted"], total["answered"], total["silent"], total["dead"], total["pending"])

    def _shard(self, conversation: str) -> Shard:
        return self.shards[shard_of(conversation, len(self.shards))]

    def _cursor_key(self, channel: str) -> str:
        return f"{self.prefix}:cur:{channel}"

    def _handed_on(self, claim: Claim, result: int) -> None:
        if result == -1:
            raise Stale(claim.conversation)
        if result in (1, 3, 4):
            self.nudge(claim.shard)


def _claim(reply: Reply, shard: int, time: float, upto: int) -> Claim:
    conversation, token, tries, envelopes, staged, history, (notes, summary, appended, session) = reply
    return Claim(
        conversation=conversation.decode(),
        token=token.decode(),
        shard=shard,
        tries=tries,
        envelopes=envelopes,
        staged=staged,
        history=history,
        notes=notes,
        summary=summary,
        first=max(0, int(appended or 0) - len(history)),
        session=(session or b"").decode(),
        time=time,
        upto=upto,
    )


def _decoded(reply: Reply) -> dict[str, str]:
    """A hash, as either version of the protocol replies with it."""
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return {name.decode(): value.decode() for name, value in pairs}


def _nobody_here(_shard: int) -> bool:
    return False
