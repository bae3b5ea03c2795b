"""What turns owe for their models, however they end."""

import asyncio

import msgspec
import pytest

from core import metrics
from core.archive.record import Kept
from core.conversation.summary import Summary
from core.ending import Ending
from core.engine.dead import DeadLetters
from core.engine.engine import Engine
from core.errors import Unavailable
from core.limits.limits import Payer
from core.limits.purse import Usage
from core.limits.settings import LimitsSettings
from core.model.metered import Metered
from core.model.port import End, TextPiece
from tests.core.chat import chatting
from tests.core.model.asking import FakeModel, answer
from tests.fakes import FakeBot, said

ANN = Payer("fake:ann", "fake", "r1")
MOST, COST = 0.6, 0.1


@pytest.fixture
async def chat(engine, monkeypatch):
    """A budget of one unit a day; an answer sets 0.6 aside and costs 0.1."""
    async with chatting(engine) as chat:
        respond = chat.bot.respond

        async def paid(turn):
            turn.usage.append(Usage("m", 10, 1, COST))
            async for piece in respond(turn):
                yield piece

        monkeypatch.setattr(chat.bot, "respond", paid)
        monkeypatch.setattr(chat.bot, "most", lambda turn: MOST)
        chat.hub.limits.use(LimitsSettings(budget_per_user="1/day"))
        yield chat


async def spent(chat):
    return (await chat.hub.limits.usage(ANN)).cost / 1e6


async def reason(chat):
    (letter,) = await DeadLetters(chat.engine).list()
    return letter.reason


@pytest.fixture
def summarist(monkeypatch):
    """A model that bots ask for a summary after each answer, which costs 0.2 and may cost 0.3."""
    model = FakeModel("summarist")
    model.script = [[TextPiece("Until here."), End("stop", "summarist", 100, 50, estimated=False, cost=0.2)]] * 9
    model.most = lambda prompt, most=None: 0.3

    async def reflect(self, history, summary, first, notes, purse):
        return Summary(await answer(Metered(model, purse)), first + len(history))

    monkeypatch.setattr(FakeBot, "reflect", reflect)
    return model


async def looked_back(chat):
    await chat.until(lambda: not chat.hub.ending.afterwards._looking)


async def test_an_answer_pays_for_what_it_took_and_the_rest_is_free_again(chat):
    assert await chat.say(said("one", 1), said("two", 2)) == ["one", "two"]
    assert await spent(chat) == pytest.approx(2 * COST)


async def test_a_dead_letter_of_a_turn_that_failed_too_often_pays_for_what_it_took(chat, monkeypatch):
    async def send(to, part, key):
        raise ValueError("a fault of the adapter's")

    monkeypatch.setattr(chat.adapter, "send", send)
    await chat.say(said("hello"))
    assert "a fault of the adapter's" in await reason(chat)
    assert await spent(chat) == pytest.approx(COST)


async def test_a_dead_letter_of_a_platform_that_stayed_away_pays_for_what_it_took(chat, monkeypatch):
    monkeypatch.setattr("core.delivery.deliver.TRIES", 1)
    monkeypatch.setattr(chat.worker, "_patience", 0.001)
    chat.adapter.trouble = [Unavailable("away")] * 9
    await chat.say(said("hello"))
    assert "away" in await reason(chat)
    assert await spent(chat) == pytest.approx(COST)


async def test_a_dead_letter_of_workers_that_died_pays_for_what_it_took(chat, redis, prefix, monkeypatch):
    sending = asyncio.Event()

    async def send(to, part, key):
        sending.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(chat.adapter, "send", send)
    await chat.hub.accept(said("hello"))
    await sending.wait()
    other = Engine(redis, prefix=prefix, max_deliveries=1)
    assert await other.reap("w") == 1
    await other.close()
    assert "died" in await reason(chat)
    assert await spent(chat) == pytest.approx(COST)


async def test_each_try_of_a_bot_that_fails_is_paid_for_and_sets_aside_anew(chat):
    chat.bot.errors = [ValueError("bad luck")]
    assert await chat.say(said("hello")) == ["hello"]
    assert await spent(chat) == pytest.approx(2 * COST)


