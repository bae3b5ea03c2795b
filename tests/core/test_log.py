import contextvars
import io
import json
import logging

import pytest
import structlog

from core import log
from core.pseudonym import about


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


@pytest.fixture(params=["json", "terminal"])
def either(request, lines):
    """What is logged with one renderer, then with the other."""
    log.setup("INFO", json=request.param == "json")
    logging.getLogger().handlers[0].stream = lines.stream
    return lines


def raised(words):
    try:
        raise ValueError(words)
    except ValueError as error:
        return error


def test_a_traceback_names_nobody_whoever_logs_it(either):
    error = raised("to whatsapp:+15550100123 (desk/whatsapp:+15550100123, chat 4815162342, %2B15550100123) failed")
    names = {"conversation": "desk/4815162342//U0CANARY", "account": "whatsapp:+15550100123"}
    structlog.get_logger("core.test").error("failed", exc_info=error, **names)
    assert "ValueError" in either.text
    assert "4815162342" not in either.text
    assert "U0CANARY" not in either.text
    assert log.PSEUDONYMS.of("whatsapp:+15550100123") in either.text
    logging.getLogger("some.library").error("failed for +15550100123", exc_info=error)
    assert either.text.count("ValueError: to ") == 2
    assert "15550100123" not in either.text


def test_what_a_turn_is_about_is_hidden_in_all_that_is_logged_meanwhile(either):
    def turn():
        about("desk/C0CANARY01/17000.01", "slack:T1:U0CANARY02")
        logging.getLogger("some.library").warning("no user U0CANARY02 in C0CANARY01", exc_info=raised("U0CANARY02"))
        structlog.get_logger("core.test").warning(
            "so", facts=["C0CANARY01", {"who": raised("U0CANARY02")}], event_id="1"
        )

    contextvars.copy_context().run(turn)
    assert "CANARY" not in either.text
    structlog.get_logger("core.test").warning("outside of it C0CANARY01 is just a word")
    assert "C0CANARY01" in either.text


def test_by_its_reference_an_event_can_still_be_found(either):
    structlog.get_logger("core.test").info("x", event_id="1033044521", conversation="desk/1033044521/1033044521")
    assert either.text.count("1033044521") == 1


def test_times_numbers_and_short_words_are_not_taken_for_people(either):
    line = "took 12345678 bytes at 2026-01-01T10:00:00+00:00, 1e+10, a+1234567"
    structlog.get_logger("core.test").info(line, conversation="desk/42", account="p:ann", count=12345678901)
    assert line in either.text
    assert "12345678901" in either.text


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
