"""The scripts against a model of what they promise, in any order, with repeats, lost replies and zombies.

The same machine must find fault with an engine that lacks one of its safeguards; otherwise its silence proves nothing.
"""

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from core.conversation.summary import Summary
from core.engine import lua
from core.engine.dead import DeadLetters
from core.engine.engine import Claim, Engine, Stale
from core.engine.server import Server
from core.engine.store import connect
from core.errors import StoreError
from core.events import Accepted

CONVERSATIONS = ("a", "b", "c")
WORKERS = ("w1", "w2")
WINDOW = 4
LOOKAHEAD = 3

conversations = st.sampled_from(CONVERSATIONS)
any_claim = st.integers(min_value=0, max_value=4)
numbers = itertools.count(1)


class Inbox(RuleBasedStateMachine):
    """What the engine's users see, beside lists and dictionaries that say what they should see."""

    runner: asyncio.Runner
    client: Redis
    scripts: dict[str, str]
    make: type[Engine] = Engine

    def __init__(self) -> None:
        super().__init__()
        self.engine = self.make(
            self.client,
            prefix=f"model{next(numbers)}",
            lease=0,
            mailbox_max=5,
            window=WINDOW,
            lookahead=LOOKAHEAD,
            scripts=self.scripts,
        )
        self.letters = DeadLetters(self.engine)
        self.uids = 0
        self.seen: dict[str, set[str]] = {name: set() for name in CONVERSATIONS}
        self.mailbox: dict[str, list[bytes]] = {name: [] for name in CONVERSATIONS}
        self.session: dict[str, list[bytes]] = {name: [] for name in CONVERSATIONS}
        self.notes: dict[str, bytes | None] = dict.fromkeys(CONVERSATIONS)
        self.summary: dict[str, bytes | None] = dict.fromkeys(CONVERSATIONS)
        self.appended = dict.fromkeys(CONVERSATIONS, 0)
        self.born = dict.fromkeys(CONVERSATIONS, "")
        self.staged: dict[str, bytes | None] = dict.fromkeys(CONVERSATIONS)
        self.tries = dict.fromkeys(CONVERSATIONS, 0)
        self.holder: dict[str, str] = {}
        self.owner: dict[str, str] = {}
        self.ended: dict[str, str] = {}
        self.delayed: set[str] = set()
        self.due: set[str] = set()
        self.claims: list[Claim] = []
        """The latest ones, newest first; most of them are over."""
        self.archived: list[bytes] = []
        self.counts = dict.fromkeys(("accepted", "answered", "silent", "dead"), 0)

    def do(self, call: Any) -> Any:
        return self.runner.run(call)

    def teardown(self) -> None:
        self.do(self.engine.close())

    @initialize()
    def some_turns_are_under_way(self) -> None:
        """Hypothesis leaves some rules out of each example; with this, none depends on another one."""
        for name in CONVERSATIONS * 3:
            self.accept(name, False, False, 0)
        self.claim("w1", 2, False)
        self.commit(0, "answered", 1, 3, False, True, False)
        self.claim("w2", 2, False)

    # Intake

    @rule(conversation=conversations, old=st.booleans(), lost=st.booleans(), which=any_claim, held=st.booleans())
    def accept(self, conversation: str, old: bool, lost: bool, which: int, held: bool = False) -> None:
        seen = sorted(self.seen[conversation])
        uids = [f"{conversation}{self.new()}"] + ([seen[which % len(seen)]] if old and seen else [])
        hold = 3600.0 if held else 0.0
        for _ in range(2 if lost else 1):
            result = self.do(self.engine.accept(conversation, uids[0].encode(), uids, None, hold))
            self.offer(conversation, uids, [result], held)

    @rule(conversation=conversations)
    def deliver_twice_at_once(self, conversation: str) -> None:
        uid = f"{conversation}{self.new()}"

        async def both() -> list[Accepted]:
            calls = (self.engine.accept(conversation, uid.encode(), [uid]) for _ in range(2))
            return list(await asyncio.gather(*calls))

        self.offer(conversation, [uid], self.do(both()))

    def offer(self, conversation: str, uids: list[str], results: list[Accepted], held: bool = False) -> None:
        expected = []
        for _ in results:
            if self.seen[conversation] & set(uids):
                expected.append(Accepted.DUPLICATE)
                self.seen[conversation] |= set(uids)
            elif len(self.mailbox[conversation]) >= 5:
                expected.append(Accepted.FULL)
            else:
                expected.append(Accepted.NEW)
                self.seen[conversation] |= set(uids)
                if held and not self.mailbox[conversation]:
                    self.delayed.add(conversation)
                elif held and conversation in self.due:
                    self.due.remove(conversation)
                    self.delayed.add(conversation)
                self.mailbox[conversation].append(uids[0].encode())
                self.counts["accepted"] += 1
        assert results == expected

    def new(self) -> int:
        self.uids += 1
        return self.uids

    # Turns

    @rule(worker=st.sampled_from(WORKERS), count=st.integers(1, 3), lost=st.booleans())
    def claim(self, worker: str, count: int, lost: bool) -> None:
        waiting = {n for n in CONVERSATIONS if self.mailbox[n] and n not in self.holder and n not in self.delayed}
        claims = self.do(self.engine.claim(worker, count)).claims
        self.due.clear()
        assert len(claims) == min(count, len(waiting))
        for claim in claims:
            name = claim.conversation
            assert name in waiting
            waiting.remove(name)
            self.tries[name] += 1
            assert claim.envelopes == self.mailbox[name][:LOOKAHEAD]
            assert claim.history == self.session[name]
            assert (claim.notes, claim.summary) == (self.notes[name], self.summary[name])
            assert claim.first == max(0, self.appended[name] - len(claim.history))
            assert claim.session == self.born[name]
            assert (claim.staged, claim.tries) == (self.staged[name], self.tries[name])
            assert all(claim.fence > other.fence for other in self.claims if other.conversation == name)
            self.holder[name], self.owner[name] = claim.token, worker
            if not lost:
                self.claims = [claim, *self.claims[:4]]

    @precondition(lambda self: self.claims)
    @rule(which=any_claim)
    def stage(self, which: int) -> None:
        claim = self.claims[which % len(self.claims)]
        state = b"state of " + claim.envelope
        if self.tell(self.engine.stage(claim, state)):
            assert self.holds(claim)
            self.staged[claim.conversation] = state
        else:
            assert not self.holds(claim)

    @precondition(lambda self: self.claims)
    @rule(
        which=any_claim,
        outcome=st.sampled_from(["answered", "silent"]),
        events=st.integers(1, 3),
        append=st.integers(0, 3),
        forget=st.booleans(),
        noting=st.booleans(),
        lost=st.booleans(),
    )
    def commit(
        self, which: int, outcome: Any, events: int, append: int, forget: bool, noting: bool, lost: bool
    ) -> None:
        claim = self.claims[which % len(self.claims)]
        events = min(events, len(claim.envelopes))
        told = {
            "append": [b"%s %d" % (claim.envelope, at) for at in range(append)],
            "notes": b"notes of " + claim.envelope if noting else b"",
            "archive": claim.envelope,
        }
        for _ in range(2 if lost else 1):
            done = self.tell(self.engine.commit(claim, outcome=outcome, events=events, forget=forget, **told))
            if self.ends(claim, done):
                self.archived.append(claim.envelope)
                self.keep(claim, told["append"], told["notes"], forget)
                self.pop(claim.conversation, outcome, events)

    def keep(self, claim: Claim, entries: list[bytes], notes: bytes, forget: bool) -> None:
        name = claim.conversation
        if forget:
            self.session[name], self.appended[name], self.born[name] = [], 0, ""
            self.notes[name] = self.summary[name] = None
        self.session[name] = (self.session[name] + entries)[-WINDOW:]
        self.appended[name] += len(entries)
        self.notes[name] = notes or self.notes[name]
        if entries or notes:
            self.born[name] = self.born[name] or claim.token

    @precondition(lambda self: self.claims)
    @rule(which=any_claim, upto=st.integers(0, 5))
    def summarize(self, which: int, upto: int) -> None:
        claim = self.claims[which % len(self.claims)]
        name = claim.conversation
        summary = msgspec.json.encode(Summary(f"number {self.new()}", upto))
        reach = msgspec.json.decode(self.summary[name] or b'{"text": "", "upto": -1}', type=Summary).upto
        kept = self.do(self.engine.summarize(claim, claim.session, summary))
        is_its = bool(claim.session) and claim.session == self.born[name]
        assert kept == (is_its and not upto <= reach <= self.appended[name])
        if kept:
            self.summary[name] = summary

    @precondition(lambda self: self.claims)
    @rule(
        which=any_claim,
        kind=st.sampled_from(["retry", "release", "wait", "dead"]),
        events=st.integers(1, 3),
        late=st.booleans(),
        lost=st.booleans(),
    )
    def fail(self, which: int, kind: Any, events: int, late: bool, lost: bool) -> None:
        claim = self.claims[which % len(self.claims)]
        events = min(events, len(claim.envelopes))
        for _ in range(2 if lost else 1):
            done = self.tell(self.engine.fail(claim, kind, delay=3600 if late else 0, reason="why", events=events))
            if not self.ends(claim, done):
                continue
            if kind == "dead":
                self.pop(claim.conversation, "dead", events)
                continue
            if kind in ("release", "wait"):
                self.tries[claim.conversation] -= 1
            if late:
                self.delayed.add(claim.conversation)

    def holds(self, claim: Claim) -> bool:
        return self.holder.get(claim.conversation) == claim.token

    def tell(self, call: Any) -> bool:
        try:
            self.do(call)
        except Stale:
            return False
        return True

    def ends(self, claim: Claim, done: bool) -> bool:
        """Whether this call was the one that ended the turn; `done`: it was not stale."""
        name = claim.conversation
        if not self.holds(claim):
            assert done == (self.ended.get(name) == claim.token)
            return False
        assert done
        del self.holder[name]
        self.ended[name] = claim.token
        return True

    def pop(self, conversation: str, outcome: str, events: int) -> None:
        del self.mailbox[conversation][:events]
        self.counts[outcome] += events
        self.staged[conversation], self.tries[conversation] = None, 0

    # Time and death

    @precondition(lambda self: self.delayed)
    @rule()
    def everything_delayed_is_due(self) -> None:
        self.do(self.client.zadd(self.engine.shards[0].dly, dict.fromkeys(self.delayed, 0)))
        self.due |= self.delayed
        self.delayed.clear()

    @precondition(lambda self: self.holder)
    @rule(worker=st.sampled_from(["", *WORKERS]), known=st.booleans())
    def reap(self, worker: str, known: bool) -> None:
        keep = [claim for claim in self.claims if known and self.holds(claim)]
        kept = {claim.conversation for claim in keep}
        held = {name for name in self.holder if worker in ("", self.owner[name]) and name not in kept}
        assert self.do(self.engine.reap(worker, keep)) == len(held)
        for name in held:
            del self.holder[name]

    @precondition(lambda self: self.claims)
    @rule(worker=st.sampled_from(WORKERS), which=any_claim)
    def beat(self, worker: str, which: int) -> None:
        claim = self.claims[which % len(self.claims)]
        self.do(self.engine.beat(worker, [claim]))
        if self.holds(claim):
            self.owner[claim.conversation] = worker

    @precondition(lambda self: self.counts["dead"])
    @rule(again=st.booleans())
    def replay(self, again: bool) -> None:
        letters = self.do(self.letters.list())
        assert len(letters) == self.counts["dead"]
        assert self.do(self.letters.replay(letters[0].id))
        assert not again or not self.do(self.letters.replay(letters[0].id))
        self.mailbox[letters[0].conversation].append(letters[0].envelope)
        self.counts["dead"] -= 1

    @rule()
    def sweep(self) -> None:
        assert self.do(self.engine.sweep()) == 0

    # What always holds

    @invariant()
    def nothing_is_lost_or_out_of_order(self) -> None:
        at = self.engine.shards[0]
        pipe = self.client.pipeline(transaction=False)
        for name in CONVERSATIONS:
            pipe.lrange(at.mb + name, 0, -1)
        *mailboxes, tokens = self.do(pipe.xrange(at.rdy).execute())
        assert dict(zip(CONVERSATIONS, mailboxes, strict=True)) == self.mailbox
        expected = sorted(n for n in CONVERSATIONS if self.mailbox[n] and n not in self.delayed | self.due)
        assert sorted(fields[b"c"].decode() for _, fields in tokens) == expected

    @invariant()
    def sessions_and_tries_are_kept(self) -> None:
        at = self.engine.shards[0]
        pipe = self.client.pipeline(transaction=False)
        for name in CONVERSATIONS:
            pipe.lrange(at.sess + name, -WINDOW, -1)
            pipe.hmget(at.st + name, "tries", "staged")
        replies = self.do(pipe.execute())
        assert dict(zip(CONVERSATIONS, replies[::2], strict=True)) == self.session
        found = [(int(tries or 0), staged) for tries, staged in replies[1::2]]
        assert found == [(self.tries[name], self.staged[name]) for name in CONVERSATIONS]

    @invariant()
    def the_archive_gets_each_turn_once(self) -> None:
        entries = self.do(self.client.xrange(self.engine.shards[0].arc))
        assert [fields[b"e"] for _, fields in entries] == self.archived

    @invariant()
    def every_event_is_counted_once(self) -> None:
        stats = self.do(self.engine.stats())
        assert stats.accepted == stats.answered + stats.silent + stats.dead + stats.in_flight
        assert {name: getattr(stats, name) for name in self.counts} == self.counts
        assert stats.in_flight == sum(map(len, self.mailbox.values()))