async def test_tries_do_not_spend_the_same_money_twice(chat, monkeypatch):
    asked = []

    async def respond(turn):
        await turn.purse.cover(MOST)
        asked.append(turn)
        turn.purse.paid(1, 1, MOST, covered=MOST)
        turn.usage.append(Usage("m", 1, 1, MOST))
        raise ValueError("bad luck")
        yield

    monkeypatch.setattr(chat.bot, "respond", respond)
    (text,) = await chat.say(said("hello"))
    assert "used up" in text
    assert len(asked) == 1


async def test_what_a_killed_try_had_set_aside_counts_as_spent_and_the_next_sets_aside_anew(chat, monkeypatch):
    monkeypatch.setattr(chat.bot, "most", lambda turn: 0.4)
    first = chat.bot.holds["hello"] = asyncio.Event()
    await chat.hub.accept(said("hello"))
    await chat.until(lambda: chat.bot.turns)
    del chat.bot.holds["hello"]
    await chat.engine.reap("w")  # as if the worker had died: its turn is somebody else's from here on
    await chat.settled()
    assert chat.adapter.texts == ["hello"]
    assert await spent(chat) == pytest.approx(0.4 + COST)
    first.set()
    await chat.until(lambda: not chat.worker._turns)
    assert await spent(chat) == pytest.approx(0.4 + COST)


async def test_a_summary_is_paid_for_by_whoever_was_answered_and_is_no_message(chat, summarist):
    chat.hub.limits.use(LimitsSettings(budget_per_user="1/day", per_user="1/minute"))
    await chat.say(said("hello"))
    await looked_back(chat)
    used = await chat.hub.limits.usage(ANN)
    assert (used.messages, used.tokens) == (1, 11 + 150)
    assert used.cost / 1e6 == pytest.approx(COST + 0.2)
    assert b'model_cost_total{model="summarist"} 0.2' in metrics.text()


async def test_without_limits_usage_tells_what_a_summary_took(chat, summarist):
    chat.hub.limits.use(LimitsSettings())
    await chat.say(said("hello"))
    await looked_back(chat)
    used = await chat.hub.limits.usage(ANN)
    assert (used.messages, used.cost) == (1, 300_000)


async def test_what_no_budget_covers_is_not_summarised_and_whoever_asks_next_is_told_as_ever(chat, summarist):
    chat.hub.limits.use(LimitsSettings(budget_per_user="0.65/day"))
    summarist.most = lambda prompt, most=None: 0.6
    await chat.say(said("one", 1))
    await looked_back(chat)
    assert not summarist.asked
    assert await spent(chat) == pytest.approx(COST)
    one, refused = await chat.say(said("two", 2), said("three", 3))
    assert one == "one"
    assert "used up" in refused


async def test_the_archive_knows_what_a_summary_took(chat, summarist, redis, prefix):
    chat.hub.ending = Ending(chat.engine, archived=True)
    await chat.say(said("hello"))
    await looked_back(chat)
    entries = [fields[b"e"] for _, fields in await redis.xrange(f"{prefix}:arc:{{0}}")]
    turn, summary = (msgspec.json.decode(entry, type=Kept) for entry in entries)
    assert (len(turn.messages), turn.cost) == (2, COST)
    assert (summary.messages, summary.account, summary.conversation) == ((), "fake:ann", turn.conversation)
    assert (summary.prompt_tokens, summary.completion_tokens, summary.cost) == (100, 50, 0.2)


async def test_a_summary_that_is_cut_off_is_paid_for(chat, summarist):
    summarist.hold = asyncio.Event()
    await chat.say(said("hello"))
    await chat.until(lambda: summarist.asked)
    await chat.hub.ending.afterwards.stop()
    assert await spent(chat) == pytest.approx(COST + 0.3)


async def test_a_model_that_only_read_is_not_who_answered(chat, monkeypatch):
    async def respond(turn):
        chat.bot.turns.append(turn)
        turn.usage.append(Usage("embed", 3, 0, COST))
        yield turn.text

    monkeypatch.setattr(chat.bot, "respond", respond)
    await chat.say(said("one", 1), said("two", 2))
    assert [record.model for record in chat.bot.turns[-1].history] == ["", ""]
    assert await spent(chat) == pytest.approx(2 * COST)
