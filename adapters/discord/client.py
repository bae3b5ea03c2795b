"""discord.py as it is used here: its gateway, sessions and rate-limit buckets, without its models and caches."""

import asyncio
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp
import discord
from discord.gateway import DiscordWebSocket
from discord.http import HTTPClient, Ratelimit, Route
from discord.utils import MISSING
from yarl import URL

from core.errors import BadCredentials, NotReady, SetupError, Throttled, Unavailable, Unconfirmed, Undeliverable

discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # no voice here, so nothing to warn of

INTENTS = discord.Intents(guilds=True, messages=True, reactions=True, message_content=True)
PORTAL = "https://discord.com/developers/applications → your application → Bot"
INVALID_WEBHOOK_TOKEN = 50027
"""A 401 that is about an interaction, not about the bot."""


class _Bucket(Ratelimit):
    """Says at once that it is empty. The library's own sleeps until it is full again, and does so behind a request that
    was answered, too: the message is there, and the one who sent it would take its own patience for a lost answer."""

    async def acquire(self) -> None:
        if self.is_expired():
            self.reset()  # type: ignore[no-untyped-call]
        self._last_request = self._loop.time()
        if self.remaining <= 0 and self.expires is not None:
            raise Throttled(self.expires - self._last_request)
        self.remaining -= 1
        self.outgoing += 1

    async def __aexit__(self, *_: object) -> None:
        self.outgoing -= 1


class _Http(HTTPClient):
    """`Route.BASE` and `DEFAULT_GATEWAY` are global in discord.py; here each client has its own."""

    def __init__(self, api_url: str) -> None:
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(_refuse_early)
        super().__init__(MISSING, http_trace=trace)
        self.api_url = api_url.rstrip("/")
        self.gateway_url = ""

    async def request(self, route: Route, **kwargs: Any) -> Any:
        route.url = self.api_url + route.url.removeprefix(Route.BASE)
        return await super().request(route, **kwargs)

    def get_ratelimit(self, key: str) -> Ratelimit:
        if key not in self._buckets:
            self._buckets[key] = _Bucket(None)
            self._try_clear_expired_ratelimits()
        return self._buckets[key]

    async def ws_connect(self, url: str, *, compress: int = 0) -> aiohttp.ClientWebSocketResponse:
        if URL(url).host == DiscordWebSocket.DEFAULT_GATEWAY.host:
            url = str(URL(self.gateway_url).with_query(URL(url).query))
        return await super().ws_connect(url, compress=compress)


class GatewayClient(discord.Client):
    def __init__(self, api_url: str) -> None:
        super().__init__(intents=INTENTS, allowed_mentions=discord.AllowedMentions.none(), max_messages=None)
        self.identify_every = 5.0
        """Seconds between two IDENTIFYs: https://docs.discord.com/developers/events/gateway#rate-limiting"""
        self.rest = _Http(api_url)
        self.http = self._connection.http = self.rest

    def tell(self, take: Callable[[str, Any], None]) -> None:
        """Hand every dispatch to `take` as it came, in the order it came, before the next is read."""
        self._connection.parsers = {name: partial(take, name) for name in self._connection.parsers}

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        if not initial:
            await asyncio.sleep(self.identify_every)

    @property
    def delivery(self) -> str:
        """The name of the dispatch being taken: replayed after a resume, it is the same."""
        return f"{self.ws.session_id}:{self.ws.sequence}" if self.ws else ""

    @property
    def heard_at(self) -> float:
        """When the gateway last acknowledged a heartbeat, by the monotonic clock; 0 while there is no socket."""
        keeper = self.ws._keep_alive if self.ws else None
        return time.monotonic() - (time.perf_counter() - keeper._last_ack) if keeper else 0.0

    async def call(self, method: str, path: str, body: Any = None, *, params: Any = None, **names: str) -> Any:
        """One REST request with `names` put into its path. Raises SendError."""
        if self.user is None:
            raise Unavailable("not logged in")
        content = {} if body is None else {"json": body}
        try:
            async with asyncio.timeout(10):
                return await self.rest.request(Route(method, path, **names), params=params, **content)
        except discord.HTTPException as error:
            if error.status == 401 and error.code != INVALID_WEBHOOK_TOKEN:
                raise Unavailable("the bot token is refused") from error
            raise Undeliverable(str(error)) from error
        except (aiohttp.ClientConnectorError, RuntimeError) as error:  # RuntimeError: closed by `stop`
            raise Unavailable(str(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unconfirmed(str(error) or type(error).__name__) from error


def setup_error(error: BaseException | None) -> SetupError:
    """Why the connection could not be made or ended."""
    closed = error.code if isinstance(error, discord.ConnectionClosed) else 0
    if isinstance(error, SetupError):
        return error
    if isinstance(error, discord.LoginFailure) or closed == 4004:
        return BadCredentials(f"Discord refuses the bot token: {PORTAL} → Reset Token gives a new one ({error})")
    if isinstance(error, discord.PrivilegedIntentsRequired):
        switch = f"{PORTAL} → Privileged Gateway Intents → switch on Message Content Intent"
        return BadCredentials(f"Discord refuses what the bot asks to read (4014): {switch}")
    if 4010 <= closed <= 4013:
        return BadCredentials(f"the gateway refuses the bot: {error}")
    return NotReady(f"Discord cannot be reached: {str(error) or type(error).__name__}" if error else "disconnected")


async def _refuse_early(_: Any, __: Any, answer: aiohttp.TraceRequestEndParams) -> None:
    """discord.py would sleep out a 429 or 5xx in here; the hub's own gate knows what else waits for the room."""
    response = answer.response
    if "Sec-WebSocket-Key" in answer.headers or (response.status != 429 and response.status < 500):
        return
    text = await response.text()
    response.close()
    if response.status >= 500:
        raise Unconfirmed(f"Discord answered {response.status}")
    try:
        body = json.loads(text)
        wait, is_global = float(body["retry_after"]), body["global"]
    except (KeyError, TypeError, ValueError):  # Cloudflare's own page
        wait, is_global = float(response.headers.get("Retry-After", "5")), True
    raise Throttled(wait, "bot" if is_global else "room")
