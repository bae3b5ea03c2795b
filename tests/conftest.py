"""What tests stand on: the embedded store, one for each test process, and a namespace in it for each test."""

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from core.engine.engine import Engine
from core.engine.server import Server
from core.engine.store import connect

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The running embedded server."""
    server = Server(tmp_path_factory.mktemp("store"), appendfsync="no")
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def redis(store: Server) -> AsyncIterator[Redis]:
    """A client of it."""
    async with connect(f"unix://{store.socket}") as client:
        yield client


@pytest.fixture
def prefix() -> str:
    """Names nothing else in the store has."""
    return f"t{next(_numbers)}"


@pytest.fixture
async def engine(redis: Redis, prefix: str) -> AsyncIterator[Engine]:
    engine = Engine(redis, prefix=prefix)
    yield engine
    await engine.close()
