"""Carries python-telegram-bot's calls over the one pooled client session of the process."""

import re
from contextvars import ContextVar
from typing import Any

import aiohttp
import msgspec
from telegram.error import NetworkError, TelegramError, TimedOut
from telegram.request import BaseRequest, RequestData

from core.errors import Throttled, Unavailable

last_message: ContextVar[int] = ContextVar("last_message")
"""The id of the message that the last call in this task sent or changed."""


class NoConnection(Unavailable, NetworkError):
    """Of both families: the library lets its own errors through, and the core reads its own."""


class Flooded(Throttled, TelegramError):
    """In place of the library's, which warns of a change of type at each raise."""


class AiohttpRequest(BaseRequest):
    """No error raised here names a URL, because the bot's token is part of it. Files are not sent."""

    read_timeout = 20.0

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

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
        body = msgspec.json.encode(request_data.parameters) if request_data else None
        total = self.read_timeout if read_timeout is BaseRequest.DEFAULT_NONE else read_timeout
        try:
            async with self._http.request(
                method,
                url,
                data=body,
                headers={"Content-Type": "application/json"} if body else None,
                timeout=aiohttp.ClientTimeout(total=total, sock_connect=10),
                allow_redirects=False,
            ) as response:
                status, payload = response.status, await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NoConnection(f"no connection: {type(error).__name__}") from None
        except TimeoutError:
            raise TimedOut from None
        except (aiohttp.ClientError, OSError) as error:
            raise NetworkError(f"connection lost: {type(error).__name__}") from None
        if status == 429:
            seconds = re.search(rb'"retry_after":\s*(\d+)', payload)
            raise Flooded(float(seconds[1]) if seconds else 1.0)
        return status, payload

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """The answer. A message in it is left in `last_message`: the library would spend 0.1 ms to build its object."""
        try:
            answer = msgspec.json.decode(payload, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            answer = {}
        match answer:
            case {"result": {"message_id": int(number)}}:
                last_message.set(number)
                return answer | {"result": True}
            case {"result": _} | {"description": _}:
                return answer
        raise TelegramError("Invalid server response")
