import asyncio
from contextlib import aclosing

import pytest

from core.language.sentences import Sentence
from core.limits.errors import OverBudget, Refused
from core.limits.purse import Purse
from core.model.chain import Chain, Retries
from core.model.client import OpenAIModel
from core.model.errors import BrokenStream, ModelUnavailable
from core.model.link import Link
from core.model.metered import Metered
from core.model.port import End, TextPiece, ToolSpec
from core.model.settings import ModelLimits, ModelSettings
from simulators.openai import OpenAISimulator
from tests.core.model.asking import WORDS, FakeModel, answer, end, pieces, question

REFUSED = Refused("budget_per_user", Sentence.BUDGET, 60, True)


class Account:
    """Sets money aside until there is none."""

    def __init__(self, micro: int) -> None:
        self.micro = micro
        self.asked: list[int] = []

    async def take(self, total: int) -> int | Refused:
        self.asked.append(total)
        return total if total <= self.micro else REFUSED


@pytest.fixture
def account() -> Account:
    return Account(1_000)


@pytest.fixture
def purse(account: Account) -> Purse:
    return Purse(300, account.take)


@pytest.fixture
def model() -> FakeModel:
    model = FakeModel()
    model.price = 1.0
    return model


async def test_what_was_set_aside_is_enough_for_one_call(model, purse, account):
    assert await answer(Metered(model, purse)) == "fake"
    assert account.asked == []


async def test_further_calls_ask_for_more_until_there_is_none(model, purse, account):
    metered = Metered(model, purse)
    model.script = [[TextPiece("a"), End("stop", "m", 200, 90, estimated=False, cost=290e-6)]] * 9
    for _ in range(3):
        await answer(metered)
    with pytest.raises(OverBudget):
        await answer(metered)
    assert len(model.asked) == 3
    assert (purse.spent, purse.tokens) == (pytest.approx(870e-6), 870)


async def test_the_real_cost_is_booked_and_the_rest_is_free_again(model, purse):
    before = purse.left
    model.script = [[TextPiece("a"), End("stop", "m", 3, 2, estimated=False, cost=5e-6)]]
    await answer(Metered(model, purse))
    assert purse.left == pytest.approx(before - 5e-6)


async def test_a_stream_that_breaks_costs_an_estimate(model, purse):
    model.script = [[TextPiece("abcd" * 10), BrokenStream("cut")]]
    booked = []
    with pytest.raises(BrokenStream):
        await pieces(Metered(model, purse, booked.append))
    (end,) = booked
    assert (end.estimated, end.completion_tokens, purse.tokens) == (True, 11, end.prompt_tokens + 11)
    assert 0 < purse.spent < 100e-6


async def test_a_model_that_was_not_reached_costs_nothing(model, purse):
    model.script = [ModelUnavailable("away")]
    before = purse.left
    with pytest.raises(ModelUnavailable):
        await pieces(Metered(model, purse))
    assert (purse.spent, purse.left) == (0, before)


async def test_who_stops_reading_pays_for_what_was_read(model, purse):
    async with aclosing(Metered(model, purse).stream(question())) as stream:
        await anext(stream)
    assert purse.spent > 0


async def test_a_turn_that_is_stopped_while_the_model_thinks_pays_for_the_question(model, purse):
    model.hold = asyncio.Event()
    turn = asyncio.create_task(pieces(Metered(model, purse)))
    while not model.asked:
        await asyncio.sleep(0)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert purse.spent > 0
    assert purse.left == pytest.approx(300e-6 - purse.spent)


@pytest.mark.parametrize("text", ["hello", "ни слова", "漢字かな", "🎉" * 30])
async def test_a_prompt_is_never_taken_for_smaller_than_it_can_be(model, account, text):
    tool = ToolSpec("price", "What it costs", {"type": "object"})
    await pieces(Metered(model, Purse(0, account.take)), text, tools=[tool], max_tokens=7)
    assert account.asked[0] >= len(text.encode()) + len(str(tool.parameters)) + 7


async def test_a_chain_costs_at_most_what_its_dearest_model_does():
    cheap, dear = FakeModel("cheap"), FakeModel("dear")
    cheap.price, dear.price = 1, 10
    assert Chain([Link(cheap), Link(dear)]).most(900, 100) == pytest.approx(0.01)


@pytest.mark.parametrize("fault", ["cut", "bad json", "hang"])
async def test_tries_that_the_server_may_charge_for_are_paid_for_though_nobody_saw_a_word(server, account, fault):
    account.micro = 10_000
    limits = ModelLimits(first_token=0.2)
    settings = ModelSettings(
        base_url=server.url, api_key=server.api_key, name="simulated", price_input=10, max_tokens=5, limits=limits
    )
    server.misbehave(fault, 2, after=0)
    purse, booked = Purse(0, account.take), []
    async with OpenAIModel("default", settings) as model:
        chain = Chain([Link(model)], retries=Retries(first=0.01))
        assert await answer(Metered(chain, purse, booked.append)) == WORDS
    reported = [10 * len(WORDS.split()) / 1e6 for _ in server.exchanges]
    assert len(booked) == len(reported) == 3
    assert sum(end.cost for end in booked) >= sum(reported)
    assert purse.spent == pytest.approx(sum(end.cost for end in booked), abs=3e-6)


async def test_a_try_that_no_money_is_left_for_is_not_made(model):
    model.script = [BrokenStream("cut"), [TextPiece("a"), end()]]
    purse, booked = Purse(0, Account(210).take), []
    with pytest.raises(OverBudget):
        await answer(Metered(Chain([Link(model)], retries=Retries(first=0)), purse, booked.append))
    assert (len(model.asked), len(booked)) == (1, 1)


async def test_what_nobody_answered_is_paid_for_by_try_and_what_was_not_reached_is_not(model, account):
    other = FakeModel("other")
    other.script = [ModelUnavailable("away")] * 3
    model.script = [ModelUnavailable("no token", charged=True)] * 3
    booked = []
    with pytest.raises(ModelUnavailable):
        await answer(Metered(Chain([Link(model), Link(other)], retries=Retries(first=0)), Purse(1000), booked.append))
    assert (len(model.asked), len(booked)) == (3, 3)


async def test_the_cost_is_that_of_the_model_that_answered(server: OpenAISimulator, purse):
    def settings(name: str, price: float) -> ModelSettings:
        return ModelSettings(
            base_url=server.url,
            api_key=server.api_key,
            name=name,
            price_input=price,
            price_output=2 * price,
            max_tokens=50,
        )

    away = FakeModel("away")
    away.script = [ModelUnavailable("away")]
    async with OpenAIModel("backup", settings("simulated", 0.1)) as backup:
        chain = Chain([Link(away), Link(backup)], retries=Retries(times=0))
        *_, end = await pieces(Metered(chain, purse))
    assert end.cost == pytest.approx((end.prompt_tokens * 0.1 + end.completion_tokens * 0.2) / 1e6)
    assert purse.spent == pytest.approx(end.cost, abs=1e-6)
