import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from core.engine import lua
from core.engine.engine import Engine
from core.engine.store import connect
from core.errors import StoreError
from core.language.sentences import Sentence
from core.limits.errors import OverBudget, Refused
from core.limits.limits import Limits, Payer
from core.limits.lines import refusal, usage_text
from core.limits.purse import Purse
from core.limits.rules import unpriced
from core.limits.settings import LimitsSettings
from core.model.client import OpenAIModel
from core.model.metered import Metered
from core.model.settings import ModelSettings
from simulators.openai import OpenAISimulator
from tests.core.model.asking import answer

ANN = Payer("fake:ann", "desk", "r1")
BEN = Payer("fake:ben", "desk", "r1")
CAT = Payer("fake:cat", "desk", "r2")


@pytest.fixture
def limits(engine):
    """Limits as a section of the YAML file sets them."""
    return lambda **section: Limits(engine, LimitsSettings(**section))


async def test_messages_beyond_the_rate_are_refused_with_the_time_of_reset(limits):
    some = limits(per_user="2/minute")
    assert [type(await some.reserve(ANN, f"t{n}", 0)) for n in range(3)] == [Purse, Purse, Refused]
    refused = await some.reserve(ANN, "t4", 0)
    assert (refused.limit, refused.line) == ("per_user", Sentence.RATE_LIMIT)
    assert 58 < refused.resets_in <= 60


async def test_a_user_is_told_once_and_then_there_is_silence(limits):
    some = limits(per_user="1/minute")
    await some.reserve(ANN, "t1", 0)
    assert [(await some.reserve(ANN, f"t{n}", 0)).is_first for n in (2, 3, 4)] == [True, False, False]


async def test_the_turn_that_was_told_is_told_again_when_it_is_tried_again(limits):
    some = limits(per_user="1/minute")
    await some.reserve(ANN, "t1", 0)
    assert [(await some.reserve(ANN, "t2", 0)).is_first for _ in range(2)] == [True, True]


async def test_of_a_shared_limit_each_room_is_told_once(limits):
    some = limits(per_channel="1/minute")
    await some.reserve(ANN, "t1", 0)
    told = [(await some.reserve(payer, f"t{payer.account}", 0)).is_first for payer in (ANN, BEN, CAT)]
    assert told == [True, False, True]


async def test_a_turn_that_is_tried_again_counts_once(limits):
    some = limits(per_user="2/minute", budget_per_user="1/day")
    for _ in range(5):
        assert isinstance(await some.reserve(ANN, "t1", 0.5), Purse)
    assert isinstance(await some.reserve(ANN, "t2", 0.5), Purse)


async def test_what_one_limit_refuses_is_taken_from_none(limits):
    some = limits(per_user="9/minute", per_room="1/minute", budget_per_hub="1/day")
    await some.reserve(ANN, "t1", 0.4)
    await some.reserve(BEN, "t2", 0.4)
    assert isinstance(await some.reserve(CAT, "t3", 0.6), Purse)


async def test_limits_of_others_do_not_count(limits):
    some = limits(per_user="1/minute", per_room="2/minute")
    assert isinstance(await some.reserve(ANN, "t1", 0), Purse)
    assert isinstance(await some.reserve(BEN, "t2", 0), Purse)
    assert (await some.reserve(BEN, "t3", 0)).limit == "per_user"
    assert isinstance(await some.reserve(CAT, "t4", 0), Purse)


async def test_names_cannot_be_made_to_look_like_anothers(limits):
    some = limits(per_room="1/minute")
    await some.reserve(Payer("a", "c", "x/y"), "t1", 0)
    assert isinstance(await some.reserve(Payer("a", "c/x", "y"), "t2", 0), Purse)


async def test_of_several_limits_the_one_that_lasts_longest_is_told(limits):
    some = limits(per_user=["1/minute", "1/hour"])
    await some.reserve(ANN, "t1", 0)
    assert (await some.reserve(ANN, "t2", 0)).resets_in > 3500


async def test_what_was_not_spent_can_be_spent_again(limits):
    some = limits(budget_per_user="1/day")
    await some.reserve(ANN, "t1", 0.9)
    assert isinstance(await some.reserve(ANN, "t2", 0.9), Refused)
    await some.settle(ANN, "t1", cost=0.1, tokens=50)
    assert isinstance(await some.reserve(ANN, "t2", 0.9), Purse)


