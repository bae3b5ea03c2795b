"""discord.py as it is used here: its gateway, sessions and rate-limit buckets, without its models and caches."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import aiohttp
import discord
import msgspec
from discord.gateway import DiscordWebSocket
from discord.http import HTTPClient, Route
from yarl import URL

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

discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # no voice here, so nothing to warn of

T = TypeVar("T")
Take = Callable[[str, Any], None]

EVENTS = (
    *("READY", "GUILD_CREATE", "GUILD_DELETE", "GUILD_MEMBER_ADD", "INTERACTION_CREATE"),
    *("CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE"),
    *("THREAD_CREATE", "THREAD_UPDATE", "THREAD_DELETE", "THREAD_LIST_SYNC"),
    *("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE"),
)
"""The dispatches that are read; all others are passed over unread."""

PORTAL = "https://discord.com/developers/applications → your application → Bot"


_SWITCH = f"""{PORTAL} → Privileged Gateway Intents → switch on Message Content Intent \
(and Server Members Intent for `member_events: true`)"""


class _Http(HTTPClient):
    """`Route.BASE` and `DEFAULT_GATEWAY` are global in discord.py; here each client has its own."""

    def __init__(self, api_url: str) -> None:
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(_refuse_early)
        super().__init__(asyncio.get_running_loop(), http_trace=trace)
        self.api_url = api_url.rstrip("/")
        self.gateway_url = ""

    async def request(self, route: Route, **kwargs: Any) -> Any:
        route.url = self.api_url + route.url.removeprefix(Route.BASE)
        return await super().request(route, **kwargs)

    async def ws_connect(self, url: str, *, compress: int = 0) -> aiohttp.ClientWebSocketResponse:
        if URL(url).host == DiscordWebSocket.DEFAULT_GATEWAY.host:
            url = str(URL(self.gateway_url).with_query(URL(url).query))
        return await super().ws_connect(url, compress=compress)


class GatewayClient(discord.Client):
    """Hands every dispatch named in `EVENTS` to `take` as it came, in the order it came, before reading the next."""

    def __init__(self, intents: discord.Intents, api_url: str, take: Take) -> None:
        super().__init__(intents=intents, allowed_mentions=discord.AllowedMentions.none(), max_messages=None)
        self.identify_every = 5.0
        """Seconds between two IDENTIFYs: https://docs.discord.com/developers/events/gateway#rate-limiting"""
        self.rest = _Http(api_url)
        self.http = self._connection.http = self.rest
        self._connection.parsers = {name: partial(take, name) for name in EVENTS}

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        if not initial:
            await asyncio.sleep(self.identify_every)

    @property
    def delivery(self) -> str:
        """The name of the dispatch being taken: replayed after a resume, it is the same."""
        return f"{self.ws.session_id}:{self.ws.sequence}" if self.ws else ""

    @property
    def heard_at(self) -> float | None:
        """When the gateway last acknowledged a heartbeat, by the monotonic clock; None while there is no socket."""
        keeper = self.ws._keep_alive if self.ws else None
        return None if keeper is None else time.monotonic() - (time.perf_counter() - keeper._last_ack)

    async def call(
        self, method: str, path: str, names: Mapping[str, str] | None = None, limit: float = 10.0, **body: Any
    ) -> Any:
        """One REST request with `names` put into its path, of at most `limit` seconds. Raises SendError."""
        return await said(self.rest.request(Route(method, path, **names or {}), **body), limit)


async def said(call: Awaitable[T], limit: float) -> T:
    """Await a call of discord.py and speak of its failures in our words."""
    try:
        async with asyncio.timeout(limit):
            return await call
    except discord.HTTPException as error:
        if error.status == 401:
            raise Unavailable("the bot token is refused") from error
        raise Undeliverable(str(error)) from error
    except aiohttp.ClientConnectorError as error:
        raise Unavailable(str(error)) from error
    except RuntimeError as error:  # the session was closed by `stop`
        raise Unavailable(str(error)) from error
    except (aiohttp.ClientError, OSError) as error:
        raise Unconfirmed(str(error) or type(error).__name__) from error


def code_of(error: SendError) -> int:
    """Discord's own code of what went wrong: https://docs.discord.com/developers/topics/opcodes-and-status-codes#json"""
    cause = error.__cause__
    return cause.code if isinstance(cause, discord.HTTPException) else 0


def setup_error(error: BaseException | None) -> SetupError:
    """Why the connection could not be made or ended."""
    if isinstance(error, SetupError):
        return error
    if isinstance(error, discord.LoginFailure):
        return BadCredentials(f"Discord refuses the bot token: {PORTAL} → Reset Token gives a new one")
    if isinstance(error, discord.PrivilegedIntentsRequired):
        return BadCredentials(f"Discord refuses what the bot asks to read (4014). {_SWITCH}")
    if isinstance(error, discord.ConnectionClosed):
        if error.code == 4004:
            return BadCredentials(f"the gateway refuses the bot token (4004): {PORTAL} → Reset Token gives a new one")
        if 4010 <= error.code <= 4014:
            return BadCredentials(f"the gateway closed with {error.code}: {error.reason}")
    return NotReady(f"Discord cannot be reached: {error}" if error else "the connection has ended")


class _Refusal(msgspec.Struct):
    retry_after: float
    is_global: bool = msgspec.field(default=False, name="global")


async def _refuse_early(_: Any, __: Any, answer: aiohttp.TraceRequestEndParams) -> None:
    """discord.py would sleep out a 429 or 5xx in here; the hub's own gate knows what else waits for the room."""
    response = answer.response
    if "Sec-WebSocket-Key" in answer.headers or (response.status != 429 and response.status < 500):
        return
    body = await response.read()
    response.close()
    if response.status >= 500:
        raise Unconfirmed(f"Discord answered {response.status}")
    try:
        refusal = msgspec.json.decode(body, type=_Refusal)
    except msgspec.DecodeError:  # Cloudflare's own page
        refusal = _Refusal(float(response.headers.get("Retry-After", "5")), is_global=True)
    raise Throttled(refusal.retry_after, "bot" if refusal.is_global else "room")
