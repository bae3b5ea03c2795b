import itertools

import asyncpg
import pytest

from core.archive.archive import Archive, opened
from core.pseudonym import Pseudonyms
from tests.core.archive.server import postgres

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server():
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
async def url(request, tmp_path):
    """Where a database of this test's own is: each test runs on both kinds."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/archive.db"
        return
    server = request.getfixturevalue("postgres_server")
    name = f"t{next(_numbers)}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    await connection.close()
    yield server.replace("/postgres?", f"/{name}?")


@pytest.fixture
def pseudonyms():
    return Pseudonyms(b"a key for tests")


@pytest.fixture
async def archive(url, tmp_path, pseudonyms):
    async with opened(Archive(url, tmp_path, pseudonyms.of)) as archive:
        yield archive
