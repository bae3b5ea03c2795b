"""What is let in through the webhook, over a real socket."""

import asyncio
import hashlib
import json
import time
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import IntakeError
from tests.adapters.whatsapp.conftest import FORM, SID, signature


async def test_a_form_signed_by_an_independent_sender_is_taken(hub):
    response = await hub.post(FORM)
    assert (response.status, response.content_type) == (200, "text/xml")
    assert [(event.text, event.user.name) for event in hub.events] == [("hi", "Ann")]


async def test_the_same_message_twice_has_the_same_id(hub):
    for token in ("try-1", "try-1"):
        assert (await hub.post(FORM, headers={"I-Twilio-Idempotency-Token": token})).status == 200
    first, second = hub.events
    assert (first.uid, first.also) == (second.uid, second.also) == (FORM["MessageSid"], ("try-1",))


async def test_an_event_has_the_time_at_which_it_was_received(hub):
    before = time.time()
    await hub.post(FORM)
    assert before <= hub.events[0].time <= time.time()


async def test_it_is_acknowledged_only_once_it_is_durable(hub):
    hub.trouble = IntakeError("the store is away", retry_after=3)
    response = await hub.post(FORM)
    assert (response.status, response.headers["Retry-After"]) == (503, "3")


PATHS = [
    "/webhooks/support",
    "/webhooks/support?a=%20b%2Fc",
    "/webhooks/support?x=1&x=1&x=2",
    "/webhooks/support?q=a+b",
]
SPOOFS = [
    {},
    {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example.com", "X-Forwarded-Port": "99"},
    {"Host": "evil.example.com", "Forwarded": "host=evil.example.com;proto=http"},
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("spoof", SPOOFS)
@pytest.mark.parametrize(
    "public", ["https://hub.example.com", "https://hub.example.com:8443", "http://hub.example.com"]
)
async def test_behind_a_proxy_the_configured_address_counts(hub, public, spoof, path):
    hub.public_url = public
    hub.connect()
    assert (await hub.post(FORM, path, spoof)).status == 200
    host = spoof.get("X-Forwarded-Host") or spoof.get("Host") or f"127.0.0.1:{hub.server.port}"
    forged = {"X-Twilio-Signature": signature(f"http://{host}{path}", FORM)}
    assert (await hub.post(FORM, path, spoof | forged)).status == 403
    assert len(hub.events) == 1


async def test_a_field_sent_twice_is_signed_once(hub):
    body = urlencode([*FORM.items(), ("Body", "hi")]).encode()
    signed = signature(f"{hub.public_url}/webhooks/support", FORM)
    assert (await hub.send("/webhooks/support", body, {"X-Twilio-Signature": signed})).status == 200


async def test_a_query_that_is_changed_on_the_way_is_refused(hub):
    signed = {"X-Twilio-Signature": signature(f"{hub.public_url}/webhooks/support?a=%20b", FORM)}
    for path in ("/webhooks/support?a=+b", "/webhooks/support?a=%20c", "/webhooks/support"):
        assert (await hub.post(FORM, path, signed)).status == 403
    assert hub.events == []


HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
KINDS = [
    "application/x-www-form-urlencoded",
    "application/json",
    "text/plain",
    "multipart/form-data; boundary=x",
    ";",
    "",
]
FORGED = st.fixed_dictionaries(
    {},
    optional={
        "X-Twilio-Signature": HEADER | st.just(signature("http://127.0.0.1/webhooks/support", FORM, "wrong-token")),
        "X-Twilio-Webhooks-Signature-Settings": HEADER | st.just("key=x,algorithm=HMAC_SHA256"),
        "Content-Encoding": st.sampled_from(["gzip", "deflate", "identity", "nonsense"]),
        "Content-Type": st.sampled_from(KINDS),
        "I-Twilio-Idempotency-Token": HEADER,
    },
)
BODIES = st.binary(max_size=200) | st.just(urlencode(FORM).encode()) | st.just(json.dumps(FORM).encode())


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    headers=FORGED,
    body=BODIES,
    path=st.sampled_from(["", "/status", "?bodySHA256=0", "/status?key=%FF", "?a=%zz", "?&=", "/other"]),
)
async def test_a_thousand_forged_requests_touch_nothing(hub, headers, body, path):
    response = await hub.send(f"/webhooks/support{path}", body, headers)
    assert response.status in (400, 403, 404, 413, 415)
    assert hub.events == []
    assert hub.adapter.health.detail == ""


async def raw(hub, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.server.port)
    writer.write(request)
    try:
        return (await reader.readline()).split()[1]
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("target", [b"/webhooks/support?\xff\xfe", b"http://x:99999/webhooks/support", b"//evil/a"])
async def test_an_odd_address_is_refused_without_an_error(hub, target):
    body = urlencode(FORM).encode()
    head = b"POST %s HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-www-form-urlencoded\r\n" % target
    status = await raw(hub, head + b"X-Twilio-Signature: \xff\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    assert status.startswith(b"4")


async def test_a_signature_twice_is_refused_even_when_one_is_right(hub):
    body = urlencode(FORM).encode()
    signed = signature(f"{hub.public_url}/webhooks/support", FORM).encode()
    head = b"POST /webhooks/support HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    both = b"X-Twilio-Signature: %s\r\nX-Twilio-Signature: %s\r\n" % (signed, signed)
    assert await raw(hub, head + both + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)) == b"403"
    assert hub.events == []


async def test_what_is_compressed_or_no_form_is_not_even_read(hub):
    assert (await hub.post(FORM, headers={"Content-Encoding": "gzip"})).status == 415
    assert (await hub.post(FORM, headers={"Content-Type": "text/plain"})).status == 415


async def test_what_is_too_large_is_refused(hub):
    assert (await hub.post(FORM | {"Body": "x" * 300_000})).status == 413
    many = {f"Field{number}": "" for number in range(2000)}
    assert (await hub.post(FORM | many)).status == 403
    assert hub.events == []


async def test_a_message_for_another_account_is_refused(hub):
    assert (await hub.post(FORM | {"AccountSid": SID[:-1] + "2"})).status == 403
    assert hub.events == []


async def test_a_message_for_another_number_gets_no_answer(hub):
    assert (await hub.post(FORM | {"To": "whatsapp:+14155550199"})).status == 200
    assert hub.events == []


async def test_a_shared_key_signs_in_place_of_the_token(hub):
    hub.connect(shared_keys={"webhooks_sharedkey_1": "fake-shared-secret"})
    named = {"X-Twilio-Webhooks-Signature-Settings": "key=webhooks_sharedkey_1,algorithm=HMAC_SHA1"}
    signed = {"X-Twilio-Signature": signature(f"{hub.public_url}/webhooks/support", FORM, "fake-shared-secret")}
    assert (await hub.post(FORM, headers=named | signed)).status == 200
    assert (await hub.post(FORM, headers=named)).status == 403
    assert len(hub.events) == 1


async def test_a_signed_json_body_is_taken_as_a_form_is(hub):
    body = json.dumps(FORM).encode()
    path = f"/webhooks/support?bodySHA256={hashlib.sha256(body).hexdigest()}"
    headers = {"X-Twilio-Signature": signature(hub.public_url + path, {}), "Content-Type": "application/json"}
    assert (await hub.send(path, body, headers)).status == 200
    assert (await hub.send(path, body.replace(b"hi", b"ho"), headers)).status == 403
    assert [event.text for event in hub.events] == ["hi"]


STATUS = {
    "MessageSid": "SM00000000000000000000000000000002",
    "AccountSid": SID,
    "MessageStatus": "undelivered",
    "ErrorCode": "63016",
}


async def test_a_message_that_did_not_arrive_is_counted_with_its_reason(hub):
    for _ in range(2):
        assert (await hub.post(STATUS, "/webhooks/support/status?key=ABC")).status == 200
    assert hub.adapter.health.detail.startswith("2 not delivered, last: the customer's last message is more than 24 h")
    assert hub.events == []


async def test_a_message_that_arrived_is_no_news(hub):
    for status in ("queued", "sent", "delivered", "read"):
        form = STATUS | {"MessageStatus": status, "ErrorCode": ""}
        assert (await hub.post(form, "/webhooks/support/status?key=ABC")).status == 200
    assert hub.adapter.health.detail == ""
    assert hub.events == []


async def test_a_forged_status_is_not_counted(hub):
    assert (await hub.post(STATUS, "/webhooks/support/status", {"X-Twilio-Signature": "forged"})).status == 403
    assert hub.adapter.health.detail == ""
