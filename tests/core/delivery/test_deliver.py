import aiohttp
import pytest

from core.adapter import Settings, Wiring
from core.delivery.deliver import Staged, deliver, fit, gather
from core.delivery.gate import Gate
from core.errors import Throttled, Unavailable, Unconfirmed, Undeliverable
from core.events import Address, Part
from tests.fakes import FakeAdapter, NoCursors, menu, nowhere

TO = Address("fake", "r1", "t1", "m0")


@pytest.fixture
async def adapter():
    async with aiohttp.ClientSession() as http:
        yield FakeAdapter(Settings(platform="fake"), Wiring("fake", nowhere, http, "http://hub", NoCursors()))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Back-off without its seconds: what is slept is noted."""
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr("core.delivery.deliver.asyncio.sleep", sleep)
    return slept


class Store:
    """Keeps what was staged, and can die at a given save."""

    def __init__(self, dies_at=None):
        self.saves = []
        self.dies_at = dies_at

    async def __call__(self, staged):
        self.saves.append(len(staged.sent))
        if len(self.saves) == self.dies_at:
            raise ConnectionError("killed")


def staged(*texts):
    return Staged(TO, [Part(text) for text in texts], 1000.0)


async def test_parts_go_out_in_order_to_the_address_of_the_event(adapter):
    await deliver(staged("a", "b", "c"), adapter, Gate(), Store(), "turn", resumed=False)
    assert adapter.texts == ["a", "b", "c"]
    assert {to for to, _, _ in adapter.sent} == {TO}


async def test_progress_is_saved_between_parts_and_not_after_the_last(adapter):
    store = Store()
    await deliver(staged("a", "b", "c"), adapter, Gate(), store, "turn", resumed=False)
    assert store.saves == [1, 2]


async def test_a_crash_between_parts_repeats_nothing(adapter):
    answer = staged("a", "b", "c")
    with pytest.raises(ConnectionError):
        await deliver(answer, adapter, Gate(), Store(dies_at=2), "turn", resumed=False)
    answer.sent = answer.sent[:1]  # what the store knows: the save after b was lost
    await deliver(answer, adapter, Gate(), Store(), "turn", resumed=True)
    assert adapter.texts == ["a", "b", "c"]


async def test_each_part_has_its_own_key_which_stays_the_same_on_every_try(adapter):
    for _ in range(2):
        await deliver(staged("a", "b"), adapter, Gate(), Store(), "turn", resumed=False)
    keys = [key for _, _, key in adapter.sent]
    assert keys[:2] == keys[2:]
    assert keys[0] != keys[1]
    assert all(len(key) == 25 for key in keys)


async def test_a_lost_answer_is_looked_for_before_sending_again(adapter):
    adapter.trouble, adapter.accept_before_trouble = [Unconfirmed("time-out")], True
    await deliver(staged("a"), adapter, Gate(), Store(), "turn", resumed=False)
    assert adapter.texts == ["a"]


async def test_what_was_not_sent_is_sent_again_after_a_pause(adapter, no_waiting):
    adapter.trouble = [Unavailable("refused"), Unavailable("refused")]
    await deliver(staged("a"), adapter, Gate(), Store(), "turn", resumed=False)
    assert adapter.texts == ["a"]
    assert no_waiting == sorted(no_waiting) != []


async def test_what_can_never_be_sent_is_not_tried_again(adapter):
    adapter.trouble = [Undeliverable("blocked")]
    with pytest.raises(Undeliverable):
        await deliver(staged("a"), adapter, Gate(), Store(), "turn", resumed=False)
    assert adapter.texts == []


async def test_a_throttled_room_waits_and_keeps_the_last_word(adapter):
    adapter.trouble = [Throttled(0.01), Throttled(0.01)]
    await deliver(staged("a"), adapter, Gate(), Store(), "turn", resumed=False)
    assert adapter.texts == ["a"]


async def test_pieces_of_text_make_one_part_and_parts_stand_alone():
    async def pieces():
        for piece in ("Hel", "lo", menu("Which?", "A"), "Bye", " "):
            yield piece

    assert [part.text for part in await gather(pieces())] == ["Hello", "Which?", "Bye "]


async def test_an_answer_of_nothing_has_no_parts():
    async def pieces():
        yield "  \n"

    assert await gather(pieces()) == []


def test_a_long_answer_is_split_and_its_buttons_stay_under_the_end(adapter):
    long = "\n\n".join(f"paragraph {n} " + "x" * 80 for n in range(5))
    parts = fit([Part(long, menu("", "A").choices)], adapter)
    assert all(len(part.text) <= 200 for part in parts)
    assert [bool(part.choices) for part in parts] == [False] * (len(parts) - 1) + [True]


def test_choices_become_a_numbered_list_where_there_are_no_buttons(adapter, monkeypatch):
    monkeypatch.setattr(FakeAdapter, "capabilities", type(adapter).capabilities.__class__(max_text=200))
    assert fit([menu("Which?", "Red", "Blue")], adapter) == [Part("Which?\n\n1. Red\n2. Blue")]
