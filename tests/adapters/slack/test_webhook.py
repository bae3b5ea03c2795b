"""Events by HTTP: what is taken, and what touches nothing."""

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.events import Message
from simulators.slack.workspace import SIGNING_SECRET
from tests.adapters.slack.conftest import Stage
from tests.adapters.slack.test_inbound import odd_payloads

MENTION = {
    "type": "event_callback",
    "team_id": "T9",
    "event_id": "Ev9",
    "event": {
        "type": "app_mention",
        "channel": "C9",
        "user": "U9",
        "text": "<@UHUB> hi",
        "ts": "1790000000.000200",
        "event_ts": "1790000000.000200",
    },
}
BODY = json.dumps(MENTION).encode()


def signature(stamp: str, body: bytes) -> str:
    key, text = SIGNING_SECRET.encode(), b"v0:" + stamp.encode("utf-8", "surrogateescape") + b":" + body
    return "v0=" + hmac.new(key, text, hashlib.sha256).hexdigest()


async def post(
    it: Stage, body: bytes, headers: list[tuple[str, str]] | None = None, content_type: str = "application/json"
) -> tuple[int, str]:
    """As an independent sender; signed unless headers are given."""
    stamp = str(int(time.time()))
    if headers is None:
        headers = [("X-Slack-Request-Timestamp", stamp), ("X-Slack-Signature", signature(stamp, body))]
    async with it.http.post(it.url, data=body, headers=[*headers, ("Content-Type", content_type)]) as response:
        return response.status, await response.text()


async def test_a_signed_event_of_an_independent_sender_arrives_with_its_thread(posted: Stage) -> None:
    assert await post(posted, BODY) == (200, "")
    event = posted.inbox.events[0]
    assert isinstance(event, Message)
    assert (event.text, event.address.room, event.address.thread) == ("hi", "C9", "1790000000.000200")


async def test_the_address_check_is_answered_with_its_challenge(posted: Stage) -> None:
    status, answer = await post(posted, b'{"type": "url_verification", "challenge": "c1"}')
    assert (status, json.loads(answer)) == (200, {"challenge": "c1"})


async def test_a_button_in_a_form_is_a_press(posted: Stage) -> None:
    said = await posted.slack.say("hi")
    press = {
        "type": "block_actions",
        "user": {"id": "U1"},
        "team": {"id": "T1"},
        "trigger_id": "1.2.x",
        "container": {"message_ts": said.id, "channel_id": "D1"},
        "actions": [{"action_id": "a", "action_ts": "17.1", "value": "yes"}],
    }
    form = urlencode({"payload": json.dumps(press)}).encode()
    assert await post(posted, form, content_type="application/x-www-form-urlencoded") == (200, "")
    assert posted.inbox.events[-1].value == "yes"


@pytest.mark.parametrize(
    "body",
    [
        b'{"type": "app_rate_limited", "team_id": "T1"}',
        b'{"type": "view_closed"}',
        b'{"type": "event_callback", "team_id": "T1", "event": {"type": "app_home_opened"}}',
        b"{}",
    ],
)
async def test_what_is_not_for_us_is_answered_200_so_that_it_is_not_sent_again(posted: Stage, body: bytes) -> None:
    assert await post(posted, body) == (200, "")
    assert posted.inbox.calls == 0


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe",
        b"",
        b"null",
        b"[1]",
        b'"text"',
        b"{",
        b'{"a": NaN}',
        b'{"a": "\\ud800"}',
        b'{"a":' * 100_000,
        b'{"a":' + b"[" * 100_000,
        b'{"type": ' + b"9" * 10_000 + b"}",
    ],
    ids=lambda body: repr(body[:12]),
)
async def test_signed_but_unreadable_is_a_bad_request(posted: Stage, body: bytes) -> None:
    assert (await post(posted, body))[0] == 400
    assert posted.inbox.calls == 0