class DedupeOutside(Engine):
    """Asks whether an event is new, then accepts it, then notes that it came."""

    async def accept(
        self, conversation: str, envelope: bytes, uids: Any, cursor: Any = None, hold: float = 0
    ) -> Accepted:
        keys = [self.shards[0].dd + uid for uid in uids]
        seen = await self.command("EXISTS", *keys)
        result = Accepted.DUPLICATE if seen else await super().accept(conversation, envelope, [], None, hold)
        if result != Accepted.FULL:
            for key in keys:
                await self.command("SET", key, "a")
        return result


def without(script: str, *changes: tuple[str, str]) -> dict[str, str]:
    """The scripts, with one of them changed."""
    scripts = lua.load()
    for old, new in changes:
        assert old in scripts[script]
        scripts[script] = scripts[script].replace(old, new)
    return scripts


GUARD = """if redis.call('XACK', rdy, 'g', token) ~= 1 then
  return redis.call('GET', done) == token and 2 or -1
end"""


@pytest.fixture
def machine(store: Server) -> Iterator[type[Inbox]]:
    with asyncio.Runner() as runner:
        context = connect(f"unix://{store.socket}")
        client = runner.run(context.__aenter__())
        yield type("Inbox", (Inbox,), {"runner": runner, "client": client, "scripts": lua.load()})
        runner.run(context.__aexit__(None, None, None))


