"""Signatures, against the SDK's own implementation and an independent sender."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from adapters.whatsapp.signature import Verifier, body_is_signed, origins

PATH = "/webhooks/support?a=%20b%2Fc"
FIELDS = [("Body", "hi"), ("From", "whatsapp:+15551230001"), ("ButtonText", "")]


def sign(url: str, fields: list[tuple[str, str]], secret: str = "fake-token", algorithm: str = "sha1") -> str:
    text = url + "".join(name + value for name, value in sorted(fields))
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), algorithm).digest()).decode()


def verifier(public_url: str = "https://hub.example.com") -> Verifier:
    return Verifier(public_url, "fake-token", {"webhooks_sharedkey_1": "fake-shared-secret"})


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=8))
def test_every_form_that_the_sdk_signs_is_accepted(fields):
    signed = RequestValidator("fake-token").compute_signature(f"https://hub.example.com{PATH}", MultiDict(fields))
    assert verifier().accepts(PATH, fields, signed)


def test_twilios_published_examples_are_accepted():
    published = Verifier("https://mycompany.com", "12345", {})
    path, caller = "/myapp.php?foo=1&bar=2", "+14158675309"
    fields = {"Digits": "1234", "To": "+18005551212", "From": caller, "Caller": caller, "CallSid": "CA1234567890ABCDE"}
    assert published.accepts(path, fields.items(), "RSOYDt4T1cUTdK1PDd93/VVr8B8=")
    repeated = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")]
    assert published.accepts(path, repeated, "IK+Dwps556ElfBT0I3Rgjkr1wJU=")


@pytest.mark.parametrize("public", ["https://hub.example.com", "https://hub.example.com:443"])
@pytest.mark.parametrize("called", ["https://hub.example.com", "https://hub.example.com:443"])
def test_the_default_port_may_be_named_or_not_on_either_side(public, called):
    assert verifier(public).accepts(PATH, FIELDS, sign(called + PATH, FIELDS))


@pytest.mark.parametrize(
    "called", ["http://hub.example.com", "https://hub.example.com:8443", "https://evil.example.com", ""]
)
def test_another_origin_is_refused(called):
    assert not verifier().accepts(PATH, FIELDS, sign(called + PATH, FIELDS))


@given(st.data())
def test_every_change_of_one_character_is_refused(data):
    url = "https://hub.example.com" + PATH
    good = sign(url, FIELDS)
    what = data.draw(st.sampled_from(["path", "signature", "Body"]))
    text = {"path": PATH, "signature": good, "Body": "hi"}[what]
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda c: c != text[place]))
    changed = text[:place] + other + text[place + 1 :]
    fields = [("Body", changed if what == "Body" else "hi"), *FIELDS[1:]]
    path, signed = changed if what == "path" else PATH, changed if what == "signature" else good
    assert not verifier().accepts(path, fields, signed)


def test_an_address_in_absolute_form_is_refused():
    path = "http://evil.example.com:99999999/webhooks/support"
    assert not verifier().accepts(path, FIELDS, sign("https://hub.example.com" + path, FIELDS))


def test_text_that_is_no_text_is_refused_without_an_error():
    assert not verifier().accepts("/webhooks/support\udcff", FIELDS, "\udcff\u20ac")


def test_without_a_token_nothing_is_accepted():
    assert not Verifier("https://hub.example.com", "", {}).accepts(
        PATH, FIELDS, sign("https://hub.example.com" + PATH, FIELDS, secret="")
    )


def test_a_shared_key_that_is_known_is_accepted_with_its_algorithm():
    signed = sign("https://hub.example.com" + PATH, FIELDS, "fake-shared-secret", "sha256")
    assert verifier().accepts(PATH, FIELDS, signed, "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256")


@pytest.mark.parametrize(
    "settings",
    [
        "key=webhooks_sharedkey_2,algorithm=HMAC_SHA256",
        "key=,algorithm=HMAC_SHA256",
        "key=webhooks_sharedkey_1,algorithm=HMAC_MD5",
        "key=webhooks_sharedkey_1",
        "",
    ],
)
def test_another_key_or_algorithm_is_refused(settings):
    signed = sign("https://hub.example.com" + PATH, FIELDS, "fake-shared-secret", "sha256")
    assert not verifier().accepts(PATH, FIELDS, signed, settings)


def test_a_body_that_is_no_form_is_signed_by_its_hash_in_the_address():
    digest = hashlib.sha256(b"{}").hexdigest()
    assert body_is_signed(f"/webhooks/support?bodySHA256={digest}", b"{}")
    assert not body_is_signed(f"/webhooks/support?bodySHA256={digest}", b"{ }")
    assert not body_is_signed(f"/webhooks/support?bodySHA256={digest}&bodySHA256={digest}", b"{}")
    assert not body_is_signed("/webhooks/support", b"{}")


def test_ports_are_added_and_taken_away():
    assert origins("http://[::1]:8080") == (b"http://[::1]:8080", b"http://[::1]")
    assert origins("http://hub") == (b"http://hub", b"http://hub:80")