async def test_settling_twice_gives_back_once(limits):
    some = limits(budget_per_user="1/day")
    await some.reserve(ANN, "t1", 0.5)
    await some.reserve(ANN, "t2", 0.5)
    for _ in range(3):
        await some.settle(ANN, "t1", cost=0.3, tokens=5)
    assert isinstance(await some.reserve(ANN, "t3", 0.21), Refused)
    assert (await some.usage(ANN)).tokens == 5


async def test_a_turn_that_cost_more_than_set_aside_is_booked_in_full(limits):
    some = limits(budget_per_user="1/day")
    await some.reserve(ANN, "t1", 0)
    await some.settle(ANN, "t1", cost=0.8, tokens=5)
    assert isinstance(await some.reserve(ANN, "t2", 0.3), Refused)


async def test_what_is_never_settled_counts_as_spent_and_is_forgotten_in_time(limits, redis, prefix):
    some = limits(budget_per_user="1/day", per_user="5/minute")
    await some.reserve(ANN, "t1", 0.9)
    assert isinstance(await some.reserve(ANN, "t2", 0.2), Refused)
    assert 86_000 < await redis.ttl(f"{prefix}:lim:{{lim}}:t:t1") <= 86_400
    assert all([await redis.ttl(key) > 0 for key in await redis.keys(f"{prefix}:*")])


async def test_a_limit_that_nobody_meets_any_more_is_forgotten_when_its_last_window_ends(limits, redis, prefix):
    some = limits(per_hub="1/minute", per_room=["9/day", "9/second"], per_channel="9/hour", per_user="9/30 days")
    await some.reserve(ANN, "t1", 0)
    assert isinstance(await some.reserve(CAT, "t2", 0), Refused)  # its room is told, and that is noted
    await some.settle(ANN, "t1", cost=0, tokens=5)
    await limits().settle(BEN, "t3", cost=0, tokens=5)
    left = {key.decode().partition("}:")[2]: await redis.ttl(key) for key in await redis.keys(f"{prefix}:*")}
    midnight = 86400 - datetime.now(UTC).timestamp() % 86400
    seconds = {
        "h": 60,
        "c:desk": 3600,
        "r:desk/r1": 86400,
        "r:desk/r2": 60,
        "u:fake:ann": 30 * 86400,
        "u:fake:ben": midnight,
        "t:t1": 3600,
        "t:t3": 3600,
    }
    assert left == {key: pytest.approx(length, abs=20) for key, length in seconds.items()}


@pytest.mark.parametrize("year", [2027, 2028, 2100, 2400])
async def test_a_budget_of_the_month_starts_anew_on_the_first(redis, prefix, year):
    for month in range(1, 13):
        now = datetime(year, month, 17, tzinfo=UTC)
        clock = f"{{'{now.timestamp():.0f}', '0'}}"
        script = lua.load()["reserve"].replace("redis.call('TIME')", clock)
        engine = Engine(redis, prefix=f"{prefix}{month}", scripts={"reserve": script})
        refused = await Limits(engine, LimitsSettings(budget_per_user="1/month")).reserve(ANN, "t1", 2)
        assert now + timedelta(seconds=refused.resets_in) == datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        await engine.close()


async def test_tokens_of_a_turn_that_was_settled_and_is_tried_again_count_without_money_too(limits):
    some = limits(per_user="9/minute")
    for tokens in (5, 7):
        await some.reserve(ANN, "t1", 0)
        await some.settle(ANN, "t1", cost=0, tokens=tokens)
    assert (await some.usage(ANN)).tokens == 12


async def test_a_settled_turn_that_is_tried_again_pays_for_its_models_again_but_is_one_message(limits):
    some = limits(per_user="1/minute", budget_per_user="1/day")
    await some.reserve(ANN, "t1", 0.5)
    await some.settle(ANN, "t1", cost=0.4, tokens=5)
    assert isinstance(await some.reserve(ANN, "t1", 0.5), Purse)
    await some.settle(ANN, "t1", cost=0.4, tokens=5)
    usage = await some.usage(ANN)
    assert (usage.messages, usage.cost, usage.tokens) == (1, 800_000, 10)
    assert (await limits().usage(ANN)).messages == 1  # of the day, where no limit has a count of its own


