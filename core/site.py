"""Where a web server listens, and how it stops without dropping a connection that is just being taken."""

import asyncio
from asyncio.base_events import Server

from aiohttp import web


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