def examine(machine: type[Inbox], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
        ),
    )


def test_every_interleaving_keeps_the_promises(machine: type[Inbox]) -> None:
    examine(machine, 80)


@pytest.mark.parametrize(
    "scripts",
    [
        pytest.param(
            without("claim", ("'LRANGE', ARGV[5] .. conversation, 0", "'LPOP', ARGV[5] .. conversation")),
            id="pop at claim",
        ),
        pytest.param(without("commit", (GUARD, "redis.call('XACK', rdy, 'g', token)")), id="no guard in commit"),
        pytest.param(without("fail", (GUARD, "redis.call('XACK', rdy, 'g', token)")), id="no guard in fail"),
        pytest.param(without("stage", ("~= ARGV[2]", "== nil")), id="no fence in stage"),
        pytest.param(without("accept", ("if not token then", "if true then")), id="two tokens"),
        pytest.param(without("commit", ("redis.call('EXISTS', mb) == 1", "false")), id="token lost at commit"),
        pytest.param(
            without("summarize", (" and reach <= tonumber(count or 0)", "")), id="a summary of another session"
        ),
        pytest.param(
            without("summarize", ("reach >= cjson.decode(ARGV[2]).upto", "false")), id="a shorter summary kept"
        ),
    ],
)
def test_a_missing_safeguard_is_found(machine: type[Inbox], scripts: dict[str, str]) -> None:
    machine.scripts = scripts
    with pytest.raises((AssertionError, StoreError)):
        examine(machine, 80)


def test_dedupe_outside_the_script_is_found(machine: type[Inbox]) -> None:
    machine.make = DedupeOutside
    with pytest.raises(AssertionError):
        examine(machine, 80)
