import asyncio
from collections.abc import Iterator
from contextlib import aclosing

import pytest
from stamina.instrumentation import set_on_retry_hooks

from core.model.breaker import Breaker
from core.model.chain import Chain, Retries
from core.model.client import OpenAIModel
from core.model.errors import (
    BadModelKey,
    BrokenStream,
    ModelRefused,
    ModelThrottled,
    ModelUnavailable,
)
from core.model.link import Link
from core.model.port import TextPiece
from simulators.openai import OpenAISimulator
from tests.core.model.asking import FakeModel, answer, end, pieces, question

AWAY = ModelUnavailable("away")


class Time:
    """A clock that moves on only when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def pauses() -> Iterator[list[float]]:
    """Seconds before each retry."""
    found: list[float] = []
    set_on_retry_hooks([lambda details: found.append(details.wait_for)])
    yield found
    set_on_retry_hooks(None)


@pytest.fixture
def first() -> FakeModel:
    return FakeModel("first")


@pytest.fixture
def second() -> FakeModel:
    return FakeModel("second", context_tokens=2000)


@pytest.fixture
def chain(first: FakeModel, second: FakeModel) -> Chain:
    return Chain([Link(first), Link(second)], retries=Retries(first=0.01))


async def test_the_first_model_answers_when_it_can(chain, second):
    assert await answer(chain) == "first"
    assert second.asked == []


async def test_a_hiccup_is_retried_on_the_same_model(chain, first, pauses):
    first.script = [AWAY, BrokenStream("cut")]
    assert await answer(chain) == "first"
    assert 0.01 <= pauses[0] <= 0.0125 < 0.02 <= pauses[1] <= 0.0225


async def test_after_two_retries_the_next_model_answers(chain, first):
    first.script = [AWAY] * 9
    assert await answer(chain) == "second"
    assert len(first.asked) == 3


async def test_a_wait_that_was_asked_for_is_kept(chain, first, pauses):
    first.script = [ModelThrottled("wait", 0.05)]
    assert await answer(chain) == "first"
    assert 0.06 <= pauses[0] <= 0.065


async def test_a_wait_that_is_too_long_passes_the_model_over_until_it_ended(first, second, time):
    chain = Chain([Link(first, now=time), Link(second)])
    first.script = [ModelThrottled("wait", 30.0)]
    assert [await answer(chain), await answer(chain)] == ["second", "second"]
    assert len(first.asked) == 1
    time.now += 31
    assert await answer(chain) == "first"


async def test_a_failure_that_took_long_is_not_retried(first, second):
    first.script = [AWAY]
    chain = Chain([Link(first), Link(second)], retries=Retries(within=1e-9))
    assert await answer(chain) == "second"
    assert len(first.asked) == 1


async def test_a_refused_key_is_not_tried_twice(chain, first):
    first.script = [BadModelKey("no")]
    assert await answer(chain) == "second"
    assert len(first.asked) == 1


async def test_nothing_is_asked_again_once_something_was_said(chain, first, second):
    first.script = [[TextPiece("half a"), BrokenStream("cut", "half a")]]
    with pytest.raises(BrokenStream) as broken:
        await pieces(chain)
    assert broken.value.said == "half a"
    assert (len(first.asked), len(second.asked)) == (1, 0)


async def test_a_refused_request_goes_nowhere_else(chain, first, second):
    first.script = [ModelRefused("no", "content_filter")]
    with pytest.raises(ModelRefused):
        await pieces(chain)
    assert second.asked == []


async def test_a_conversation_too_long_for_one_model_goes_to_one_that_holds_more(chain, first):
    first.script = [ModelRefused("long", "context_length_exceeded")]
    assert await answer(chain) == "second"


async def test_a_conversation_too_long_for_one_model_goes_to_none_that_holds_as_little(chain, first, second):
    first.script = [ModelRefused("long", "context_length_exceeded")]
    second.context_tokens = 1000
    with pytest.raises(ModelRefused):
        await pieces(chain)
    assert second.asked == []


async def test_when_all_are_out_the_error_tells_why_and_when_to_come_back(chain, first, second):
    first.script = [BadModelKey("check api_key")]
    second.script = [ModelThrottled("busy", 40.0)]
    with pytest.raises(ModelUnavailable, match="first: check api_key; second: busy") as out:
        await pieces(chain)
    assert out.value.retry_after == 40.0


async def test_a_model_that_keeps_failing_is_left_alone_and_asked_now_and_then(first, second, time):
    link = Link(first, breaker=Breaker(calls=4, now=time), now=time)
    chain = Chain([link, Link(second)], retries=Retries(times=0))
    first.script = [AWAY] * 5
    assert [await answer(chain) for _ in range(6)] == ["second"] * 6
    assert len(first.asked) == 4
    assert link.health()["breaker"] == "open"
    time.now += 5
    assert await answer(chain) == "second"  # the probe failed
    time.now += 5
    assert [await answer(chain), await answer(chain)] == ["first", "first"]


async def test_a_model_with_no_place_free_is_passed_over(first, second):
    first.hold = asyncio.Event()
    chain = Chain([Link(first, concurrency=1, queue_limit=0.01), Link(second)])
    waiting = asyncio.create_task(answer(chain))
    while not first.asked:
        await asyncio.sleep(0)
    assert await answer(chain) == "second"
    first.hold.set()
    assert await waiting == "first"


async def test_a_cancelled_answer_gives_its_place_back_and_counts_as_no_failure(first):
    first.hold = asyncio.Event()
    link = Link(first, concurrency=1, queue_limit=0.01)
    waiting = asyncio.create_task(answer(Chain([link])))
    while not first.asked:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    first.hold.set()
    assert await answer(Chain([link])) == "first"
    assert link.health()["failures"] == 0


async def test_the_health_page_is_told_who_answered(chain, first):
    first.script = [BadModelKey("check api_key")]
    await answer(chain)
    health = chain.health()
    assert health["first"] == {
        "breaker": "closed", "calls": 1, "answers": 0, "failures": 1, "refusals": 0, "stood_in": 0,
        "last_error": "check api_key",
    }  # fmt: skip
    assert (health["second"]["answers"], health["second"]["stood_in"]) == (1, 1)


async def test_whoever_leaves_after_the_end_leaves_an_answered_call(first):
    link = Link(first)
    first.script = [[end()]]
    async with aclosing(Chain([link]).stream(question())) as stream:
        await anext(stream)
    assert link.health()["answers"] == 1


@pytest.mark.parametrize("retry_after", ["0.05", "50ms", "date:0"])
async def test_a_throttling_server_is_asked_again_when_it_said(
    server: OpenAISimulator, model: OpenAIModel, retry_after
):
    server.misbehave("throttle", retry_after=retry_after)
    assert await answer(Chain([Link(model)]), "hello") == "hello"
    assert len(server.exchanges) == 2


async def test_cancelling_a_turn_closes_the_stream_through_the_whole_chain(server: OpenAISimulator, model: OpenAIModel):
    server.misbehave("stall")
    async with aclosing(Chain([Link(model)]).stream(question())) as stream:
        await anext(stream)
    async with asyncio.timeout(2):
        await server.exchanges[0].ended.wait()
    assert server.exchanges[0].left


async def test_a_failure_is_counted_by_model_and_kind(chain, first, monkeypatch):
    counted = []
    monkeypatch.setattr("core.model.link.metrics.count", lambda name, **labels: counted.append((name, labels)))
    first.script = [AWAY, AWAY, AWAY]
    assert await answer(chain) == "second"
    assert set(map(str, counted)) == {
        str(("model_failures_total", {"model": "first", "reason": "ModelUnavailable"})),
    }
