"""A server that speaks the OpenAI API on loopback: it echoes, streams, embeds, and misbehaves on demand.

Error answers: https://platform.openai.com/docs/guides/error-codes."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from time import time
from typing import Self

from aiohttp import web

from core.site import Site
from simulators.openai.answers import Manner, stream, whole
from simulators.openai.embeddings import MOST_TEXTS, embeddings
from simulators.openai.scripts import Exchange, Fault, Misbehaviour, Script

Answerer = Callable[[web.Request, Exchange, Fault | None], Awaitable[web.StreamResponse]]


class OpenAISimulator:
    """`async with OpenAISimulator() as server`, and a client on `server.url`.

    Without a script it repeats what was last said, word by word."""

    def __init__(self, api_key: str = "sk-obviously-fake") -> None:
        self.api_key = api_key
        self.manner = Manner()
        self.unknown: set[str] = set()
        """Parameters that are refused with a 400 that names them."""
        self.answer: Callable[[Exchange], Script | None] | None = None
        """What to answer to a request, where a function decides."""
        self.script: deque[Script] = deque()
        """The next answers, first to last; then it echoes again."""
        self.faults: deque[Fault] = deque()
        """What goes wrong with the next requests, first to last."""
        self.dimensions = 256
        """Of embeddings."""
        self.longest_text = 32_000
        """Characters that can be embedded; more is refused as too many tokens."""
        self.exchanges: deque[Exchange] = deque(maxlen=1000)
        self.url = ""
        """`http://127.0.0.1:<port>/v1`: what `base_url` in the YAML points at."""
        self._runner: web.AppRunner | None = None
        self._arrived = asyncio.Condition()

    def misbehave(self, kind: Misbehaviour, times: int = 1, *, after: int = 2, retry_after: str = "") -> None:
        """Go wrong like this with the next requests."""
        self.faults.extend([Fault(kind, after, retry_after)] * times)

    async def request(self, number: int, limit: float = 5.0) -> Exchange:
        """The exchange of that number, counted from 1, waiting up to `limit` seconds for it. Raises TimeoutError."""
        async with asyncio.timeout(limit), self._arrived:
            await self._arrived.wait_for(lambda: len(self.exchanges) >= number)
        return self.exchanges[number - 1]

    async def start(self, port: int = 0) -> None:
        """Listen on loopback."""
        app = web.Application(client_max_size=16 << 20)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_post("/v1/embeddings", self._embed)
        app.router.add_get("/v1/models", self._models)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        await Site(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def stop(self) -> None:
        """Close all sockets."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _authorised(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.api_key}"

    async def _models(self, request: web.Request) -> web.Response:
        if not self._authorised(request):
            return _bad_key()
        return web.json_response({"object": "list", "data": [{"id": "simulated", "object": "model", "created": 1}]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        return await self._exchange(request, self._answer)

    async def _embed(self, request: web.Request) -> web.StreamResponse:
        return await self._exchange(request, self._embeddings)

    async def _exchange(self, request: web.Request, answer: Answerer) -> web.StreamResponse:
        if not self._authorised(request):
            return _bad_key()
        exchange = Exchange(await request.json(), _port(request))
        async with self._arrived:
            self.exchanges.append(exchange)
            self._arrived.notify_all()
        fault = self.faults.popleft() if self.faults else None
        try:
            response = self._refusal(exchange, fault) or await answer(request, exchange, fault)
            exchange.status = response.status
        except asyncio.CancelledError:
            exchange.left = True
            raise
        finally:
            exchange.ended.set()
        return response

    def _refusal(self, exchange: Exchange, fault: Fault | None) -> web.Response | None:
        for name in sorted(self.unknown & exchange.body.keys()):
            return _error(400, f"Unsupported parameter: '{name}'.", "unsupported_parameter", param=name)
        match fault.kind if fault else None:
            case "throttle" if fault:
                return _error(429, "Rate limit reached.", "rate_limit_exceeded", headers=_wait(fault.retry_after))
            case "quota":
                return _error(429, "You exceeded your current quota.", "insufficient_quota")
            case "error":
                return _error(500, "The server had an error.", "server_error")
            case "away" if fault:
                return _error(503, "Overloaded.", "overloaded", headers=_wait(fault.retry_after))
            case "bad key":
                return _bad_key()
            case "too long":
                return _error(400, "This model's maximum context length is 8 tokens.", "context_length_exceeded")
            case "web page":
                return web.Response(text="<html>Please sign in</html>", content_type="text/html")
        return None

    async def _embeddings(self, request: web.Request, exchange: Exchange, fault: Fault | None) -> web.StreamResponse:
        texts = exchange.texts
        if not texts or not all(texts) or len(texts) > MOST_TEXTS:
            return _error(400, "'$.input' is invalid.", "invalid_request_error", param="input")
        if any(len(text) > self.longest_text for text in texts):
            return _error(400, "This model's maximum context length is 8 tokens.", "context_length_exceeded")
        if fault and fault.kind in ("hang", "hang before token", "stall"):
            await asyncio.Event().wait()
        if fault and fault.kind == "reset":
            _reset(request)
        return embeddings(exchange, fault, self.dimensions)

    async def _answer(self, request: web.Request, exchange: Exchange, fault: Fault | None) -> web.StreamResponse:
        script = self.answer(exchange) if self.answer else None
        script = script or (self.script.popleft() if self.script else Script(exchange.said))
        if fault and fault.kind == "hang":
            await asyncio.Event().wait()
        if not exchange.body.get("stream") or not self.manner.streams:
            return whole(exchange, script, fault, self.manner)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        try:
            async for data in stream(exchange, script, fault, self.manner):
                if data is None:
                    _reset(request)
                    return response
                await response.write(data)
            await response.write_eof()
        except ConnectionError:
            exchange.left = True
        return response


def _error(
    status: int, message: str, code: str, *, param: str | None = None, headers: dict[str, str] | None = None
) -> web.Response:
    error = {"message": message, "type": code, "param": param, "code": code}
    return web.json_response({"error": error}, status=status, headers=headers)


def _bad_key() -> web.Response:
    return _error(401, "Incorrect API key provided.", "invalid_api_key")


def _wait(retry_after: str) -> dict[str, str]:
    if retry_after.endswith("ms"):
        return {"retry-after-ms": retry_after.removesuffix("ms")}
    if retry_after.startswith("date:"):
        return {"Retry-After": formatdate(time() + float(retry_after.removeprefix("date:")), usegmt=True)}
    return {"Retry-After": retry_after} if retry_after else {}


def _reset(request: web.Request) -> None:
    transport = request.transport
    if transport is None:
        return
    wire: socket.socket = transport.get_extra_info("socket")
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _port(request: web.Request) -> int:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return int(peer[1]) if peer else 0
