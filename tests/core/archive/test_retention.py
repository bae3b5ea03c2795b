import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from core.archive.retention import UNITS, Retention, parse, said


class Settings(BaseModel):
    retention: Retention = None


@pytest.mark.parametrize(
    ("written", "days"), [("90 days", 90), ("1 week", 7), ("12 hours", 0.5), ("1year", 365), ("2 Months", 60)]
)
def test_a_time_is_read_as_people_write_it(written, days):
    assert Settings(retention=written).retention == timedelta(days=days)


@pytest.mark.parametrize("written", ["off", "OFF", False, None])
def test_off_keeps_for_ever(written):
    assert Settings(retention=written).retention is None


@pytest.mark.parametrize("written", ["90", "0 days", "-1 day", "ten days", "days", "", 90, True, "9999999 years"])
def test_anything_else_is_refused(written):
    with pytest.raises(ValidationError):
        Settings(retention=written)


@given(st.integers(1, 9999), st.sampled_from(sorted(UNITS)), st.sampled_from(["", "s"]))
def test_what_is_said_reads_back_as_the_same(number, unit, plural):
    span = parse(f"{number} {unit}{plural}")
    assert parse(said(span)) == span


@given(st.text())
def test_no_text_does_more_than_be_refused(text):
    with contextlib.suppress(ValueError):
        assert parse(text) is None or parse(text) > timedelta(0)


def test_it_has_a_schema_for_editors():
    assert Settings.model_json_schema()["properties"]["retention"]["type"] == "string"
    assert Settings(retention="90 days").model_dump()["retention"] == "90 days"
