"""Variables are filled in once, and what they hold is never looked at again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.expand import expand

ENVIRON = {"A": "a", "EMPTY": "", "NESTED": "${A}"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain $A {A} $", "plain $A {A} $"),
        ("${A}", "a"),
        ("x${A}y${A}", "xaya"),
        ("${EMPTY}", ""),
        ("${EMPTY:-b}", "b"),
        ("${NONE:-}", ""),
        ("${NONE:-http://host:1/?a=b}", "http://host:1/?a=b"),
        ("${A:-b}", "a"),
        ("${A:?never}", "a"),
        ("${NESTED}", "${A}"),
        ("${NONE:-$A}", "$A"),
        ("$${A}", "${A}"),
    ],
)
def test_a_variable_is_filled_in(text, result):
    assert expand(text, ENVIRON) == (result, [])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("${NONE}", "the environment has no NONE: set it, or write ${NONE:-} where it may be missing"),
        ("${NONE:?set NONE to your token}", "NONE: set NONE to your token"),
        ("${EMPTY:?}", "EMPTY: must be set"),
        ("${A", "this is no variable: write ${NAME}, ${NAME:-default} or ${NAME:?message}"),
        ("${}", "this is no variable: write ${NAME}, ${NAME:-default} or ${NAME:?message}"),
        ("${A:=b}", "this is no variable: write ${NAME}, ${NAME:-default} or ${NAME:?message}"),
        ("${!A}", "this is no variable: write ${NAME}, ${NAME:-default} or ${NAME:?message}"),
    ],
)
def test_what_cannot_be_filled_in_is_told(text, fault):
    assert expand(text, ENVIRON) == ("", [fault])


@given(st.text())
def test_whatever_a_variable_holds_comes_out_unchanged(value):
    assert expand("<${V}>", {"V": value}) == (f"<{value}>", [])


@given(st.text(alphabet="${}:-?!AB ").filter(lambda text: "${" not in text))
def test_text_without_variables_stays_as_it_is(text):
    assert expand(text, ENVIRON) == (text, [])


@given(st.text(alphabet="${}:-?!AB\\ \n"))
def test_no_text_makes_it_fail(text):
    expand(text, ENVIRON)