async def test_money_goes_back_to_no_limit_that_it_was_not_taken_from(limits):
    user, hub = limits(budget_per_user="1/day"), limits(budget_per_hub="1/day")
    await user.reserve(ANN, "t1", 0.5)
    await user.settle(ANN, "t1", cost=0.4, tokens=5)
    await hub.reserve(ANN, "t1", 0.5)  # the settings were changed, and the turn is tried again
    await hub.settle(ANN, "t1", cost=0, tokens=0)
    assert isinstance(await user.reserve(ANN, "t2", 0.7), Refused)
    assert isinstance(await hub.reserve(ANN, "t3", 1), Purse)


async def test_a_hundred_at_once_at_the_edge_overspend_nothing(limits):
    some = limits(per_hub="60/minute", budget_per_hub="1/day", budget_per_user="0.70/day")

    async def turn(n):
        payer = Payer(f"fake:{n % 2}", "desk", f"r{n}")
        purse = await some.reserve(payer, f"t{n}", 0.01)
        if isinstance(purse, Refused):
            return 0, 0
        try:
            await purse.cover(0.03)
        except OverBudget:
            await some.settle(payer, f"t{n}", cost=0, tokens=0)
            return 1, 0
        purse.paid(1, 1, 0.03, covered=0.03)
        await some.settle(payer, f"t{n}", cost=purse.spent, tokens=2)
        return 1, 30_000

    told = await asyncio.gather(*(turn(n) for n in range(100)))
    assert 0 < sum(messages for messages, _ in told) <= 60
    assert 500_000 < sum(spent for _, spent in told) <= 1_000_000
    for user in (0, 1):
        assert (await some.usage(Payer(f"fake:{user}", "desk", "r"))).cost <= 700_000


async def test_a_check_before_the_step_instead_of_in_it_does_overspend(redis, prefix):
    """The control: without the one step, a hundred at once get through."""
    broken = lua.load()
    broken["reserve"] = broken["reserve"].replace("limit.count + limit.take > ", "limit.count >= ")
    assert broken["reserve"] != lua.load()["reserve"]
    engine = Engine(redis, prefix=prefix, scripts=broken)
    some = Limits(engine, LimitsSettings(budget_per_hub="1/day"))
    got = await asyncio.gather(*(some.reserve(ANN, f"t{n}", 0.3) for n in range(100)))
    assert sum(isinstance(each, Purse) for each in got) * 0.3 > 1
    await engine.close()


async def test_a_purse_sets_aside_more_when_too_little_is_left(limits):
    some = limits(budget_per_user="1/day")
    purse = await some.reserve(ANN, "t1", 0.2)
    await purse.cover(0.15)
    purse.paid(10, 10, 0.1, covered=0.15)
    await purse.cover(0.5)
    with pytest.raises(OverBudget) as over:
        await purse.cover(0.5)
    assert over.value.refused.line is Sentence.BUDGET
    purse.paid(10, 10, 0.5, covered=0.5)
    await some.settle(ANN, "t1", cost=purse.spent, tokens=purse.tokens)
    assert (await some.usage(ANN)).cost == 600_000


async def test_what_was_refused_holds_nothing(limits):
    purse = await limits(budget_per_user="1/day").reserve(ANN, "t1", 0.4)
    with pytest.raises(OverBudget):
        await purse.cover(5)
    assert purse.left == 0.4
    await purse.cover(0.9)


async def test_calls_at_the_same_time_do_not_share_what_is_left(limits):
    some = limits(budget_per_user="1/day")
    purse = await some.reserve(ANN, "t1", 0.4)
    covered = await asyncio.gather(*(purse.cover(0.4) for _ in range(3)), return_exceptions=True)
    assert sorted(map(type, covered), key=str) == sorted([type(None), type(None), OverBudget], key=str)


async def test_where_nothing_is_limited_the_store_is_not_asked(limits, redis, prefix):
    some = limits()
    purse = await some.reserve(ANN, "t1", 5)
    await purse.cover(100)
    await some.settle(ANN, "t1", cost=0, tokens=0)
    assert await redis.keys(f"{prefix}:*") == []


