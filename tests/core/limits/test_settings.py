import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.limits.settings import Budget, LimitsSettings, Rate, budget, rate


@pytest.mark.parametrize(
    ("text", "seconds", "count"),
    [("20/minute", 60, 20), ("100/15 minutes", 900, 100), (" 5 / 2 Days ", 172_800, 5), ("1/second", 1, 1)],
)
def test_a_rate_is_a_count_and_a_time(text, seconds, count):
    assert rate(text) == Rate(seconds, count)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("20/min", "20/minute"),
        ("20 per minute", "20/minute"),
        (20, "20/minute"),
        ("5 in 2 hours", "5/2 hours"),
        ("3 a day", "3/day"),
        ("10/s", "10/second"),
    ],
)
def test_a_misspelt_rate_is_told_how_it_is_spelt(text, meant):
    with pytest.raises(ValidationError, match=f"did you mean {meant}\\?"):
        LimitsSettings(per_user=text)


@pytest.mark.parametrize("text", ["", "often", "0/minute", "5/40 days", "5/0 minutes", True, {"a": 1}, "20/year"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValidationError, match="expected"):
        LimitsSettings(per_user=text)


@pytest.mark.parametrize(("text", "micro"), [("0.50/day", 500_000), ("20/month", 20_000_000), ("0.000001/hour", 1)])
def test_a_budget_is_money_and_a_time(text, micro):
    assert budget(text) == Budget(micro, text.partition("/")[2])


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("$0.50/day", "0.50/day"),
        ("0,50/day", "0.50/day"),
        (0.5, "0.5/day"),
        ("5 EUR/month", "5/month"),
        ("5 EUR per month", "5/month"),
        ("1 daily", "1/day"),
    ],
)
def test_a_misspelt_budget_is_told_how_it_is_spelt(text, meant):
    with pytest.raises(ValidationError, match=f"did you mean {meant}\\?"):
        LimitsSettings(budget_per_user=text)


@pytest.mark.parametrize("text", ["", "0/day", "0.0000001/day", "5/week", "nan/day", "1e9/day", "-5/day"])
def test_what_is_no_budget_is_refused(text):
    with pytest.raises(ValidationError, match="expected"):
        LimitsSettings(budget_per_hub=text)


def test_several_may_be_given():
    settings = LimitsSettings(per_user=["5/second", "20/minute"], budget_per_user=["1/day", "9/month"])
    assert [str(each) for each in settings.per_user] == ["5/second", "20/minute"]
    assert [str(each) for each in settings.budget_per_user] == ["1/day", "9/month"]


@given(st.integers(1, 10**9 - 1), st.integers(1, 31 * 86400))
def test_what_is_shown_of_a_rate_can_be_read(count, seconds):
    assert rate(str(Rate(seconds, count))) == Rate(seconds, count)


@given(st.integers(1, 10**15 - 1), st.sampled_from(["hour", "day", "month"]))
def test_what_is_shown_of_a_budget_can_be_read(micro, unit):
    assert budget(str(Budget(micro, unit))) == Budget(micro, unit)


@given(st.one_of(st.text(), st.floats(), st.integers(), st.none()))
def test_any_value_is_read_or_refused(value):
    for read in (rate, budget):
        try:
            assert read(value)
        except ValueError:
            continue


def test_the_settings_can_be_told_apart_and_written_down():
    one, other = LimitsSettings(per_user="20/minute"), LimitsSettings(per_user="20/1 minute")
    assert one == other != LimitsSettings()
    assert "20" in one.model_dump_json()
    assert LimitsSettings.model_json_schema()["properties"]["per_user"]["anyOf"][0] == {"type": "string"}