@pytest.mark.parametrize(
    "form", [b"payload=%ff", b"payload=[", b"a=1&" * 200, b"payload=", b"\xff=\xff", b"payload=[]"]
)
async def test_signed_but_unreadable_forms_are_bad_requests(posted: Stage, form: bytes) -> None:
    assert (await post(posted, form, content_type="application/x-www-form-urlencoded"))[0] == 400


def _headers(stamp: str, body: bytes = BODY) -> list[tuple[str, str]]:
    return [("X-Slack-Request-Timestamp", stamp), ("X-Slack-Signature", signature(stamp, body))]


NOW = int(time.time())
GOOD = _headers(str(NOW))


@pytest.mark.parametrize(
    "headers",
    [
        [],
        GOOD[:1],
        GOOD[1:],
        GOOD + GOOD[:1],
        GOOD + GOOD[1:],
        [GOOD[0], ("X-Slack-Signature", "")],
        [GOOD[0], ("X-Slack-Signature", GOOD[1][1].removeprefix("v0="))],
        [GOOD[0], ("X-Slack-Signature", GOOD[1][1].upper())],
        [GOOD[0], ("X-Slack-Signature", "v0=ünïcode")],
        _headers(str(NOW - 400)),
        _headers(str(NOW + 400)),
        _headers(f"{NOW}.0"),
        _headers("now"),
        _headers(""),
        _headers("-1"),
        _headers("١٧٩٠٠٠٠٠٠٠"),
        _headers("9" * 400),
        _headers(str(NOW), b"another body"),
    ],
)
async def test_a_request_without_a_fresh_signature_touches_nothing(
    posted: Stage, headers: list[tuple[str, str]]
) -> None:
    assert (await post(posted, BODY, headers))[0] == 401
    assert posted.inbox.calls == 0


FORGED = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))


@FORGED
@given(data=st.data())
async def test_no_change_to_a_signed_request_gets_through(posted: Stage, data: st.DataObject) -> None:
    stamp = str(int(time.time()))
    parts = [bytearray(BODY), bytearray(stamp.encode()), bytearray(signature(stamp, BODY).encode())]
    part = data.draw(st.sampled_from(parts))
    place = data.draw(st.integers(0, len(part) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "add"])):
        case "flip":
            part[place] ^= data.draw(st.sampled_from([1, 2, 4]))
        case "cut":
            del part[place]
        case _:
            part.insert(place, ord("7"))
    body, new_stamp, sign = (bytes(piece) for piece in parts)
    headers = [
        ("X-Slack-Request-Timestamp", new_stamp.decode("latin-1")),
        ("X-Slack-Signature", sign.decode("latin-1")),
    ]
    before = posted.inbox.calls
    assert (await post(posted, body, headers))[0] == 401
    assert posted.inbox.calls == before


@FORGED
@given(payload=odd_payloads())
async def test_no_signed_oddity_is_a_server_error(posted: Stage, payload: dict[str, Any]) -> None:
    assert (await post(posted, json.dumps(payload).encode()))[0] in (200, 400)


async def test_the_answer_waits_until_the_event_is_durable(posted: Stage) -> None:
    posted.inbox.refuse = 1
    said = await posted.slack.say("hi")
    event = await posted.inbox.wait()
    statuses = [wire.status for wire in posted.slack.wire if not wire.inbound]
    assert event.message_id == said.id
    assert statuses[0] == 503
    assert posted.inbox.calls == 2


async def test_not_durable_is_answered_503_with_retry_after(posted: Stage) -> None:
    posted.inbox.refuse = 1
    stamp = str(int(time.time()))
    async with posted.http.post(posted.url, data=BODY, headers=dict(_headers(stamp))) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "2"


async def test_before_the_start_and_after_the_stop_slack_is_asked_to_come_again(posted: Stage) -> None:
    await posted.adapter.stop()
    assert (await post(posted, BODY))[0] == 503
    assert posted.inbox.calls == 0
