import asyncio

import pytest

from core.delivery.answer import Answer
from core.delivery.deliver import Delivery, Staged
from core.delivery.gate import Gate
from core.delivery.live import Live
from core.engine.engine import Stale
from core.errors import Undeliverable
from core.events import Address, Part
from tests.core.delivery.test_deliver import Store, adapter  # noqa: F401 - a fixture
from tests.fakes import turn

TO = Address("fake", "r1")


@pytest.fixture
def delivery(adapter, monkeypatch):  # noqa: F811
    monkeypatch.setattr("core.delivery.live.FIRST", 0.0)
    return Delivery(Staged(TO, 1000.0), adapter, Gate(), Store(), "turn", resumed=False)


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_the_user_reads_along_and_the_last_word_is_the_answer(delivery, adapter):  # noqa: F811
    answer = Answer(turn())
    async with Live(answer, delivery) as live:
        for text in ("one ", "two ", "three"):
            answer.add(text)
            live.news()
            await until(lambda: adapter.texts == [answer.parts()[0].text])
    await delivery.finish(answer.parts())
    assert adapter.texts == ["one two three"]
    assert len(adapter.edits) == 2


async def test_an_answer_that_is_whole_at_once_is_sent_once(delivery, adapter, monkeypatch):  # noqa: F811
    monkeypatch.setattr("core.delivery.live.FIRST", 60.0)
    answer = Answer(turn())
    async with Live(answer, delivery) as live:
        answer.add("all of it")
        live.news()
    await delivery.finish(answer.parts())
    assert (adapter.texts, adapter.edits) == (["all of it"], [])


async def test_a_long_answer_grows_over_several_messages(delivery, adapter):  # noqa: F811
    answer = Answer(turn())
    async with Live(answer, delivery) as live:
        for number in range(12):
            answer.add(f"Paragraph {number} has {'x' * 60} in it.\n\n")
            live.news()
            await until(lambda number=number: f"Paragraph {number}" in "".join(adapter.texts))
    assert len(adapter.texts) > 3
    assert all(len(text) <= 200 for text in adapter.texts)
    assert "".join(adapter.texts).count("Paragraph") == 12


async def test_a_draft_that_cannot_be_shown_does_not_hurt_the_answer(delivery, adapter):  # noqa: F811
    adapter.trouble = [Undeliverable("not now")]
    answer = Answer(turn())
    async with Live(answer, delivery) as live:
        answer.add("one ")
        live.news()
        await until(lambda: not adapter.trouble)
        answer.add("two")
        live.news()
    await delivery.finish(answer.parts())
    assert adapter.texts == ["one two"]


async def test_a_turn_that_belongs_to_somebody_else_shows_nothing(adapter, monkeypatch):  # noqa: F811
    monkeypatch.setattr("core.delivery.live.FIRST", 0.0)

    async def stale(_):
        raise Stale("c")

    async def read_along():
        answer = Answer(turn())
        async with Live(answer, Delivery(Staged(TO, 0.0), adapter, Gate(), stale, "turn", resumed=False)) as live:
            answer.add("hello")
            live.news()
            await asyncio.sleep(0.01)

    with pytest.raises(Stale):
        await read_along()
    assert adapter.texts == []


async def test_buttons_come_with_the_message_they_belong_to(delivery, adapter):  # noqa: F811
    answer = Answer(turn())
    async with Live(answer, delivery) as live:
        answer.add("text")
        live.news()
        await until(lambda: adapter.texts == ["text"])
        answer.add(Part("choose"))
        live.news()
        await until(lambda: adapter.texts == ["text", "choose"])


async def test_a_fault_of_the_adapter_is_none_of_the_bot(delivery, adapter, monkeypatch):  # noqa: F811
    real = adapter.send

    async def broken(*what):
        monkeypatch.setattr(adapter, "send", real)
        raise ZeroDivisionError("bug")

    monkeypatch.setattr(adapter, "send", broken)
    answer = Answer(turn())
    async with Live(answer, delivery) as live:
        answer.add("one ")
        live.news()
        await until(lambda: adapter.send == real)
        answer.add("two")
        live.news()
    await delivery.finish(answer.parts())
    assert adapter.texts == ["one two"]
