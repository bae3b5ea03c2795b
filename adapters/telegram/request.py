"""Carries python-telegram-bot's calls over the one pooled client session of the process."""

from contextvars import ContextVar
from typing import Any

import aiohttp
import msgspec
from telegram.error import NetworkError, TelegramError, TimedOut
from telegram.request import BaseRequest, RequestData

last_message: ContextVar[int] = ContextVar("last_message")
"""The id of the message that the last call in this task sent or changed."""


class Refused(NetworkError):
    """No connection came about: certainly nothing was sent."""


class Flooded(TelegramError):
    """Too many requests; raised in the library's place, whose own error warns of a change of type at each raise."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"Too many requests: retry after {retry_after:g} s")
        self.retry_after = retry_after
        """Seconds."""


class _Parameters(msgspec.Struct):
    retry_after: float | None = None


class _Refusal(msgspec.Struct):
    parameters: _Parameters | None = None


class AiohttpRequest(BaseRequest):
    """No error raised here names a URL, because the bot's token is part of it."""

    def __init__(self, http: aiohttp.ClientSession, timeout: float = 20.0) -> None:
        self._http = http
        self._timeout = timeout

    @property
    def read_timeout(self) -> float | None:
        return self._timeout

    async def initialize(self) -> None:
        """The session is open already."""

    async def shutdown(self) -> None:
        """The session belongs to the process."""

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        body, headers = _body(request_data)
        total = self._timeout if read_timeout is BaseRequest.DEFAULT_NONE else read_timeout
        try:
            async with self._http.request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=total, sock_connect=10),
                allow_redirects=False,
            ) as response:
                status, payload = response.status, await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Refused(f"no connection: {type(error).__name__}") from None
        except TimeoutError:
            raise TimedOut from None
        except (aiohttp.ClientError, OSError) as error:
            raise NetworkError(f"connection lost: {type(error).__name__}") from None
        if status == 429:
            raise Flooded(_retry_after(payload))
        return status, payload

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """The answer. A message in it is left in `last_message`: the library would spend 0.1 ms to build its object."""
        try:
            answer = msgspec.json.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or "ok" not in answer or (answer["ok"] and "result" not in answer):
            raise TelegramError("Invalid server response")
        match answer:
            case {"result": {"message_id": int(number)}}:
                last_message.set(number)
                answer["result"] = True
        return answer


def _body(request_data: RequestData | None) -> tuple[bytes | aiohttp.FormData | None, dict[str, str]]:
    if request_data is None or (not request_data.parameters and not request_data.contains_files):
        return None, {}
    if not request_data.contains_files:
        return msgspec.json.encode(request_data.parameters), {"Content-Type": "application/json"}
    form = aiohttp.FormData(request_data.json_parameters)
    for field, (name, content, mime) in request_data.multipart_data.items():
        form.add_field(field, content, filename=name, content_type=mime)
    return form, {}


def _retry_after(payload: bytes) -> float:
    try:
        refusal = msgspec.json.decode(payload, type=_Refusal)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return 1.0
    return (refusal.parameters and refusal.parameters.retry_after) or 1.0
