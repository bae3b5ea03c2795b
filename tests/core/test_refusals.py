"""A flood of forgeries is one line a minute."""

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from core.refusals import Refusals


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def refused(refusals, channel="a", status=401):
    with refusals.watching(channel, "10.0.0.1") as answered:
        answered(web.Response(status=status))


def counts(logs):
    return [(line["channel"], line["count"]) for line in logs]


def test_a_thousand_refusals_are_one_line_and_the_next_minute_tells_how_many_they_were():
    clock = Clock()
    refusals = Refusals(clock)
    with capture_logs() as logs:
        for _ in range(1000):
            refused(refusals)
        assert counts(logs) == [("a", 1)]
        clock.now = 60.0
        refused(refusals)
        assert counts(logs) == [("a", 1), ("a", 1000)]


def test_each_channel_has_its_own_line():
    refusals = Refusals(Clock())
    with capture_logs() as logs:
        refused(refusals, "a")
        refused(refusals, "b")
    assert counts(logs) == [("a", 1), ("b", 1)]


def test_a_refusal_that_is_raised_counts_and_goes_on():
    refusals = Refusals(Clock())
    with capture_logs() as logs, pytest.raises(web.HTTPForbidden), refusals.watching("a", None):
        raise web.HTTPForbidden
    assert logs[0]["last_status"] == 403


def test_what_was_taken_or_failed_at_our_side_is_no_refusal():
    refusals = Refusals(Clock())
    with capture_logs() as logs:
        refused(refusals, status=200)
        refused(refusals, status=503)
    assert logs == []
