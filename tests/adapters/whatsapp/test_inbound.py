"""Forms become events."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.whatsapp.inbound import to_delivery, to_event
from core.events import AnyEvent

PAYLOADS = sorted((Path(__file__).parent.parent / "payloads" / "whatsapp").glob("*.json"))


NOW = 1790000000.5


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_each_payload_becomes_its_event(path):
    payload = json.loads(path.read_text())
    event = to_event("support", payload["form"], NOW)
    assert json.loads(msgspec.json.encode(event)) == (payload["event"] and payload["event"] | {"time": NOW})


@pytest.mark.parametrize("path", [path for path in PAYLOADS if path.stem != "sms"], ids=lambda path: path.stem)
def test_each_event_survives_the_store(path):
    event = to_event("support", json.loads(path.read_text())["form"], NOW, "retry-token")
    assert msgspec.json.decode(msgspec.json.encode(event), type=AnyEvent) == event


NAMES = [*json.loads(PAYLOADS[0].read_text())["form"], "MediaUrl0", "Latitude", "Longitude", "ButtonPayload", "ListId"]


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=20) | st.sampled_from(["whatsapp:+1", "reaction"])))
def test_no_form_is_too_odd(form):
    event = to_event("support", form, NOW)
    assert event is None or (event.direct and event.uid == form["MessageSid"] and event.address.room == form["From"])


@given(st.dictionaries(st.sampled_from(["MessageStatus", "ErrorCode", "MessageSid"]), st.text(max_size=8)))
def test_no_status_is_too_odd(form):
    delivery = to_delivery(form)
    assert (delivery is None) == (not form.get("MessageStatus"))
