"""The archive's database: what SQLite and Postgres need to keep their promises, and their errors in our words."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from core.archive.address import address
from core.archive.errors import ArchiveAway, ArchiveRefusal
from core.archive.migrate import is_current, migrate

LIMIT = 60.0
"""Seconds for one transaction."""
LOCK = 0x5B0A
"""The number of the lock that orders writers and the erasure of what they write; any will do that nobody else uses."""


class Database:
    """Opened by `open`; every call raises ArchiveAway or ArchiveRefusal."""

    def __init__(self, url: str, var: Path) -> None:
        """Raises HubError where `url` is no address."""
        self._url = address(url, var)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {} if self.is_sqlite else {"timeout": 5, "command_timeout": LIMIT}
        self._engine = create_async_engine(
            self._url, connect_args=options, pool_pre_ping=not self.is_sqlite, hide_parameters=True
        )
        self._writer = self._engine.execution_options(writes=True)
        if self.is_sqlite:
            event.listen(self._engine.sync_engine, "connect", _set_up)
            event.listen(self._engine.sync_engine, "begin", _begin)

    async def open(self) -> None:
        """Make the tables, or bring them up to date."""
        if self.is_sqlite and self._url.database:
            _make(Path(self._url.database))
        async with self.reads() as connection:
            if await connection.run_sync(is_current):
                return
        async with self.writes(alone=True) as connection:
            await connection.run_sync(migrate)

    async def close(self) -> None:
        await self._engine.dispose()

    @contextlib.asynccontextmanager
    async def reads(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that changes nothing."""
        with _in_our_words():
            async with asyncio.timeout(LIMIT), self._engine.begin() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def writes(self, *, alone: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction; `alone`: no other one that writes runs beside it."""
        with _in_our_words():
            async with asyncio.timeout(LIMIT), self._writer.begin() as connection:
                if not self.is_sqlite:  # SQLite has one writer at a time
                    name = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
                    await connection.execute(text(f"SELECT {name}({LOCK})"))
                yield connection

    async def wipe(self) -> None:
        """Take what was deleted off the disk, as far as that is ours to do."""
        if not self.is_sqlite:
            return
        with _in_our_words():
            async with self._engine.connect() as connection:
                plain = await connection.execution_options(plain=True)
                for _ in range(50):
                    found = await plain.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
                    if not found.one()[0]:
                        return
                    await asyncio.sleep(random.uniform(0.05, 0.2))  # another process reads


def _make(file: Path) -> None:
    """An empty file that nobody else may read."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.touch(mode=0o600)


def _set_up(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin as `_begin` says, not as the driver thinks
    cursor = connection.cursor()
    for pragma in (
        "busy_timeout = 20000",
        "journal_mode = WAL",
        "synchronous = FULL",  # what the store may forget is on the disk
        "foreign_keys = ON",
        "secure_delete = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("plain"):
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes") else "BEGIN")


@contextlib.contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        # The driver's message, without the statement and its parameters: those hold what people said.
        raise (ArchiveRefusal if _is_refusal(error) else ArchiveAway)(_reason(error)) from error
    except (SQLAlchemyError, OverflowError, UnicodeError) as error:
        raise ArchiveRefusal(type(error).__name__) from error
    except (OSError, TimeoutError) as error:
        raise ArchiveAway(f"the archive did not answer: {error or type(error).__name__}") from error


def _is_refusal(error: DBAPIError) -> bool:
    """Whether it is about the data, so that trying again cannot help."""
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return str(state)[:2] in ("22", "23")
    # asyncpg finds some faults before Postgres does
    return isinstance(error, DataError | IntegrityError) or isinstance(
        getattr(error.orig, "__cause__", None), ValueError
    )


def _reason(error: DBAPIError) -> str:
    return f"the archive failed: {str(error.orig).splitlines()[0] if str(error.orig) else type(error.orig).__name__}"
