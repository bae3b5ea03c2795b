"""Where a web server listens, and how it stops without dropping a connection that is just being taken."""

import asyncio
from asyncio.base_events import Server
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from core.errors import HubError
from core.slow import Runner


class Site(web.TCPSite):
    """Like its base, but stops in two steps: no new connections first, then close.

    asyncio takes a connection in a task of its own; a server that is closed between the two loses that connection's
    socket without closing it (cpython gh-109564)."""

    async def stop(self) -> None:
        if isinstance(self._server, Server):
            loop = asyncio.get_running_loop()
            for listening in self._server.sockets:
                loop.remove_reader(listening.fileno())
            for _ in range(2):  # the task that takes a connection starts, and ends
                await asyncio.sleep(0)
        await super().stop()


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """The application is served there while the body runs, which gets its address. Raises HubError where the port is
    taken."""
    # Bodies are not inflated before anybody has looked at them: compressed ones are refused.
    runner = Runner(app, access_log=None, shutdown_timeout=2.0, auto_decompress=False)
    await runner.setup()
    try:
        try:
            await Site(runner, host, port).start()
        except OSError as error:
            raise HubError(
                f"cannot listen on {host}:{port} ({error.strerror}); set PORT or hub.port to another"
            ) from error
        bound = runner.addresses[0][1]
        yield f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{bound}"  # noqa: S104
    finally:
        await runner.cleanup()