async def test_a_turn_that_was_refused_is_no_message_and_nothing_to_settle(limits):
    some = limits(per_hub="1/minute")
    await some.reserve(BEN, "t1", 0)
    assert isinstance(await some.reserve(ANN, "t2", 0), Refused)
    await some.settle(ANN, "t2", cost=0, tokens=0)
    assert (await some.usage(ANN)).messages == 0


async def test_what_was_used_is_counted_also_without_limits(limits):
    some = limits()
    for n in (1, 2, 2):
        await some.settle(ANN, f"t{n}", cost=0.0123, tokens=100)
    text = usage_text(await some.usage(ANN), "en")
    assert text.startswith("Messages: 2. Tokens: 200. Cost: 0.0246. The count starts anew in ")


async def test_usage_tells_the_fullest_window_and_when_the_budget_starts_anew(limits):
    some = limits(per_user=["20/minute", "5/hour"], budget_per_user="0.50/day")
    for n in range(3):
        await some.reserve(ANN, f"t{n}", 0.1)
        await some.settle(ANN, f"t{n}", cost=0.05, tokens=1000)
    usage = await some.usage(ANN)
    assert usage_text(usage, "en").startswith("Messages: 3 of 5. Tokens: 3000. Cost: 0.15 of 0.50. The count")
    midnight = 86400 - datetime.now(UTC).timestamp() % 86400
    assert abs(usage.resets_in - midnight) < 5


async def test_a_new_account_has_used_nothing(limits):
    text = usage_text(await limits(per_user="20/minute").usage(ANN), "en")
    assert text.startswith("Messages: 0 of 20. Tokens: 0. Cost: 0.00 of ∞.")


async def test_the_line_is_in_the_users_language():
    refused = Refused("per_user", Sentence.RATE_LIMIT, 39.2, True)
    assert refusal(refused, "en").endswith("in 40 seconds.")
    assert "40 Sekunden" in refusal(refused, "de")


async def test_new_settings_count_what_was_used_already(limits):
    some = limits(per_user="2/minute")
    await some.reserve(ANN, "t1", 0)
    some.use(LimitsSettings(per_user="1/minute"))
    assert isinstance(await some.reserve(ANN, "t2", 0), Refused)


async def test_without_the_store_nobody_spends_and_the_answer_given_is_not_lost(tmp_path):
    async with connect(f"unix://{tmp_path}/nobody-listens") as client:
        engine = Engine(client, limit=0.05)
        some = Limits(engine, LimitsSettings(per_user="2/minute"))
        with pytest.raises(StoreError):
            await some.reserve(ANN, "t1", 0)
        await some.settle(ANN, "t1", cost=1, tokens=1)
        await engine.close()


async def test_a_hundred_answers_at_once_cost_no_more_than_the_budget(limits):
    async with OpenAISimulator() as server:
        settings = ModelSettings(
            base_url=server.url, api_key=server.api_key, name="m", price_input=3, price_output=9, max_tokens=40
        )
        some, costs = limits(budget_per_hub="0.02/day"), []
        async with OpenAIModel("default", settings) as model:

            async def turn(n):
                payer = Payer(f"fake:{n}", "desk", f"r{n}")
                purse = await some.reserve(payer, f"t{n}", model.most(100))
                if isinstance(purse, Refused):
                    return
                with contextlib.suppress(OverBudget):
                    await answer(Metered(model, purse, lambda end: costs.append(end.cost)))
                await some.settle(payer, f"t{n}", cost=purse.spent, tokens=purse.tokens)

            await asyncio.gather(*(turn(n) for n in range(100)))
    assert len(costs) > 3
    assert sum(costs) <= 0.02
    left = await some.reserve(ANN, "last", 0.02 - sum(costs) - len(costs) * 1e-6)
    assert isinstance(left, Purse)


def test_models_without_a_price_are_named_where_a_budget_is_set():
    models = {"free": ModelSettings(name="a"), "priced": ModelSettings(name="b", price_output=1)}
    assert unpriced(LimitsSettings(budget_per_hub="1/day"), models) == ("free",)
    assert unpriced(LimitsSettings(per_hub="1/day"), models) == ()
