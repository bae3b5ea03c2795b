"""What Slack's refusals mean to the hub, in one place.

https://docs.slack.dev/reference/methods/chat.postMessage#errors
"""

from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec
from slack_sdk.errors import SlackApiError

from core.errors import (
    BadCredentials,
    NotReady,
    SendError,
    SetupError,
    Throttled,
    Unavailable,
    Unconfirmed,
    Undeliverable,
)

FAILURES = (SlackApiError, aiohttp.ClientError, TimeoutError)
"""What a Web API call raises."""

_REINSTALL = "reinstall the app to the workspace and copy the new token"
_ADVICE = {
    "not_authed": "no token was sent: set it",
    "invalid_auth": "the token is wrong or belongs to another app: copy it again from the app's settings",
    "account_inactive": f"the app was removed from the workspace: {_REINSTALL}",
    "token_revoked": f"the token was revoked: {_REINSTALL}",
    "token_expired": f"the token has expired: {_REINSTALL}, with token rotation off",
    "not_allowed_token_type": "this is the wrong kind of token: bot_token starts with xoxb-, app_token with xapp-",
    "missing_scope": "the app lacks a scope",
    "no_permission": f"the app lacks a permission: {_REINSTALL}",
    "org_login_required": "the workspace is being moved into an organisation: reinstall the app when that is done",
    "ekm_access_denied": "an admin of the workspace has suspended access: ask them",
    "team_access_not_granted": "the app may not use this workspace: ask an admin of the organisation",
    "access_denied": "the workspace denies access: ask its admin",
}
_LATER = frozenset({"service_unavailable", "team_added_to_org", "request_timeout"})
_DOUBTFUL = frozenset({"fatal_error", "internal_error"})


class Answer:
    """What Slack answered, with what the SDK's answers have and `SlackApiError` carries."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status_code = status
        self.headers = headers
        try:
            self.data: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.data = {}  # a page of some proxy

    @property
    def is_ok(self) -> bool:
        return self.status_code == 200 and self.data.get("ok") is True

    def __str__(self) -> str:
        return f"HTTP {self.status_code} {self.data.get('error', '')}"


def code(error: BaseException) -> str:
    """Slack's own word for it; empty where it said none."""
    return str(_data(error).get("error") or "")


def _data(error: BaseException) -> Mapping[str, Any]:
    data = getattr(getattr(error, "response", None), "data", None)
    return data if isinstance(data, dict) else {}


def _status(error: SlackApiError) -> int:
    response = error.response
    return int(getattr(response, "status_code", None) or getattr(response, "status", None) or 0)


def _wait(error: SlackApiError) -> float:
    """Seconds, by https://docs.slack.dev/apis/web-api/rate-limits"""
    headers = getattr(error.response, "headers", None) or {}
    try:
        return max(0.0, float(headers.get("Retry-After", 1)))
    except ValueError:
        return 1.0


def credentials(error: BaseException, what: str) -> BadCredentials | None:
    """Whether only an admin can help; `what`: the key of the token that was used."""
    if (advice := _ADVICE.get(code(error))) is None:
        return None
    needed = _data(error).get("needed")
    return BadCredentials(f"{what}: {advice}" + (f" ({needed}): add it and {_REINSTALL}" if needed else ""))


def at_start(error: Exception, what: str) -> SetupError:
    """Of a call that proves a token."""
    if refused := credentials(error, what):
        return refused
    reason = code(error) or (f"HTTP {_status(error)}" if isinstance(error, SlackApiError) else type(error).__name__)
    return NotReady(f"Slack cannot be reached now ({reason})")


def of_send(error: Exception, *, whole_channel: bool = False) -> SendError:
    """Of a call that shows something to users; `whole_channel`: Slack counts this call over all rooms."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return Unavailable(f"no connection: {type(error).__name__}")
    if not isinstance(error, SlackApiError):
        return Unconfirmed(f"no answer: {type(error).__name__}")
    reason, status = code(error), _status(error)
    if status == 429 or reason in ("ratelimited", "rate_limited"):
        return Throttled(_wait(error), "bot" if whole_channel else "room")
    if reason in _LATER:
        return Unavailable(reason)
    if status >= 500 or reason in _DOUBTFUL or not reason:
        return Unconfirmed(reason or f"HTTP {status}")
    return Undeliverable(reason)
