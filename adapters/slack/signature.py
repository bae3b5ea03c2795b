"""Whether a request comes from Slack: v0 HMAC over the raw bytes and a timestamp of now.

https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hmac

from multidict import CIMultiDictProxy

from core.adapter import is_only

WINDOW = 300
"""Seconds that a request's timestamp may be off, both ways."""


def is_authentic(secret: bytes, headers: CIMultiDictProxy[str], body: bytes, now: float) -> bool:
    """Pure; false for whatever is absent, doubled or malformed."""
    match headers.getall("X-Slack-Request-Timestamp", ()):
        case [stamp] if secret.strip() and _is_fresh(stamp, now):
            expected = "v0=" + hmac.digest(secret, b"v0:" + stamp.encode() + b":" + body, "sha256").hex()
            return is_only(headers.getall("X-Slack-Signature", ()), expected)
    return False


def _is_fresh(stamp: str, now: float) -> bool:
    return stamp.isascii() and stamp.isdigit() and len(stamp) <= 12 and abs(now - int(stamp)) <= WINDOW
