"""How an answer that is being given is cut short, and by what."""

import asyncio
import contextlib

import pytest

from core import under_way as module
from core.overlap import Question
from core.under_way import Answering, CutShort, UnderWay
from tests.fakes import command, said

STOP = command("stop", n=7)


@pytest.fixture
def under_way():
    return UnderWay()


def answering(under_way, conversation="c", **more):
    return under_way.answering(conversation, Question(said("a", 1), ("1",)), "queue", lambda event: True, **more)


async def cut_by(body):
    """What `body`, given an answer that is being given, is cut short by."""
    it = Answering(Question(said("a", 1), ("1",)), "queue", lambda event: True)
    try:
        async with it:
            await body(it)
    except CutShort as short:
        return short.cut
    return None


async def test_of_two_events_that_end_an_answer_the_first_counts():
    async def body(it):
        for event in (said("stop", 2), STOP):
            asyncio.get_running_loop().call_soon(it.hear, event)
        await asyncio.Event().wait()

    assert await cut_by(body) == "stopped"
    assert not asyncio.current_task().cancelling()
    await asyncio.sleep(0)  # nothing of it is left to strike later


async def test_a_turn_that_is_cancelled_as_it_is_cut_short_stays_cancelled():
    async def body(it):
        asyncio.get_running_loop().call_soon(it.hear, STOP)
        asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)
        await asyncio.Event().wait()

    task = asyncio.create_task(cut_by(body))
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_bot_that_swallows_its_end_is_cut_short_all_the_same():
    async def body(it):
        asyncio.get_running_loop().call_soon(it.hear, STOP)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    assert await cut_by(body) == "stopped"
    assert not asyncio.current_task().cancelling()


@pytest.mark.parametrize(("upto", "is_cut"), [(4, True), (5, False), (6, False)])
def test_what_was_accepted_behind_what_a_turn_knows_cuts_it_and_nothing_else_does(under_way, upto, is_cut):
    assert not under_way.hear("c", STOP, 5)  # before the turn has begun
    with answering(under_way, upto=upto) as it:
        assert it.is_cut == is_cut
    with answering(under_way, upto=upto) as it:
        assert under_way.hear("c", STOP, 5)
        assert it.is_cut == is_cut


def test_the_end_of_a_turn_that_was_taken_over_leaves_its_successor_alone(under_way):
    with answering(under_way) as successor:
        with answering(under_way):
            under_way._answers["c"] = successor
        assert under_way.hear("c", STOP, 1)
    assert successor.is_cut


def test_what_is_kept_for_turns_that_may_begin_is_bounded_and_the_latest(under_way, monkeypatch):
    monkeypatch.setattr(module, "EARLY_MAX", 2)
    for conversation in ("old", "newer", "newest"):
        under_way.hear(conversation, STOP, 1)
    cut = []
    for conversation in ("old", "newest"):
        with answering(under_way, conversation) as it:
            cut.append(it.is_cut)
    assert cut == [False, True]
    for number in range(30):
        under_way.hear("busy", said("hm", number), number)
    assert [number for _, number in under_way._early["busy"]] == list(range(20, 30))
