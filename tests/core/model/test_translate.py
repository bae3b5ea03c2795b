from datetime import UTC, datetime
from email.utils import format_datetime

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import BadModelKey, ModelRefused, ModelUnavailable
from core.model.translate import retry_after, translate, unknown_parameter

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)


def status_error(status: int, message: str = "", **body: object) -> openai.APIStatusError:
    response = httpx2.Response(status, request=httpx2.Request("POST", "http://127.0.0.1/v1"))
    return openai.APIStatusError(message, response=response, body={"message": message, **body})


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": format_datetime(NOW.replace(second=7), usegmt=True)}, 7),
        ({"retry-after": format_datetime(NOW.replace(year=2029), usegmt=True)}, 0),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_a_wait_is_read_in_all_its_forms(headers, seconds):
    assert retry_after(headers, NOW) == seconds


@given(st.text(max_size=40), st.sampled_from(["retry-after", "retry-after-ms"]))
def test_no_header_makes_the_reader_stumble(value, name):
    wait = retry_after({name: value}, NOW)
    assert wait is None or wait >= 0


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ModelRefused), (422, ModelRefused), (413, ModelRefused), (401, BadModelKey), (402, BadModelKey),
        (403, BadModelKey), (404, BadModelKey), (301, BadModelKey), (408, ModelUnavailable), (409, ModelUnavailable),
        (500, ModelUnavailable), (529, ModelUnavailable),
    ],
)  # fmt: skip
def test_each_status_says_what_to_do(status, error):
    assert type(translate(status_error(status))) is error


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens.",
        "'max_tokens' is too large: 1024. This model's maximum context length is 512 tokens, unexpected.",
        "prompt is too long: 210000 tokens > 200000 maximum",
    ],
)
def test_too_long_is_known_by_its_words_and_not_mistaken_for_an_unknown_parameter(message):
    error = status_error(400, message)
    assert translate(error).code == "context_length_exceeded"
    assert unknown_parameter(error, b'{"max_tokens":1024}') is None


def test_only_a_parameter_that_was_sent_can_be_left_out():
    error = status_error(422, "extra fields not permitted: stream_options")
    assert unknown_parameter(error, b'{"stream_options":{}}') == "stream_options"
    assert unknown_parameter(error, b"{}") is None
