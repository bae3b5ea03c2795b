"""Carries python-telegram-bot's calls over the one pooled client session of the process.

What goes wrong is told by errors of both families: the library lets its own through, and the core reads its own.
"""

import re
from contextvars import ContextVar
from typing import Any

import aiohttp
import msgspec
from telegram.error import TelegramError
from telegram.request import BaseRequest, RequestData

from core.errors import SendError, Throttled, Unavailable, Unconfirmed, Undeliverable

last_message: ContextVar[int] = ContextVar("last_message")
"""The id of the message that the last call in this task sent or changed."""


class Flooded(Throttled, TelegramError):
    """Too much was sent."""


class NoConnection(Unavailable, TelegramError):
    """It was not sent."""


class InDoubt(Unconfirmed, TelegramError):
    """Nobody knows whether it was taken."""


class OtherPoller(InDoubt):
    """Another process takes this bot's updates."""


class Refused(Undeliverable, TelegramError):
    """Telegram will not do it."""


class WrongToken(Refused):
    """Nor anything else for this token."""


_FAILURES = {400: Refused, 403: Refused, 401: WrongToken, 404: WrongToken, 409: OtherPoller}
"""What a status says; any other leaves it in doubt."""


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
        except (aiohttp.ClientError, TimeoutError, OSError, RuntimeError) as error:  # the last: the session is closed
            raise InDoubt(f"no answer: {type(error).__name__}") from None
        if status == 429:
            seconds = re.search(rb'"retry_after":\s*(\d+)', payload)
            raise Flooded(float(seconds[1]) if seconds else 1.0)
        if not 200 <= status < 300:
            raise _failure(status, payload)
        return status, payload

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """The answer. A message in it is left in `last_message`: the library would spend 0.1 ms to build its object."""
        match answer := _read(payload):
            case {"result": {"message_id": int(number)}}:
                last_message.set(number)
                return answer | {"result": True}
            case {"result": _}:
                return answer
        raise InDoubt("an answer that cannot be read")


def _failure(status: int, payload: bytes) -> SendError:
    kind = _FAILURES.get(status, InDoubt)
    if kind is WrongToken:
        return kind("Telegram refuses the bot token: ask @BotFather for a new one and set TELEGRAM_BOT_TOKEN")
    reason = TelegramError(str(_read(payload).get("description") or f"status {status}"))
    return kind(f"Telegram refuses: {reason}" if kind is Refused else str(reason))


def _read(payload: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
