import asyncio
from itertools import pairwise

import aiohttp
import pytest

from core.adapter import Settings, Wiring
from core.bot import Restart
from core.delivery.answer import Answer, fit, fitted
from core.delivery.deliver import GONE, Delivery, Staged
from core.delivery.gate import Gate
from core.errors import Throttled, Unavailable, Unconfirmed, Undeliverable
from core.events import Address, Part
from tests.fakes import FakeAdapter, NoCursors, menu, nowhere, turn

TO = Address("fake", "r1", "t1", "m0")


@pytest.fixture
async def adapter():
    async with aiohttp.ClientSession() as http:
        yield FakeAdapter(Settings(platform="fake"), Wiring("fake", nowhere, http, "http://hub", NoCursors()))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Back-off without its seconds: what is slept is noted."""
    slept = []

    real = asyncio.sleep

    async def sleep(seconds):
        slept.append(seconds)
        await real(min(seconds, 0.05))

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


def parts(*texts):
    return [Part(text) for text in texts]


@pytest.fixture
def delivery(adapter):
    """Makes deliveries; by default a fresh one with a store that lives."""

    def make(store=None, staged=None, *, resumed=False):
        return Delivery(staged or Staged(TO, 1000.0), adapter, Gate(), store or Store(), "turn", resumed=resumed)

    return make


async def test_parts_go_out_in_order_to_the_address_of_the_event(adapter, delivery):
    await delivery().finish(parts("a", "b", "c"))
    assert adapter.texts == ["a", "b", "c"]
    assert {to for to, _, _ in adapter.sent} == {TO}


async def test_progress_is_saved_before_the_first_and_between_parts_and_not_after_the_last(delivery):
    store = Store()
    await delivery(store).finish(parts("a", "b", "c"))
    assert store.saves == [0, 1, 2]


@pytest.mark.parametrize("dies_at", [1, 2, 3])
async def test_a_crash_between_parts_repeats_nothing(adapter, delivery, dies_at):
    staged, store = Staged(TO, 1000.0), Store(dies_at)
    with pytest.raises(ConnectionError):
        await delivery(store, staged).finish(parts("a", "b", "c"))
    staged.sent = staged.sent[: max(0, dies_at - 2)]  # what the store knows: the save that failed was lost
    await delivery(Store(), staged, resumed=True).finish(staged.parts)
    assert adapter.texts == ["a", "b", "c"]


async def test_each_part_has_its_own_key_which_stays_the_same_on_every_try(adapter, delivery):
    for _ in range(2):
        await delivery().finish(parts("a", "b"))
    keys = [key for _, _, key in adapter.sent]
    assert keys[:2] == keys[2:]
    assert keys[0] != keys[1]
    assert all(len(key) == 25 for key in keys)


async def test_a_lost_answer_is_looked_for_before_sending_again(adapter, delivery):
    adapter.trouble, adapter.accept_before_trouble = [Unconfirmed("time-out")], True
    await delivery().finish(parts("a"))
    assert adapter.texts == ["a"]


async def test_what_was_not_sent_is_sent_again_after_a_pause(adapter, delivery, no_waiting):
    adapter.trouble = [Unavailable("refused"), Unavailable("refused")]
    await delivery().finish(parts("a"))
    assert adapter.texts == ["a"]
    assert no_waiting == sorted(no_waiting) != []


async def test_what_can_never_be_sent_is_not_tried_again(adapter, delivery):
    adapter.trouble = [Undeliverable("blocked")]
    with pytest.raises(Undeliverable):
        await delivery().finish(parts("a"))
    assert adapter.texts == []


async def test_a_throttled_room_waits_and_keeps_the_last_word(adapter, delivery):
    adapter.trouble = [Throttled(0.01), Throttled(0.01)]
    await delivery().finish(parts("a"))
    assert adapter.texts == ["a"]


async def test_drafts_become_the_answer_by_edits_of_what_differs(adapter, delivery):
    it = delivery()
    await it.draft(parts("Hel"))
    await it.draft(parts("Hello", "wor"))
    await it.finish(parts("Hello", "world", "!"))
    assert adapter.texts == ["Hello", "world", "!"]
    assert adapter.edits == ["Hello", "world"]


async def test_a_draft_that_was_shown_before_a_crash_is_taken_up_and_not_repeated(adapter, delivery):
    staged = Staged(TO, 1000.0)
    await delivery(staged=staged).draft(parts("Hel"))
    assert staged.parts is None  # the bot must be asked again
    await delivery(staged=staged, resumed=True).finish(parts("Good day"))
    assert adapter.texts == ["Good day"]


async def test_a_draft_that_is_found_after_a_crash_is_brought_up_to_date(adapter, delivery):
    await delivery(Store(dies_at=2)).show(parts("Hel"))  # the save that would have told of it was lost
    await delivery(staged=Staged(TO, 1000.0), resumed=True).finish(parts("Hello"))
    assert adapter.texts == ["Hello"]


async def test_a_message_that_is_not_needed_after_all_shows_that(adapter, delivery):
    it = delivery()
    await it.draft(parts("a", "b"))
    await it.finish(parts("short"))
    assert adapter.texts == ["short", GONE.text]


async def test_who_has_lost_the_turn_does_not_write_over_the_answer(adapter, delivery):
    mine, owner = Staged(TO, 1000.0), ["mine"]

    async def save(_):
        if owner != ["mine"]:
            raise ConnectionError("the turn belongs to somebody else")

    zombie = delivery(save, mine)
    await zombie.draft(parts("Hel"))
    owner[:] = ["other"]
    await delivery(staged=Staged(TO, 1000.0, sent=list(mine.sent)), resumed=True).finish(parts("The answer"))
    with pytest.raises(ConnectionError):
        await zombie.draft(parts("Hello"))
    assert adapter.texts == ["The answer"]


async def test_a_throttled_search_is_waited_for_like_a_send(adapter, delivery, monkeypatch):
    real, refusals = adapter.find, [Throttled(0.01)] * 5

    async def find(*where):
        if refusals:
            raise refusals.pop()
        return await real(*where)

    monkeypatch.setattr(adapter, "find", find)
    await delivery(resumed=True).finish(parts("a"))
    assert adapter.texts == ["a"]


async def test_what_is_found_and_cannot_be_edited_has_to_do(adapter, delivery):
    await delivery(Store(dies_at=2)).show(parts("a"))
    adapter.edit_trouble = [Undeliverable("the time for edits is over")]
    await delivery(resumed=True).finish(parts("a"))
    assert adapter.texts == ["a"]


async def test_a_draft_of_an_earlier_try_that_cannot_be_edited_is_answered_anew(adapter, delivery):
    staged = Staged(TO, 1000.0)
    await delivery(staged=staged).draft(parts("Hel"))
    adapter.edit_trouble = [Undeliverable("gone")] * 9
    store = Store()
    await delivery(store, staged, resumed=True).finish(parts("Hello", "world"))
    assert adapter.texts == ["Hel", "Hello", "world"]
    assert [sent.id for sent in staged.sent] == ["m2", "m3"]
    assert len(store.saves) == 2  # the new message is known before the next is sent


async def test_a_turn_that_was_taken_over_during_a_wait_sends_nothing(adapter):
    gate, owner = Gate(), ["mine"]

    async def save(_):
        if owner != ["mine"]:
            raise ConnectionError("the turn belongs to somebody else")

    gate.close(TO, Throttled(0.05))
    sending = asyncio.create_task(
        Delivery(Staged(TO, 1000.0), adapter, gate, save, "turn", resumed=False).finish(parts("a"))
    )
    await asyncio.sleep(0)
    owner[:] = ["other"]
    with pytest.raises(ConnectionError):
        await sending
    assert adapter.texts == []


async def test_what_cannot_be_edited_any_more_is_sent_anew(adapter, delivery):
    it = delivery()
    await it.draft(parts("Hel"))
    adapter.edit_trouble = [Undeliverable("message is gone")]
    await it.finish(parts("Hello"))
    assert adapter.texts == ["Hel", "Hello"]


def test_pieces_of_text_make_one_part_and_parts_stand_alone():
    answer = Answer(turn())
    for piece in ("Hel", "lo", menu("Which?", "A"), "Bye", " "):
        answer.add(piece)
    assert [part.text for part in answer.parts()] == ["Hello", "Which?", "Bye "]


def test_a_restart_voids_the_text_and_keeps_whole_parts():
    answer = Answer(turn())
    for piece in (menu("Which?", "A"), "wrong", Restart(), "right"):
        answer.add(piece)
    assert [part.text for part in answer.parts()] == ["Which?", "right"]


def test_an_answer_of_nothing_has_no_parts():
    answer = Answer(turn())
    answer.add("  \n")
    assert answer.parts() == []


def test_a_long_answer_is_split_and_its_buttons_stay_under_the_end(adapter):
    long = "\n\n".join(f"paragraph {n} " + "x" * 80 for n in range(5))
    fitting = fit([Part(long, menu("", "A").choices)], adapter)
    assert all(len(part.text) <= 200 for part in fitting)
    assert [bool(part.choices) for part in fitting] == [False] * (len(fitting) - 1) + [True]


def test_choices_become_a_numbered_list_where_there_are_no_buttons(adapter, monkeypatch):
    monkeypatch.setattr(FakeAdapter, "capabilities", type(adapter).capabilities.__class__(max_text=200))
    assert fit([menu("Which?", "Red", "Blue")], adapter) == [Part("Which?\n\n1. Red\n2. Blue")]


@pytest.mark.parametrize("text", ["> " * 20000, "[" * 60000, "- a\n" * 30000, "x" * 60000, "_*" * 10000])
async def test_a_text_that_no_reader_meant_still_arrives_in_pieces_and_holds_up_nobody(adapter, text):
    beats = []

    async def beat():
        while True:
            beats.append(asyncio.get_running_loop().time())
            await asyncio.sleep(0.005)

    beating = asyncio.create_task(beat())
    fitting = await fitted([Part(text)], adapter, None)
    beating.cancel()
    assert all(adapter.measure(part.text) <= 200 for part in fitting)
    assert max((b - a for a, b in pairwise(beats)), default=0) < 2


def test_lone_surrogates_never_reach_a_platform():
    answer = Answer(turn())
    answer.add("a\ud800b")
    answer.add(Part("c\udfff"))
    assert [part.text for part in answer.parts()] == ["a?b", "c?"]


def test_a_bot_that_yields_something_else_is_told_so():
    with pytest.raises(TypeError, match="not int"):
        Answer(turn()).add(5)
