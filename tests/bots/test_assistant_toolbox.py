"""The tools that ship."""

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots._assistant.toolbox import Toolbox
from bots._tools import calculated, shipped
from core.model.port import ToolCall
from core.model.tools import ToolError, Tools


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("0.1 + 0.2", "0.3"),
        ("(12.50 + 3) * 4", "62"),
        ("7 // 2 + 7 % 2", "4"),
        ("2 ** 100", "1267650600228229401496703205376"),
        ("1 / 3", "0.333333333333333"),
        ("round(2 ** 0.5, 3)", "1.414"),
        ("round(2.6)", "3"),
        ("max(1, sqrt(16), abs(-3))", "4"),
        ("-2 ** 2", "-4"),
        ("1e6 * 3", "3000000"),
    ],
)
def test_sums_are_exact(expression, result):
    assert calculated(expression) == result


@pytest.mark.parametrize(
    "expression",
    [
        "9 ** 9 ** 9",
        "10 ** 100000",
        "1e400",
        "1 / 0",
        "__import__('os')",
        "(1).__class__",
        "[1] * 9",
        "'a' * 3",
        "x",
        "",
        "sqrt(-1)",
        "(-8) ** 0.5",
        "True + 1",
        "min()",
        "abs(1, 2)",
        "lambda: 1",
        "(" * 150 + ")" * 150,
        "0 ** -1",
        "round(1, 10 ** 9)",
    ],
)
def test_what_is_no_sum_is_told_to_the_model(expression):
    with pytest.raises(ToolError):
        calculated(expression)


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_it_adds_as_one_does_by_hand(a, b):
    assert Decimal(calculated(f"{a / 100} + {b / 100}")) == Decimal(str(a / 100)) + Decimal(str(b / 100))


@given(st.text(alphabet="0123456789.+-*/%() esqrtmaxpi,", max_size=40))
def test_any_expression_comes_to_something_or_is_refused(expression):
    with suppress(ToolError):
        assert calculated(expression)


async def test_the_time_in_a_zone():
    tools = shipped(None)
    there = await tools.run(ToolCall("c", "now", json.dumps({"timezone": "Asia/Kolkata"})))
    assert there.text.endswith("IST (UTC+0530)")
    for wrong in ("Atlantis", "../../etc/passwd", ""):
        told = await tools.run(ToolCall("c", "now", json.dumps({"timezone": wrong})))
        assert told.text.startswith("error: there is no time zone")


class Source:
    def __init__(self, *names):
        self.tools = tools(*names)

    async def start(self): ...

    async def stop(self): ...


def tools(*names):
    made = Tools()
    for name in names:
        made.add(name=name)(lambda: "")
    return made


def test_tools_of_another_program_come_and_go_and_a_clash_changes_nothing():
    source = Source("read")
    box = Toolbox({"own": tools("now")}, {"files": source})
    assert box.tools.names == ("now", "read")
    source.tools = tools("write")
    assert box.tools.names == ("now", "write")
    source.tools = tools("now")
    assert box.tools.names == ("now", "write")
    assert "write" in box.described
