"""Slack's Web API over the pooled session, and what its refusals mean, in one place.

https://docs.slack.dev/apis/web-api · https://docs.slack.dev/reference/methods/chat.postMessage#errors
"""

from collections.abc import Mapping
from typing import Any, Literal

import aiohttp
import msgspec
from yarl import URL

from core.errors import BadCredentials, NotReady, SendError, Throttled, Unavailable, Unconfirmed, Undeliverable

Arguments = Mapping[str, Any]
"""Those that are None are left out."""

_REINSTALL = "reinstall the app to the workspace and copy the new token"
_ADVICE = {
    "invalid_auth": "the token is wrong or belongs to another app: copy it again from the app's settings",
    "not_allowed_token_type": "this is the wrong kind of token: bot_token starts with xoxb-, app_token with xapp-",
    "account_inactive": f"the app was removed from the workspace: {_REINSTALL}",
    "token_revoked": f"the token was revoked: {_REINSTALL}",
    "token_expired": f"the token has expired: {_REINSTALL}, with token rotation off",
    "missing_scope": f"the app lacks the scope {{needed}}: add it and {_REINSTALL}",
    "no_permission": f"the app lacks a permission: {_REINSTALL}",
    "access_denied": "the workspace denies access: ask its admin",
    "ekm_access_denied": "an admin of the workspace has suspended access: ask them",
    "team_access_not_granted": "the app may not use this workspace: ask an admin of the organisation",
    "org_login_required": "the workspace is being moved into an organisation: reinstall the app when that is done",
}
_NOT_TAKEN = frozenset({"service_unavailable", "team_added_to_org", "request_timeout"})
_IN_DOUBT = frozenset({"", "fatal_error", "internal_error"})
_JSON = {"Content-Type": "application/json; charset=utf-8"}
_RESPONSE_HOSTS = (URL("https://hooks.slack.com"), URL("https://hooks.slack-gov.com"))
decode = msgspec.json.Decoder(dict[str, Any]).decode


class Refused(Undeliverable):
    """Slack will not do it, now or later."""

    def __init__(self, code: str, needed: str) -> None:
        super().__init__(code)
        self.advice = _ADVICE.get(code, "").format(needed=needed)
        """What an admin can do; empty where the token is not at fault."""


class WebApi:
    """Slack's methods, called with one token. All raise SendError where nothing else is said."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._token = {"Authorization": f"Bearer {token}"}

    async def prove(self, method: str, setting: str) -> dict[str, Any]:
        """Call a method in which only the token can be at fault; `setting`: its key.

        Raises BadCredentials or NotReady."""
        try:
            return await self.call(method, {})
        except SendError as error:
            if isinstance(error, Refused) and error.advice:
                raise BadCredentials(f"{setting}: {error.advice}") from error
            raise NotReady(f"Slack cannot be reached now ({error})") from error

    async def call(self, method: str, arguments: Arguments) -> dict[str, Any]:
        return await self._request("POST", f"{self._url}/{method}", {**self._token, **_JSON}, arguments)

    async def read(self, method: str, query: Arguments) -> dict[str, Any]:
        """Call a method that takes no JSON."""
        return await self._request("GET", f"{self._url}/{method}", self._token, query)

    async def respond(self, url: str, message: Arguments) -> bool:
        """Post to the address that came with a command or a press. False: it is used up, or none of Slack's."""
        if not is_slacks(url, self._url):
            return False
        try:
            await self._request("POST", url, _JSON, message)
        except Refused:
            return False
        return True

    async def _request(self, verb: str, url: str, headers: Mapping[str, str], arguments: Arguments) -> dict[str, Any]:
        """By the session itself: the SDK's way to it costs as much again."""
        given = {name: value for name, value in arguments.items() if value is not None}
        sent: dict[str, Any] = {"params": given} if verb == "GET" else {"data": msgspec.json.encode(given)}
        try:
            async with self._http.request(verb, url, headers=headers, allow_redirects=False, **sent) as response:
                answer = _answer(await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unavailable(f"no connection: {type(error).__name__}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unconfirmed(f"no answer: {type(error).__name__}") from error
        if response.status == 200 and answer.get("ok") is True:
            return answer
        raise _failure(response, answer)


def is_slacks(url: str, api_url: str) -> bool:
    """Whether it is one of Slack's own addresses, or of the server that plays Slack."""
    try:
        return URL(url).origin() in (*_RESPONSE_HOSTS, URL(api_url).origin())
    except ValueError:
        return False


def _answer(body: bytes) -> dict[str, Any]:
    try:
        return {"ok": True} if body == b"ok" else decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}  # a page of some proxy


def _failure(response: aiohttp.ClientResponse, answer: Arguments) -> SendError:
    status = response.status
    code = str(answer.get("error") or ("" if status == 200 else f"HTTP {status}"))
    if status == 429 or code in ("ratelimited", "rate_limited"):
        # Edits are counted over the whole workspace: https://docs.slack.dev/apis/web-api/rate-limits
        scope: Literal["bot", "room"] = "bot" if response.url.name == "chat.update" else "room"
        after = response.headers.get("Retry-After", "")
        return Throttled(float(after) if after.isdecimal() else 1.0, scope)
    if code in _NOT_TAKEN:
        return Unavailable(code)
    if status >= 500 or code in _IN_DOUBT:
        return Unconfirmed(code or "no JSON")
    return Refused(code, str(answer.get("needed") or ""))
