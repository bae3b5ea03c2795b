import io
import json
import logging

import pytest
import structlog

from core import log


class Lines:
    """What was logged."""

    def __init__(self, stream):
        self.stream = stream

    @property
    def text(self):
        return self.stream.getvalue()

    def __call__(self):
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def lines(monkeypatch):
    root = logging.getLogger()
    level = root.level
    monkeypatch.setattr("sys.stderr", stream := io.StringIO())
    log.setup("INFO", json=True).learn(["s3cr3t-token", "short"])
    yield Lines(stream)
    root.handlers.clear()
    root.setLevel(level)
    structlog.reset_defaults()
    log.SECRETS.learn([])


def test_our_logs_and_those_of_libraries_come_out_alike(lines):
    structlog.get_logger("core.test").info("hello", channel="c")
    logging.getLogger("adapters.test").info("from %s", "stdlib")
    ours, theirs = lines()
    assert (ours["event"], ours["channel"], ours["level"], ours["logger"]) == ("hello", "c", "info", "core.test")
    assert (theirs["event"], theirs["level"]) == ("from stdlib", "info")
    assert ours["timestamp"].endswith("Z")


def test_no_secret_gets_out_whoever_logs_it_and_be_it_in_a_traceback(lines):
    logging.getLogger("some.library").warning("GET https://api/bots3cr3t-token/getMe")
    try:
        raise ValueError("s3cr3t-token is wrong")
    except ValueError:
        structlog.get_logger("core.test").exception("failed", url="x?k=s3cr3t-token")
    text = lines.text
    assert "s3cr3t" not in text
    assert text.count(log.HIDDEN) >= 3


def test_a_traceback_shows_no_local_variables(lines):
    words = "my private words"

    def fail(what_somebody_said):
        raise ValueError("bug")

    try:
        fail(words)
    except ValueError:
        structlog.get_logger("core.test").exception("failed")
    text = lines.text
    assert "ValueError: bug" in text
    assert "my private words" not in text


def test_libraries_are_quiet_below_warnings_even_when_we_are_not(lines):
    log.setup("DEBUG", json=True)
    logging.getLogger().handlers[0].stream = lines.stream
    logging.getLogger("httpx").info("GET https://api/bot123:token/getMe")
    structlog.get_logger("core.test").debug("ours")
    assert [line["event"] for line in lines()] == ["ours"]


def test_short_values_are_no_secrets_that_could_blank_out_ordinary_words(lines):
    structlog.get_logger("core.test").info("short and sweet")
    assert "short and sweet" in lines.text


def test_a_secret_is_known_in_json_and_in_addresses_too(lines):
    log.SECRETS.learn(['se/cr"et-value'])
    structlog.get_logger("core.test").info("x", body={"key": 'se/cr"et-value'}, url="?k=se%2Fcr%22et-value")
    assert "et-value" not in lines.text
