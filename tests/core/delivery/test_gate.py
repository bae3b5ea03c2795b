import asyncio

import pytest

from core.delivery.gate import Gate
from core.errors import Throttled
from core.events import Address

HERE, THERE, ELSEWHERE = Address("c", "here"), Address("c", "there"), Address("other", "here")


async def test_a_throttled_room_closes_the_gate_for_that_room_alone():
    gate = Gate()
    gate.close(HERE, Throttled(60, "room"))
    assert [gate.is_open(to) for to in (HERE, THERE, ELSEWHERE)] == [False, True, True]


async def test_a_throttled_bot_closes_the_gate_for_its_channel_alone():
    gate = Gate()
    gate.close(HERE, Throttled(60, "bot"))
    assert [gate.is_open(to) for to in (HERE, THERE, ELSEWHERE)] == [False, False, True]


async def test_nobody_passes_a_closed_gate_and_all_do_when_it_opens():
    gate, calls = Gate(), []

    async def call(name, refusals):
        if refusals:
            raise Throttled(refusals.pop())
        calls.append(name)

    refusals = [0.02]
    await asyncio.gather(*(gate.send(HERE, lambda name=name: call(name, refusals)) for name in "abc"))
    assert sorted(calls) == ["a", "b", "c"]


async def test_a_longer_wait_is_not_shortened_by_a_later_answer():
    gate = Gate()
    gate.close(HERE, Throttled(60))
    gate.close(HERE, Throttled(0.0))
    assert not gate.is_open(HERE)


async def test_gates_that_have_opened_are_forgotten(monkeypatch):
    monkeypatch.setattr("core.delivery.gate.SHORTEST", 0.0)
    gate = Gate()
    gate.close(HERE, Throttled(0.0))
    assert gate.is_open(HERE)
    assert gate._closed == {}


async def test_a_wait_that_is_too_long_is_given_back_to_the_caller():
    gate = Gate()
    gate.close(HERE, Throttled(3600))

    async def call():
        raise AssertionError("nobody passes a closed gate")

    with pytest.raises(Throttled) as caught:
        await gate.send(HERE, call)
    assert caught.value.retry_after > 3500


async def test_whoever_waited_looks_around_before_going_on():
    gate, seen = Gate(), []
    gate.close(HERE, Throttled(0.01))

    async def look():
        seen.append("looked")

    async def call():
        seen.append("called")

    await gate.send(HERE, call, look)
    assert seen == ["looked", "called"]


async def test_a_platform_that_says_later_without_a_time_does_not_hold_the_loop():
    gate, refusals = Gate(), [Throttled(0.0)] * 2

    async def call():
        if refusals:
            raise refusals.pop()
        return "sent"

    async with asyncio.timeout(5):
        assert await gate.send(HERE, call) == "sent"
