"""Accounts that join and part in any order, between turns that are cut off and processes that have not heard of it.

Whatever happens, no event and no memory is lost or doubled, and nothing reaches anybody who was never meant to see it.
The same machine must find fault with scripts that lack a safeguard.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from core.bot import Remembered
from core.engine import lua
from core.engine.engine import Claim, Engine, Stale
from core.engine.server import Server
from core.engine.store import connect
from core.errors import StoreError
from core.people import flow
from core.people.codes import Codes
from core.people.people import Busy, People
from tests.core.people.chats import Hub, Said, here, sender

ACCOUNTS = ("red:ann", "blue:bob", "green:cat", "black:dan")
BOTS = ("x", "y")
KEYS = tuple(f"{account}/dm/{bot}" for account in ACCOUNTS for bot in BOTS)

accounts = st.sampled_from(ACCOUNTS)
bots = st.sampled_from(BOTS)
any_turn = st.integers(0, 4)
numbers = itertools.count(1)


class Town(RuleBasedStateMachine):
    """Four people's accounts, two bots, and turns under way."""

    runner: asyncio.Runner
    client: object
    scripts: dict[str, str]
    is_late: bool
    """Whether a second process takes part that hears of changes now and then only."""

    def __init__(self) -> None:
        super().__init__()
        name = f"town{next(numbers)}"
        self.engine = Engine(self.client, prefix=name, lease=0, window=1000, mailbox_max=1000, scripts=self.scripts)
        codes = {"open_max": 1000, "wrong_max": 1000}
        self.hubs = [Hub(self.engine, People(self.engine, sender, codes=Codes(self.engine, **codes)))]
        if self.is_late:
            self.hubs.append(Hub(self.engine, People(self.engine, sender, codes=Codes(self.engine, **codes))))
            self.hubs[1].people.known.is_live.set()
        self.turns: list[tuple[Hub, Claim, Said]] = []
        self.accepted: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.order: dict[str, list[int]] = {key: [] for key in KEYS}

    def do(self, call):
        return self.runner.run(call)

    def teardown(self) -> None:
        self.do(self.settle())
        self.nothing_is_left_behind()
        self.do(self.engine.close())

    @initialize(first=accounts, second=accounts)
    def some_are_joined(self, first: str, second: str) -> None:
        for account in (first, second):
            self.say(0, account, "x")
        self.join(0, first, second, "x", "x")
        for _ in range(4):
            self.take(0, 3)
            self.end(0, False)
        self.say(0, first, "x")
        self.take(0, 3)

    @rule(process=st.integers(0, 1), account=accounts, bot=bots)
    def say(self, process: int, account: str, bot: str) -> None:
        self.put(process, account, bot, str(next(numbers)))

    @rule(process=st.integers(0, 1), first=accounts, second=accounts, bot=bots, second_bot=bots)
    def join(self, process: int, first: str, second: str, bot: str, second_bot: str) -> None:
        offer = flow.Offer(first, first, bot, f"{first}/dm/{bot}")
        code = self.do(self.hubs[0].people.codes.make(offer))
        self.put(process, second, second_bot, f"link {code} {next(numbers)}")

    @rule(process=st.integers(0, 1), account=accounts, bot=bots)
    def part(self, process: int, account: str, bot: str) -> None:
        self.put(process, account, bot, f"unlink {next(numbers)}")

    @rule(process=st.integers(0, 1), count=st.integers(1, 3))
    def take(self, process: int, count: int) -> None:
        hub = self.hubs[process % len(self.hubs)]
        for claim in self.do(self.engine.claim("w", count)).claims:
            self.begun(hub, claim, None)

    @rule(which=any_turn)
    def begin(self, which: int) -> None:
        if self.turns:
            hub, claim, said = self.turns.pop(which % len(self.turns))
            if said is None:
                self.do(self.go(hub, claim, None))
            else:
                self.begun(hub, claim, said)

    @rule(which=any_turn, is_cut=st.booleans())
    def end(self, which: int, is_cut: bool) -> None:
        if self.turns:
            self.do(self.go(*self.turns.pop(which % len(self.turns)), end=True, is_cut=is_cut))

    @rule()
    def end_all_at_once(self) -> None:
        turns, self.turns = self.turns, []

        async def all_at_once() -> None:
            await asyncio.gather(*(self.go(*turn, end=True) for turn in turns))

        self.do(all_at_once())

    def begun(self, hub: Hub, claim: Claim, said: Said | None) -> None:
        self.turns = [(hub, claim, said), *self.turns[:4]]

    async def go(self, hub: Hub, claim: Claim, said: Said | None, *, end: bool = False, is_cut: bool = False) -> None:
        """Bring a turn further, unless it is somebody else's by now."""
        try:
            said = said or await hub.begin(claim)
            if said and end:
                await self.answer(hub, claim, said, is_cut)
            elif said:
                self.begun(hub, claim, said)
        except Stale:
            return

    @rule()
    def everybody_dies(self) -> None:
        self.do(self.engine.reap("w"))

    @rule()
    def news_arrive(self) -> None:
        self.hubs[-1].people.known.forget()

    def put(self, process: int, account: str, bot: str, text: str) -> None:
        self.do(self.hubs[process % len(self.hubs)].say(account, text, bot))
        self.accepted[text] += 1

    async def answer(self, hub: Hub, claim: Claim, said: Said, is_cut: bool) -> None:
        if is_cut and not said.text.startswith(("link", "unlink")):
            await self.engine.fail(claim, "release")
            return
        append = []
        try:
            if said.text.startswith("link"):
                await self.link(hub, here(said, claim), said.text)
            elif said.text.startswith("unlink"):
                await flow.unlink(here(said, claim), hub.people)
            else:
                append = [msgspec.json.encode(Remembered("user", said.text, author=said.account, time=claim.time))]
                if not self.is_late:
                    shown = await hub.people.accounts(said.account)
                    assert claim.conversation.partition("/")[0] in shown
        except Busy:  # two of them may wait for each other, until one is told that it failed
            if claim.tries < 5:
                await self.engine.fail(claim, "retry")
                return
        if is_cut:  # when all was done but the answer
            await self.engine.fail(claim, "release")
            return
        await self.engine.commit(claim, outcome="answered", append=append)
        self.ended[said.text] += 1
        if append:
            self.order[said.key].append(int(said.text))

    async def link(self, hub: Hub, at: flow.Here, text: str) -> None:
        code = text.split()[1]
        question = await flow.link(at, hub.people, code)
        if not isinstance(question, str):
            await flow.answer(at, hub.people, question.choices[0].value)

    async def settle(self) -> None:
        """Let all be answered, and everybody say one thing more."""
        self.hubs[-1].people.known.forget()
        await self.engine.reap("w")
        for round_ in range(2):
            for account in ACCOUNTS if round_ else ():
                for bot in BOTS:
                    text = str(next(numbers))
                    await self.hubs[0].say(account, text, bot)
                    self.accepted[text] += 1
            for _ in range(60):
                for claim in (await self.engine.claim("w", 10)).claims:
                    if said := await self.hubs[0].begin(claim):
                        await self.answer(self.hubs[0], claim, said, False)

    # What always holds

    @invariant()
    def no_event_is_lost_or_doubled(self) -> None:
        at = self.engine.shards[0]

        async def read():
            pipe = self.client.pipeline(transaction=False)
            for key in KEYS:
                pipe.lrange(at.mb + key, 0, -1)
            return await pipe.xrange(at.rdy).hkeys(at.run).execute(), await self.engine.stats()

        (*mailboxes, tokens, run), stats = self.do(read())
        waiting = Counter(msgspec.json.decode(e, type=Said).text for mailbox in mailboxes for e in mailbox)
        assert waiting + self.ended == self.accepted
        assert stats.in_flight == waiting.total()
        assert stats.answered == self.ended.total()
        busy = sorted(key for key, mailbox in zip(KEYS, mailboxes, strict=True) if mailbox)
        assert sorted(fields[b"c"].decode() for _, fields in tokens) == busy
        assert sorted(name.decode() for name in run) == busy

    @invariant()
    def no_memory_is_lost_or_doubled(self) -> None:
        remembered = Counter(text for texts in self.sessions().values() for text in texts)
        assert remembered == Counter({text: n for text, n in self.ended.items() if text.isdecimal()})

    @invariant()
    def each_is_answered_in_order(self) -> None:
        if not self.is_late:
            assert all(order == sorted(order) for order in self.order.values())

    def nothing_is_left_behind(self) -> None:
        """All that was remembered stands in a home, or in the chat of somebody who is alone."""
        people = self.hubs[0].people
        sessions = self.sessions()
        for account in ACCOUNTS:
            for bot in BOTS:
                key = f"{account}/dm/{bot}"
                home = self.do(people.home(account, bot, key))
                assert home == key or not sessions[key]
                assert home.partition("/")[0] in self.do(people.accounts(account))
        assert self.accepted == self.ended

    def sessions(self) -> dict[str, list[str]]:
        at = self.engine.shards[0]

        async def read():
            pipe = self.client.pipeline(transaction=False)
            for key in KEYS:
                pipe.lrange(at.sess + key, 0, -1)
            return await pipe.execute()

        texts = [[msgspec.json.decode(r, type=Remembered).text for r in session] for session in self.do(read())]
        return dict(zip(KEYS, texts, strict=True))


