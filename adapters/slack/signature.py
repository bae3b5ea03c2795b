"""Whether a request comes from Slack: v0 HMAC over the raw bytes and a timestamp of now.

https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hmac

from multidict import CIMultiDictProxy

WINDOW = 300
"""Seconds that a request's timestamp may be off, both ways."""


def is_authentic(secret: bytes, headers: CIMultiDictProxy[str], body: bytes, now: float) -> bool:
    """Pure; false for whatever is absent, doubled or malformed."""
    stamps = headers.getall("X-Slack-Request-Timestamp", [])
    signatures = headers.getall("X-Slack-Signature", [])
    if len(stamps) != 1 or len(signatures) != 1 or not secret.strip():
        return False
    stamp = stamps[0]
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12) or abs(now - int(stamp)) > WINDOW:
        return False
    expected = "v0=" + hmac.digest(secret, b"v0:" + stamp.encode() + b":" + body, "sha256").hex()
    return hmac.compare_digest(expected.encode(), signatures[0].encode("utf-8", "surrogateescape"))
