"""RESERVE and SETTLE against a model of what they promise: repeats, retries, new settings, a clock that jumps."""

import asyncio
import itertools
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from redis.asyncio import Redis

from core.engine import lua
from core.engine.engine import Engine
from core.engine.store import connect
from core.limits.errors import Refused
from core.limits.limits import Limits, Payer
from core.limits.money import MICRO
from core.limits.rules import rules
from core.limits.settings import LimitsSettings
from core.limits.usage import usage

SECTIONS = (
    {"per_user": ["2/minute", "4/hour"], "budget_per_user": ["10/day", "6/hour"], "budget_per_hub": "25/month"},
    {"per_room": "3/minute", "per_channel": "6/hour", "per_hub": "5/2 minutes", "budget_per_room": "8/day"},
    {"per_user": "3/minute", "budget_per_user": "12/day", "budget_per_channel": "15/month"},
)
PAYERS = [Payer(f"p:{user}", channel, room) for user, channel, room in ("aCx", "bCx", "aDx", "bDy")]
JUMPS = (1, 45, 130, 1800, 7200, 86_400, 20 * 86_400)
START = datetime(2099, 12, 30, 22, 0, tzinfo=UTC).timestamp()
"""Ahead of the server's own clock, by which keys expire."""
numbers = itertools.count(1)

turns = st.integers(0, 4)
amounts = st.integers(0, 7)


class Spending(RuleBasedStateMachine):
    """What users see of the limits, beside dictionaries that say what they should see."""

    runner: asyncio.Runner
    client: Redis
    scripts: dict[str, str]

    def __init__(self) -> None:
        super().__init__()
        prefix = f"spend{next(numbers)}"
        clock = f"{prefix}:clock"
        told_time = f"{{redis.call('GET', '{clock}'), '0'}}"
        scripts = {name: text.replace("redis.call('TIME')", told_time) for name, text in self.scripts.items()}
        self.engine = Engine(self.client, prefix=prefix, scripts=scripts)
        self.clock = clock
        self.section = SECTIONS[0]
        self.limits = Limits(self.engine, LimitsSettings(**self.section))
        self.now = START
        self.jump(1)
        self.generation = Counter[int]()
        self.tries = Counter[str]()
        self.windows: dict[tuple[str, str], list[float]] = {}
        """(whose, field) -> [count, end]"""
        self.turns: dict[str, dict] = {}
        self.used = Counter[tuple[str, float]]()
        """(account, day) -> tokens"""

    def do(self, call):
        return self.runner.run(call)

    def teardown(self) -> None:
        self.do(self.engine.close())

    def turn(self, n: int) -> tuple[Payer, str]:
        return PAYERS[n % len(PAYERS)], f"t{n}.{self.generation[n]}"

    def window(self, payer: Payer, limit) -> tuple[tuple[str, str], list[float]]:
        whose = {"user": payer.account, "room": f"{payer.channel}/{payer.room}", "channel": payer.channel, "hub": ""}
        key = (f"{limit.scope} {whose[limit.scope]}", limit.field)
        count, end = self.windows.get(key, (0, 0))
        return key, ([count, end] if end > self.now else [0, self.end(limit.period)])

    def end(self, period: str) -> float:
        now = datetime.fromtimestamp(self.now, UTC)
        match period:
            case "hour" | "day":
                length = 3600 if period == "hour" else 86400
                return (self.now // length + 1) * length
            case "month":
                return datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC).timestamp()
        return self.now + int(period) / 1000

    @rule(seconds=st.sampled_from(JUMPS))
    def jump(self, seconds: int) -> None:
        self.now += seconds
        self.do(self.client.set(self.clock, int(self.now)))

    @rule(n=turns)
    def next_turn(self, n: int) -> None:
        self.generation[n] += 1

    @rule(n=turns)
    def try_again(self, n: int) -> None:
        self.tries[self.turn(n)[1]] += 1

    @rule(which=st.sampled_from(SECTIONS))
    def new_settings(self, which: dict) -> None:
        self.section = which
        self.limits.use(LimitsSettings(**which))

    @rule(n=turns, first=amounts, later=st.sampled_from((1, 3600, 86_400)), cost=amounts, other=st.booleans())
    def reserve_on_both_sides_of_an_edge(self, n: int, first: int, later: int, cost: int, other: bool) -> None:
        self.next_turn(n)
        self.reserve(n, first, False)
        self.jump(later)
        self.reserve(n + 1 if other else n, first + 2, False)
        self.settle(n, cost, True)

    @rule(n=turns, amount=amounts, which=st.sampled_from(SECTIONS), cost=amounts)
    def die_and_try_again_under_other_settings(self, n: int, amount: int, which: dict, cost: int) -> None:
        self.next_turn(n)
        self.reserve(n, amount, False)
        self.new_settings(which)
        self.try_again(n)
        self.reserve(n, amount, False)
        self.settle(n, cost, False)

    @rule(n=turns, amount=amounts, repeat=st.booleans())
    def reserve(self, n: int, amount: int, repeat: bool) -> None:
        payer, turn_id = self.turn(n)
        for _ in range(2 if repeat else 1):
            got = self.do(self.limits._reserve(payer, turn_id, str(self.tries[turn_id]), amount * MICRO))
            expected = self.expected(payer, turn_id, amount)
            if isinstance(expected, float):
                assert isinstance(got, Refused), got
                assert got.resets_in == pytest.approx(expected - self.now, abs=0.001)
            else:
                assert got == expected * MICRO

    @rule(payer=st.sampled_from(PAYERS))
    def look(self, payer: Payer) -> None:
        found = self.do(self.client.hgetall(self.limits._keys(payer, "")[1]))
        assert usage(found, self.now, ()).tokens == self.used[payer.account, self.end("day")]

    def expected(self, payer: Payer, turn_id: str, amount: int) -> int | float:
        """What the try has in all; or, refused, when the last of the refusing windows ends."""
        turn = self.turns.get(turn_id, {"open": False, "sum": 0, "taken": {}})
        is_open = turn["open"] and turn["by"] == self.tries[turn_id]
        held = turn["sum"] if is_open else 0
        more, message = max(0, amount - held), turn_id not in self.turns
        if is_open and not more:
            return held
        changed, over = [], []
        for limit in rules(LimitsSettings(**self.section)):
            key, (count, end) = self.window(payer, limit)
            take = more if limit.is_money else int(message)
            most = limit.most / MICRO if limit.is_money else limit.most
            over += [float(end)] if take and count + take > most else []
            changed.append((key, limit, count + take, end, take))
        if over:
            return max(over)
        taken = turn["taken"] if is_open else {}
        for key, limit, count, end, take in changed:
            if take or limit.is_money:
                self.windows[key] = [count, end]
            if limit.is_money:
                before, till = taken.get(key, (0, end))
                taken[key] = (take + (before if till == end else 0), end)
        self.turns[turn_id] = {"open": True, "by": self.tries[turn_id], "sum": held + more, "taken": taken}
        return held + more

    @rule(n=turns, cost=amounts, repeat=st.booleans())
    def settle(self, n: int, cost: int, repeat: bool) -> None:
        payer, turn_id = self.turn(n)
        by = self.tries[turn_id]
        for _ in range(2 if repeat else 1):
            self.do(self.limits.settle(payer, turn_id, cost=cost, tokens=cost, attempt=str(by)))
        turn = self.turns.get(turn_id, {"open": True, "by": by, "sum": 0, "taken": {}})
        if turn["open"] != (turn["by"] == by) or (turn_id not in self.turns and not cost):
            return
        self.used[payer.account, self.end("day")] += cost
        for key, (taken, end) in turn["taken"].items():
            if self.windows[key][1] == end:
                self.windows[key][0] -= min(turn["sum"] - cost, taken)
        self.turns[turn_id] = {"open": False, "by": by, "sum": 0, "taken": {}}


