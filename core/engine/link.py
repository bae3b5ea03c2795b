"""One connection of the client's pool, held for one purpose, that never hands a reply to the wrong caller."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import hiredis
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

Argument = str | bytes | int | float
Reply = Any
"""What a script returned, or the `ResponseError` it ended with; the caller knows which script it was."""


def pack(*command: Argument) -> bytes:
    """A command as it goes over the wire."""
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # its stub allows one argument only
    return packed


class Link:
    """Not for concurrent use: one caller asks at a time.

    Whatever ends a call early (a time limit, a cancellation, an error) closes the connection, so that what the server
    may still answer is read by nobody.
    """

    def __init__(self, pool: ConnectionPool, greeting: Sequence[bytes] = ()) -> None:
        self._pool = pool
        self._greeting = greeting
        self._connection: AbstractConnection | None = None
        self._socket_timeout: float | None = None
        self.opened = 0
        """How many connections there have been: when it grows, a reply may have been lost."""

    async def ask(self, commands: Sequence[bytes], limit: float) -> list[Reply]:
        """Send commands in one piece and return a reply for each. Opens the connection where there is none.

        `limit`: seconds for all of it. Raises TimeoutError, OSError or RedisError."""
        try:
            async with asyncio.timeout(limit):
                connection = self._connection
                if connection is None:
                    cancelled = _cancelled()
                    connection = await self._open()
                    if _cancelled() > cancelled:  # redis-py opens with a `wait_for`, which has swallowed it
                        raise asyncio.CancelledError
                return await _exchange(connection, commands)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            connection.socket_timeout = self._socket_timeout
            await self._pool.release(connection)

    async def _open(self) -> AbstractConnection:
        connection: AbstractConnection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        self._connection = connection
        self.opened += 1
        # The limit is on the whole exchange; and redis-py's own one on a write is a `wait_for`, which before
        # Python 3.12 may swallow a cancellation.
        self._socket_timeout, connection.socket_timeout = connection.socket_timeout, None
        if self._greeting:
            for reply in await _exchange(connection, self._greeting):
                if isinstance(reply, ResponseError):
                    raise reply
        return connection


def _cancelled() -> int:
    """How often the running task was asked to end."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


async def _exchange(connection: AbstractConnection, commands: Sequence[bytes]) -> list[Reply]:
    await connection.send_packed_command(b"".join(commands), check_health=False)
    return [await _read(connection) for _ in commands]


async def _read(connection: AbstractConnection) -> Reply:
    try:
        return await connection.read_response(timeout=math.inf)
    except ResponseError as error:
        return error
