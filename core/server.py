"""The one web server: webhooks of the channels that run, and health; pages are mounted beside them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from core.errors import IntakeError
from core.refusals import Refusals
from core.supervisor import Channel, State

BODY_LIMIT = 1024 * 1024
"""Bytes of a request; no platform sends more in a webhook."""
READ_LIMIT = 10.0
"""Seconds a request's body may take to arrive, so that slow senders hold no connection for long."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")

Report = Callable[[], Awaitable[tuple[bool, dict[str, object]]]]
"""Whether the hub can take work, and the facts part by part."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


def application(channels: Mapping[str, Channel], report: Report) -> web.Application:
    """The web application; `channels` is looked at anew for each request, so that channels come and go."""
    app = web.Application(client_max_size=BODY_LIMIT, middlewares=[_guard])
    refusals = Refusals()

    async def webhook(request: web.Request) -> web.StreamResponse:
        channel = channels.get(request.match_info["channel"])
        if channel is None or channel.state is State.OFF:
            raise web.HTTPNotFound(text="no such channel\n")
        if channel.adapter is None:
            raise web.HTTPServiceUnavailable(text=f"channel is {channel.state}\n", headers={"Retry-After": "5"})
        path = request.match_info["path"]
        for route in channel.routes:
            if route.path == path and route.method == request.method:
                with refusals.watching(request.match_info["channel"], request.remote) as answered:
                    await _read(request)
                    response = await route.handler(request)
                    answered(response)
                return response
        raise web.HTTPNotFound(text="no such path\n")

    async def live(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        is_ready, _facts = await report()
        return web.Response(text="ok\n" if is_ready else "not ready\n", status=200 if is_ready else 503)

    async def health(_: web.Request) -> web.Response:
        is_ready, facts = await report()
        body = msgspec.json.format(msgspec.json.encode(facts))
        return web.Response(body=body, content_type="application/json", status=200 if is_ready else 503)

    app.router.add_route("*", "/webhooks/{channel:[^/]+}{path:.*}", webhook)
    app.router.add_get("/health/live", live)
    app.router.add_get("/health/ready", ready)
    app.router.add_get("/health", health)
    return app


async def _read(request: web.Request) -> None:
    """Have the whole body in memory (handlers read it from there) before anything is done with it."""
    if "Content-Encoding" in request.headers:
        raise web.HTTPUnsupportedMediaType(text="compressed bodies are not taken\n")
    try:
        async with asyncio.timeout(READ_LIMIT):
            await request.read()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(text="the body took too long\n") from error


@web.middleware
async def _guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Say what went wrong in the protocol's words, and set the headers that every answer has."""
    try:
        response = await handler(request)
    except IntakeError as error:
        response = web.Response(
            status=503, text="not now\n", headers={"Retry-After": str(max(1, round(error.retry_after)))}
        )
    except web.HTTPException as error:
        error.headers.update(_HEADERS)
        raise
    if not response.prepared:
        response.headers.update(_HEADERS)
    return response


def is_private(host: str, public_url: str) -> bool:
    """Whether nobody but this machine can reach a hub that listens on `host`."""
    return host in LOOPBACK and urlsplit(public_url).hostname in LOOPBACK
