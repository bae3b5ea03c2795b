import asyncio

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


async def test_gates_that_have_opened_are_forgotten():
    gate = Gate()
    gate.close(HERE, Throttled(0.0))
    assert gate.is_open(HERE)
    assert gate._closed == {}
