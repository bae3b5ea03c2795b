import pytest
from pydantic import ValidationError

from core.conversation.context import LEAST
from core.conversation.settings import ContextSettings


def test_everything_may_be_left_out():
    assert ContextSettings().budget == 7000


def test_any_settings_that_load_leave_a_budget_that_a_window_takes():
    assert ContextSettings(tokens=512, reserve=256).budget >= LEAST


@pytest.mark.parametrize(
    "keys",
    [
        {"strategy": "newest"},
        {"tokens": 100},
        {"tokens": 1000, "reserve": 600},
        {"importance_above": 5000, "summarize_above": 100},
        {"messages": 0},
        {"languages": ["tlh"]},
        {"window": 5},
    ],
)
def test_what_cannot_be_meant_is_refused(keys):
    with pytest.raises(ValidationError):
        ContextSettings(**keys)