@pytest.fixture
def town(store: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Town]]:
    monkeypatch.setattr("core.people.people.BUSY_LIMIT", -1)
    with asyncio.Runner() as runner:
        context = connect(f"unix://{store.socket}")
        client = runner.run(context.__aenter__())
        yield type("Town", (Town,), {"runner": runner, "client": client, "scripts": lua.load(), "is_late": False})
        runner.run(context.__aexit__(None, None, None))


def examine(town: type[Town], examples: int = 25) -> None:
    run_state_machine_as_test(
        town,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
        ),
    )


@pytest.mark.parametrize("is_late", [False, True], ids=["all know", "some are late"])
def test_every_interleaving_keeps_events_and_memories(town: type[Town], is_late: bool) -> None:
    town.is_late = is_late
    examine(town)


def without(*changes: tuple[str, str]) -> dict[str, str]:
    """The scripts, with REGROUP changed."""
    scripts = lua.load()
    for old, new in changes:
        assert old in scripts["regroup"]
        scripts["regroup"] = scripts["regroup"].replace(old, new)
    return scripts


@pytest.mark.parametrize(
    "scripts",
    [
        pytest.param(without(("or (i == 1 and not claim.ends)", "")), id="the head goes too"),
        pytest.param(without(("  redis.call('DEL', from.sess, from.note)", "")), id="memories doubled"),
        pytest.param(without(("      hand(to)", "")), id="nobody is woken"),
    ],
)
def test_a_missing_safeguard_is_found(town: type[Town], scripts: dict[str, str]) -> None:
    town.scripts = scripts
    town.is_late = True
    with pytest.raises((AssertionError, StoreError, Stale)):
        examine(town, 100)
