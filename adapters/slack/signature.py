"""Whether a request comes from Slack: v0 HMAC over the raw bytes and a timestamp of now.

https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hmac

from multidict import CIMultiDictProxy

WINDOW = 300
"""Seconds that a request's timestamp may be off, both ways."""


def is_authentic(secret: bytes, headers: CIMultiDictProxy[str], body: bytes, now: float) -> bool:
    """Pure; false for whatever is absent, doubled or malformed."""
    match headers.getall("X-Slack-Request-Timestamp", ()), headers.getall("X-Slack-Signature", ()):
        case [stamp], [signature] if secret.strip() and _is_fresh(stamp, now):
            expected = "v0=" + hmac.digest(secret, b"v0:" + stamp.encode() + b":" + body, "sha256").hex()
            return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogateescape"))
    return False


def _is_fresh(stamp: str, now: float) -> bool:
    return stamp.isascii() and stamp.isdigit() and len(stamp) <= 12 and abs(now - int(stamp)) <= WINDOW
