"""Who may speak for Slack: the rules of its signature one by one; over the wire they stand in test_webhook.py."""

import hashlib
import hmac

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from adapters.slack.signature import is_authentic

NOW = 1_790_000_000
BODY = b"{}"


def sign(stamp: str, secret: bytes = b"secret") -> str:
    text = b"v0:" + stamp.encode("utf-8", "surrogateescape") + b":" + BODY
    return "v0=" + hmac.new(secret, text, hashlib.sha256).hexdigest()


def accepts(stamp: str, signature: str, secret: bytes = b"secret") -> bool:
    headers = CIMultiDict({"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature})
    return is_authentic(secret, CIMultiDictProxy(headers), BODY, NOW)


def test_slacks_published_example_is_accepted():
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    headers = CIMultiDict({"X-Slack-Request-Timestamp": "1531420618", "X-Slack-Signature": signature})
    secret = b"8f742231b10e8888abcd99yyyzzz85a5"
    assert is_authentic(secret, CIMultiDictProxy(headers), body, 1531420618)


@pytest.mark.parametrize(("off", "is_fresh"), [(0, True), (-300, True), (300, True), (-301, False), (301, False)])
def test_a_request_is_good_for_five_minutes(off, is_fresh):
    stamp = str(NOW + off)
    assert accepts(stamp, sign(stamp)) is is_fresh


@pytest.mark.parametrize("secret", [b"", b" "])
def test_without_a_secret_nothing_is_accepted(secret):
    assert not accepts(str(NOW), sign(str(NOW), secret), secret)


@pytest.mark.parametrize(
    "stamp", ["", "²", "१७९००००००००", "-1", "1e9", "1790000000.0", " 1790000000", "9" * 5000, "\udcff"]
)
def test_an_odd_time_is_refused_without_an_error(stamp):
    assert not accepts(stamp, sign(stamp))


@pytest.mark.parametrize("signature", ["", "v0=", "\udcff", "é", "v1=" + sign(str(NOW))[3:], sign(str(NOW)).upper()])
def test_an_odd_signature_is_refused_without_an_error(signature):
    assert not accepts(str(NOW), signature)