def scripts_used() -> dict[str, str]:
    return {name: text for name, text in lua.load().items() if name in ("reserve", "settle")}


def run(store, scripts: dict[str, str], examples: int, **options) -> None:
    with asyncio.Runner() as runner:
        opened = connect(f"unix://{store.socket}")
        client = runner.run(opened.__aenter__())
        machine = type("Spending", (Spending,), {"runner": runner, "client": client, "scripts": scripts})
        try:
            run_state_machine_as_test(
                machine, settings=settings(max_examples=examples, stateful_step_count=40, deadline=None, **options)
            )
        finally:
            runner.run(opened.__aexit__(None, None, None))


def test_the_limits_keep_what_they_promise(store):
    run(store, scripts_used(), 60)


@pytest.mark.parametrize(
    ("script", "safeguard", "instead"),
    [
        ("reserve", "local message = known and 0 or 1", "local message = 1"),
        ("reserve", "if refused then", "if refused and false then"),
        ("reserve", "if not limit.till or limit.till <= now then", "if not limit.till then"),
        ("reserve", "local is_open = open == '1' and by == try", "local is_open = open == '1'"),
        ("reserve", "redis.call('DEL', turn)", ""),
        ("settle", "is_open ~= is_ours", "not is_open"),
        ("settle", "is_open ~= is_ours", "not is_ours"),
        ("settle", "math.min(surplus, tonumber(taken))", "surplus"),
        ("settle", "change ~= 0 and redis.call('HGET', key, field .. ':end') == till", "change ~= 0"),
    ],
)
def test_without_a_safeguard_they_do_not(store, script, safeguard, instead):
    scripts = scripts_used()
    assert safeguard in scripts[script]
    scripts[script] = scripts[script].replace(safeguard, instead)
    with pytest.raises(AssertionError):
        run(store, scripts, 1000, phases=[Phase.generate], database=None, derandomize=True)
