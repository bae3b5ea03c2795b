"""The adapter against the simulated platform, over real sockets."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadCredentials, NotReady, Throttled, Unconfirmed, Undeliverable
from core.events import Address, Part, Press, Sent
from simulators.stage import Wire

SPEC = json.loads((Path(__file__).parent.parent / "payloads" / "whatsapp" / "spec" / "openapi.json").read_text())
ANN = Address("support", "whatsapp:+15551230001")


async def test_a_message_is_answered_where_it_was_asked(hub, twilio):
    said = await twilio.say("hello", user="+15551230002")
    await hub.adapter.send(hub.events[0].address, Part("**hi** Ben"), "KEY")
    answer = await twilio.answer_to(said)
    assert (answer.room, answer.text, answer.html) == (said.room, "*hi* Ben", "<strong>hi</strong> Ben")


async def test_it_says_as_whom_it_is_connected(hub, twilio):
    assert hub.adapter.health.identity == "+14155550100 (Acme)"


async def test_a_duplicate_delivery_has_the_same_id(hub, twilio):
    twilio.faults.duplicate = 1
    await twilio.say("hello")
    assert len(hub.events) == 2
    assert len({event.uid for event in hub.events}) == 1


async def test_files_and_places_come_with_what_is_known_of_them(hub, twilio):
    await twilio.send_file(b"not really a picture", "image/png", "look")
    await twilio.send_location(52.52, 13.405, "Office")
    photo, place = hub.events
    assert (photo.text, photo.attachments[0].kind, photo.attachments[0].mime) == ("look", "image", "image/png")
    assert place.attachments[0].text == "52.52,13.405 Office"


async def test_a_quick_reply_is_a_press_under_our_message(hub, twilio):
    said = await twilio.say("hello")
    sent = await hub.adapter.send(hub.events[0].address, Part("Sure?"), "KEY")
    await twilio.press(await twilio.answer_to(said), "yes_1")
    press = hub.events[-1]
    assert isinstance(press, Press)
    assert (press.value, press.message_id) == ("yes_1", sent.id)


async def test_typing_is_shown_until_the_answer_comes_and_marks_the_question_as_read(hub, twilio):
    said = await twilio.say("hello")
    await hub.adapter.typing(hub.events[0].address)
    assert twilio.typing[said.room] > time.monotonic() + 20
    assert said.id in twilio.read
    await hub.adapter.send(hub.events[0].address, Part("hi"), "KEY")
    assert twilio.typing == {}


async def test_an_account_without_typing_is_asked_once_and_then_left_alone(hub, twilio):
    twilio.has_typing = False
    await twilio.say("hello")
    for _ in range(3):
        await hub.adapter.typing(hub.events[0].address)
    assert len([wire for wire in twilio.wire if "Typing" in wire.path]) == 1


async def test_after_a_lost_answer_the_message_is_found_again(hub, twilio):
    await twilio.say("hello")
    to, staged = hub.events[0].address, time.time()
    twilio.faults.fail_after_accepting = 1
    with pytest.raises(Unconfirmed):
        await hub.adapter.send(to, Part("**hi**"), "KEY")
    found = await hub.adapter.find(to, Part("**hi**"), "KEY", staged)
    assert found == Sent(to, next(message.id for message in twilio.messages if message.is_bot))


async def test_what_was_never_sent_is_not_found(hub, twilio):
    await twilio.say("hi")
    to = hub.events[0].address
    twilio.faults.refuse = 1
    with pytest.raises(Unconfirmed):
        await hub.adapter.send(to, Part("hi"), "KEY")
    assert await hub.adapter.find(to, Part("hi"), "KEY", time.time()) is None


async def test_an_older_message_with_the_same_words_or_one_to_somebody_else_is_not_taken_for_it(hub, twilio):
    for user in ("+15551230001", "+15551230002"):
        await twilio.say("hello", user=user)
    ann, ben = (event.address for event in hub.events)
    await hub.adapter.send(ann, Part("hi"), "KEY")
    assert await hub.adapter.find(ann, Part("hi"), "KEY2", time.time() + 60) is None
    assert await hub.adapter.find(ben, Part("hi"), "KEY3", time.time() - 60) is None


async def test_too_many_calls_are_told_how_long_to_wait(hub, twilio):
    await twilio.say("hello")
    twilio.faults.throttle, twilio.faults.retry_after = 1, 4
    with pytest.raises(Throttled) as error:
        await hub.adapter.send(ANN, Part("hi"), "KEY")
    assert (error.value.retry_after, error.value.scope) == (4.0, "bot")


async def test_who_never_wrote_or_is_nobody_cannot_be_written_to(hub, twilio):
    with pytest.raises(Undeliverable, match="24 hours"):
        await hub.adapter.send(ANN, Part("hi"), "KEY")
    with pytest.raises(Undeliverable, match="no address"):
        await hub.adapter.send(Address("support", "whatsapp:nobody"), Part("hi"), "KEY")


async def test_a_message_that_fails_on_the_way_shows_in_the_health(hub, twilio):
    await twilio.say("hello")
    twilio.failures.append(63024)
    await hub.adapter.send(ANN, Part("hi"), "KEY")
    await twilio.webhooks.reported()
    assert hub.adapter.health.detail == "1 not delivered, last: the customer cannot be reached on WhatsApp (63024)"


async def test_wrong_keys_say_what_an_admin_must_do(hub, twilio):
    with pytest.raises(BadCredentials, match="TWILIO_AUTH_TOKEN"):
        await hub.connect(**twilio.settings() | {"auth_token": "wrong-fake-token"}).start()


async def test_keys_that_stop_working_are_noticed_by_the_next_probe(hub, twilio):
    await hub.adapter.probe()
    twilio.auth_token = "rotated-fake-token"
    with pytest.raises(Undeliverable):
        await hub.adapter.send(ANN, Part("hi"), "KEY")
    with pytest.raises(BadCredentials, match="TWILIO_AUTH_TOKEN"):
        await hub.adapter.probe()


async def test_a_channel_without_its_secrets_does_not_start(hub):
    with pytest.raises(BadCredentials, match="TWILIO_AUTH_TOKEN, TWILIO_WHATSAPP_NUMBER"):
        await hub.connect(auth_token="", number="").start()


async def test_a_platform_that_cannot_be_reached_is_tried_again_later(hub, twilio):
    await twilio.stop()
    with pytest.raises(NotReady):
        await hub.connect(**twilio.settings()).start()


async def test_the_account_is_looked_up_only_when_nothing_else_proved_the_keys(hub, twilio):
    looked = len(twilio.wire)
    await hub.adapter.probe()
    assert len(twilio.wire) == looked
    hub.adapter.health.alive_at -= 61
    await hub.adapter.probe()
    await hub.adapter.probe()
    assert len(twilio.wire) == looked + 1


async def test_no_status_is_asked_for_where_twilio_could_not_deliver_it(hub):
    local = hub.connect(api_url="https://api.twilio.com")
    assert local._callback == ""
    hub.public_url = "https://hub.example.com"
    assert hub.connect(api_url="https://api.twilio.com")._callback.startswith(
        "https://hub.example.com/webhooks/support/"
    )


async def test_a_messaging_service_is_named_when_there_is_one(hub, twilio):
    await hub.connect(**twilio.settings() | {"messaging_service_sid": "MG" + "0" * 32}).start()
    await twilio.say("hello")
    await hub.adapter.send(ANN, Part("hi"), "KEY")
    assert dict(parse_qsl(_calls(twilio)[-1].body))["MessagingServiceSid"] == "MG" + "0" * 32


@given(st.text(st.sampled_from("ab *_~`é😀\n"), max_size=300))
def test_a_text_is_never_longer_than_it_was_measured(text):
    from adapters.whatsapp.adapter import WhatsAppAdapter
    from adapters.whatsapp.render import to_whatsapp

    assert WhatsAppAdapter.measure(None, text) >= len(to_whatsapp(text))


async def test_calls_and_answers_are_as_in_twilios_own_specification(hub, twilio):
    await twilio.say("hello")
    sent = await hub.adapter.send(ANN, Part("hi"), "KEY")
    assert await hub.adapter.find(ANN, Part("hi"), "KEY", time.time() - 5) == sent
    create, listed = _calls(twilio)
    path = SPEC["paths"]["/2010-04-01/Accounts/{AccountSid}/Messages.json"]
    form = path["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    jsonschema.validate(dict(parse_qsl(create.body)), _schema(form) | {"additionalProperties": False})
    known = {parameter["name"] for parameter in path["get"]["parameters"] if parameter["in"] == "query"}
    assert set(dict(parse_qsl(listed.path.partition("?")[2]))) <= known


def _calls(twilio) -> list[Wire]:
    return [wire for wire in twilio.wire if wire.inbound and "/Messages.json" in wire.path]


def _schema(part: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema."""
    return {key: value for key, value in part.items() if key != "nullable"}


@pytest.fixture(autouse=True)
def no_stray_environment(monkeypatch) -> None:
    for name in ("TWILIO_EDGE", "TWILIO_REGION"):
        monkeypatch.delenv(name, raising=False)
