"""A web server that waits only so long for the head of a request, so that senders who never finish hold nothing."""

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

HEAD_LIMIT = 10.0
"""Seconds from the first byte of a request (or from the connection, where none comes) to the end of its head."""
IDLE_LIMIT = 75.0
"""Seconds that a connection may stay between two requests; proxies in front give up theirs after 60."""


class Runner(web.AppRunner):
    """As its base, with that limit. Bodies, streams and WebSockets take as long as they like."""

    def __init__(
        self, app: web.Application, *, head_limit: float = HEAD_LIMIT, idle_limit: float = IDLE_LIMIT, **options: Any
    ) -> None:
        super().__init__(app, keepalive_timeout=idle_limit, **options)
        self._head_limit = head_limit

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        server = _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,
        )
        server.head_limit = self._head_limit
        return server


class _Server(web.Server):
    head_limit = HEAD_LIMIT

    def __call__(self) -> RequestHandler:
        return _Connection(self, self.head_limit, loop=self._loop, **self._kwargs)


class _Connection(RequestHandler):
    """Keeps the time while the server waits for a request of which something, or nothing yet, has come."""

    __slots__ = ("_due", "_limit")

    def __init__(self, server: web.Server, limit: float, **options: Any) -> None:
        super().__init__(server, **options)
        self._limit = limit
        self._due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._due = self._loop.call_later(self._limit, self._cut)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_waiting:
            if self._due is None:
                self._due = self._loop.call_later(self._limit, self._cut)
        elif self._due is not None:
            self._due.cancel()
            self._due = None

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        super().connection_lost(exc)

    @property
    def _is_waiting(self) -> bool:
        """No request is under way, and none has come whole. The base class asks the same of idle connections."""
        return self._waiter is not None and not self._waiter.done()

    def _cut(self) -> None:
        self._due = None
        if self._is_waiting:
            self.force_close()
