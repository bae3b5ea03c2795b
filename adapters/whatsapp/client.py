"""Twilio's REST API through its SDK, over the shared session, with its failures in our words."""

import logging
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from adapters.whatsapp.settings import WhatsAppSettings
from core.errors import SendError, Throttled, Unavailable, Unconfirmed, Undeliverable

TIME_LIMIT = aiohttp.ClientTimeout(total=10, connect=5)

MEANINGS = {
    20003: "Twilio refuses the account SID and auth token",
    21211: "this is no address that a message can go to",
    21608: "a trial account may write to verified numbers only",
    21610: "the customer has unsubscribed",
    21614: "this is no address that a message can go to",
    21617: "the text is longer than 1,600 characters",
    63003: "the customer is not on WhatsApp",
    63007: "the sender number is not a WhatsApp sender of this account",
    63015: "the customer has not joined the sandbox",
    63016: "the customer's last message is more than 24 hours old: only an approved template may be sent now",
    63018: "the sender's rate limit is exceeded",
    63024: "the customer cannot be reached on WhatsApp",
    63032: "WhatsApp limits what this customer may be sent",
    63038: "the account's messages for today are used up",
    63049: "WhatsApp chose not to deliver this message",
}
_RATE_LIMITS = (20429, 63018)

T = TypeVar("T")


class KeysRefused(Undeliverable):
    """Twilio does not know our keys; nothing will be sent until an admin has changed them."""


class Account(msgspec.Struct):
    friendly_name: str = ""
    status: str = "active"


class Sms(msgspec.Struct):
    """Twilio's message resource, as far as it concerns us."""

    sid: str
    body: str | None = None
    status: str = ""
    date_created: str | None = None


class SmsPage(msgspec.Struct):
    messages: list[Sms]


class Nothing(msgspec.Struct):
    """An answer that we read nothing from."""


class _Problem(msgspec.Struct):
    """Twilio's error body, and its newer RFC 9457 form."""

    code: int = 0
    message: str = ""
    title: str = ""
    detail: str | None = None


class PooledHttpClient(AsyncHttpClient):  # type: ignore[misc]
    """The SDK's own client opens a session of its own and ignores its time limit."""

    def __init__(self, session: aiohttp.ClientSession, limit: aiohttp.ClientTimeout) -> None:
        super().__init__(logging.getLogger("twilio"), is_async=True)
        self._session = session
        self._limit = limit

    async def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        headers = dict(headers or {})
        if auth is not None:
            headers["Authorization"] = "Basic " + b64encode(":".join(auth).encode()).decode()
        async with self._session.request(
            method,
            uri,
            params=params,
            data=urlencode(data).encode() if data else None,
            headers=headers,
            timeout=self._limit,
            allow_redirects=allow_redirects,
        ) as response:
            body = (await response.read()).decode(errors="replace")
            return Response(response.status, body, response.headers)


class TwilioApi:
    """The four calls we make."""

    def __init__(
        self, settings: WhatsAppSettings, session: aiohttp.ClientSession, limit: aiohttp.ClientTimeout = TIME_LIMIT
    ) -> None:
        self._settings = settings
        self._account_url = f"{settings.api_url}/2010-04-01/Accounts/{settings.account_sid}"
        self._client: Any = Client(
            settings.account_sid,
            settings.auth_token.get_secret_value(),
            http_client=PooledHttpClient(session, limit),
            # TWILIO_EDGE and TWILIO_REGION rewrite host names, and make nonsense of any but Twilio's own.
            environment=None if settings.is_twilio else {"TWILIO_EDGE": "", "TWILIO_REGION": ""},
        )

    async def account(self) -> Account:
        return await self._call("GET", f"{self._account_url}.json", Account)

    async def create_message(self, fields: Mapping[str, str]) -> Sms:
        return await self._call("POST", f"{self._account_url}/Messages.json", Sms, data=fields)

    async def list_messages(self, filters: Mapping[str, str]) -> list[Sms]:
        page = await self._call("GET", f"{self._account_url}/Messages.json", SmsPage, params=filters)
        return page.messages

    async def show_typing(self, message_sid: str) -> None:
        url = f"{self._settings.messaging_url}/v2/Indicators/Typing.json"
        await self._call("POST", url, Nothing, data={"channel": "whatsapp", "messageId": message_sid})

    async def _call(
        self,
        method: str,
        url: str,
        answer: type[T],
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> T:
        """Raises SendError.

        Through the SDK's `request_async`: its resource classes (`messages.create_async`) take five times the CPU for
        fields that nobody reads, hide the Retry-After header, and block the loop for 0.2 s at their lazy import."""
        try:
            response = await self._client.request_async(method, url, params=params, data=data)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unavailable(f"no connection: {error}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unconfirmed(f"no answer: {error!r}") from error
        if not 200 <= response.status_code < 300:
            raise refusal(response.status_code, response.text, response.headers.get("Retry-After", ""))
        try:
            return msgspec.json.decode(response.text, type=answer)
        except (msgspec.DecodeError, ValueError) as error:
            raise Unconfirmed(f"Twilio gave an answer that cannot be read: {error}") from error


def refusal(status: int, body: str, retry_after: str = "") -> SendError:
    """What an error answer means for us. Pure."""
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except (msgspec.DecodeError, ValueError):
        problem = _Problem()
    code = problem.code
    if code in _RATE_LIMITS or (status == 429 and code not in MEANINGS):
        return Throttled(float(retry_after) if retry_after.isdecimal() else 1.0, scope="bot")
    said = MEANINGS.get(code) or problem.message or problem.detail or problem.title or "no reason given"
    words = f"{said} ({code or status})"
    if status == 401 or code == 20003:
        return KeysRefused(words)
    if 400 <= status < 500 and status != 408:
        return Undeliverable(words)
    return Unconfirmed(words)
