"""Opens the store: the server at a URL, or the embedded one, which is watched and started again when it dies."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import redis.asyncio
import structlog
from redis.asyncio import BlockingConnectionPool, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisError

from core.engine.server import OLDEST, Server
from core.errors import StoreError

log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def open_store(url: str | None, var: Path, *, appendfsync: str = "always") -> AsyncIterator[redis.asyncio.Redis]:
    """A client of the store, which is up. `url`: `REDIS_URL`, or None for the embedded server under `var`.

    `appendfsync`: with `everysec` the server may answer up to two seconds before it writes, and a kill in that time
    loses what was accepted. Raises StoreError when it cannot be reached, is too old, or the address is none."""
    if url:
        try:
            opened = connect(url)
            client = await opened.__aenter__()
        except ValueError:
            raise StoreError(
                "REDIS_URL is no address such as redis://:password@host:6379/0; "
                "special characters of a password are percent-encoded in it"
            ) from None
        try:
            await _check(client)
            yield client
        finally:
            await opened.__aexit__(None, None, None)
        return
    server = Server(var / "store", appendfsync=appendfsync)
    await asyncio.to_thread(server.start)
    keeper = asyncio.create_task(_keep(server))
    try:
        async with connect(f"unix://{server.socket}") as client:
            yield client
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await asyncio.to_thread(server.stop)


@contextlib.asynccontextmanager
async def connect(url: str, *, connections: int = 64) -> AsyncIterator[redis.asyncio.Redis]:
    """A client whose calls end within seconds and wait for a connection rather than opening ever more of them."""
    options: dict[str, Any] = {
        "max_connections": connections,
        "timeout": 2.0,
        "socket_timeout": 2.0,
        "socket_connect_timeout": 2.0,
        "retry": Retry(ExponentialWithJitterBackoff(cap=0.5, base=0.05), 3),
    }
    if url.startswith("unix://"):
        # from_url would decode escapes and cut at a question mark, both of which a path may hold
        options |= {"connection_class": UnixDomainSocketConnection, "path": url.removeprefix("unix://")}
        pool = BlockingConnectionPool(**options)
    else:
        pool = BlockingConnectionPool.from_url(url, **options)
    client = redis.asyncio.Redis.from_pool(pool)
    try:
        yield client
    finally:
        await client.aclose()


async def _check(client: redis.asyncio.Redis) -> None:
    try:
        info = await client.info("server")
    except (RedisError, OSError) as error:
        raise StoreError(f"the store cannot be reached: {error}") from error
    version = str(info.get("valkey_version") or info["redis_version"])
    if int(version.partition(".")[0]) < OLDEST:
        raise StoreError(f"the store is version {version}; {OLDEST}.0 or later is needed")


async def _keep(server: Server) -> None:
    """Start the server again whenever it dies, whoever's child it is: an idle connection tells."""
    while True:
        try:
            reader, writer = await asyncio.open_unix_connection(str(server.socket))
        except OSError:
            await _restart(server)
            continue
        try:
            await reader.read()
        except OSError:
            log.warning("the embedded store cut its connection")
        finally:
            writer.close()


async def _restart(server: Server) -> None:
    log.warning("the embedded store is down; starting it again")
    try:
        await asyncio.to_thread(server.start)
    except StoreError as error:
        log.error("the embedded store does not start", error=str(error))
        await asyncio.sleep(1.0)
