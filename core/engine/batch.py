"""Group commit: calls made at the same time travel to the store in one piece, in the order they were made."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1

from redis.asyncio import ConnectionPool
from redis.exceptions import NoScriptError, RedisError, ResponseError

from core.engine.link import Argument, Link, Reply, pack
from core.errors import StoreError


@dataclass(frozen=True, slots=True)
class Replication:
    """Which scripts count as carried out only when a replica has their writes too."""

    scripts: frozenset[str]
    mark: str
    """A key that is counted up behind them, so that there is a write to wait for: an event that was a duplicate wrote
    nothing, and its first try may have been made on a connection that broke before the replica had it."""
    replicas: int = 1
    limit: float = 0.1
    """Seconds."""

    def confirm(self) -> list[bytes]:
        """The commands that follow a piece."""
        return [pack("INCR", self.mark), pack("WAIT", self.replicas, round(self.limit * 1000))]

    def refusal(self, replies: Sequence[Reply]) -> str:
        """Why the piece does not count, by the replies to these; empty where it does."""
        for reply in replies:
            if isinstance(reply, ResponseError):
                return _reason(reply)
        return "" if replies[-1] >= self.replicas else "no replica of the store has confirmed it in time"


@dataclass(slots=True)
class _Call:
    packed: bytes
    future: "asyncio.Future[Reply]"
    replicated: bool


class Batch:
    """Sends what has gathered while the last piece was under way; a call made alone goes at once.

    A client round trip costs Python ten times what a script costs the server, so sharing it is most of what can be
    saved. A cancelled caller does not cancel the round trip that it shares: its call may still be carried out.
    """

    def __init__(
        self,
        pool: ConnectionPool,
        scripts: Mapping[str, str],
        *,
        limit: float = 2.0,
        waiting_max: int = 10_000,
        replication: Replication | None = None,
    ) -> None:
        self._link = Link(pool, [pack("SCRIPT", "LOAD", source) for source in scripts.values()])
        self._sha = {name: sha1(source.encode(), usedforsecurity=False).hexdigest() for name, source in scripts.items()}
        self._limit = limit
        self._waiting_max = waiting_max
        self._replication = replication
        self._waiting: list[_Call] = []
        self._sender: asyncio.Task[None] | None = None
        self._up = True

    @property
    def connections(self) -> int:
        """How many there have been: when it grows, replies may have been lost."""
        return self._link.opened

    async def run(self, script: str, keys: Sequence[Argument], args: Sequence[Argument]) -> Reply:
        """Run a script. It may run twice where a reply was lost. Raises StoreError within the limit, also when it was
        carried out and no replica has confirmed that."""
        replicated = self._replication is not None and script in self._replication.scripts
        return await self._call(pack("EVALSHA", self._sha[script], len(keys), *keys, *args), replicated)

    async def insist(self, script: str, keys: Sequence[Argument], args: Sequence[Argument], limit: float) -> Reply:
        """Run a script that is harmless again, again and again while the store is away. Raises StoreError after `limit`
        seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit
        while True:
            try:
                return await self.run(script, keys, args)
            except StoreError:
                pause = random.uniform(0.1, 0.5)
                if loop.time() + pause >= deadline:
                    raise
                await asyncio.sleep(pause)

    async def command(self, *command: Argument) -> Reply:
        """Run a plain command, under the same terms."""
        return await self._call(pack(*command))

    async def close(self) -> None:
        """Let what was asked be answered, then let go of the connection."""
        if self._sender is not None:
            await asyncio.wait([self._sender])
        await self._link.close()

    async def _call(self, packed: bytes, replicated: bool = False) -> Reply:
        if len(self._waiting) >= self._waiting_max:
            raise StoreError("too many calls wait for the store")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Reply] = loop.create_future()
        self._waiting.append(_Call(packed, future, replicated))
        if self._sender is None:
            self._sender = loop.create_task(self._send())
        return await future

    async def _send(self) -> None:
        try:
            while self._waiting:
                calls, self._waiting = self._waiting[:256], self._waiting[256:]
                try:
                    replies = await self._carry(calls)
                except Exception as error:  # noqa: BLE001 - nobody may be left waiting
                    # All who came meanwhile fail with it: nobody waits longer than the limit.
                    calls += self._waiting
                    self._waiting = []
                    replies = [error] * len(calls)
                for call, reply in zip(calls, replies, strict=True):
                    _settle(call.future, reply)
        finally:
            self._sender = None

    async def _carry(self, calls: list[_Call]) -> list[Reply]:
        """A reply for each; one wait for the replicas covers the whole piece."""
        commands = [call.packed for call in calls]
        replication = self._replication
        if replication is None or not any(call.replicated for call in calls):
            return await self._ask(commands)
        behind = replication.confirm()
        replies = await self._ask(commands + behind, repeat=len(behind))
        refusal = replication.refusal(replies[-len(behind) :])
        return [
            StoreError(refusal) if refusal and call.replicated and not isinstance(reply, Exception) else reply
            for call, reply in zip(calls, replies, strict=False)
        ]

    async def _ask(self, commands: list[bytes], repeat: int = 0) -> list[Reply]:
        """`repeat`: so many commands at the end are to be carried out behind all others, also behind a second try."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limit
        while True:
            try:
                replies = await self._link.ask(commands, deadline - loop.time())
            except (RedisError, OSError):
                # A store that is known to be down gets one attempt a piece, so that refusals are quick.
                pause = random.uniform(0.02, 0.1)
                if not self._up or loop.time() + pause >= deadline:
                    self._up = False
                    raise
                await asyncio.sleep(pause)
                continue
            self._up = True
            if any(isinstance(reply, NoScriptError) for reply in replies):
                return await self._ask_again(commands, replies, deadline, repeat)
            return replies

    async def _ask_again(
        self, commands: list[bytes], replies: list[Reply], deadline: float, repeat: int
    ) -> list[Reply]:
        """The scripts were flushed from the server: a new connection loads them."""
        await self._link.close()
        refused = [at for at, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        refused += range(len(commands) - repeat, len(commands))
        left = deadline - asyncio.get_running_loop().time()
        for at, reply in zip(refused, await self._link.ask([commands[at] for at in refused], left), strict=True):
            replies[at] = reply
        return replies


def _settle(future: "asyncio.Future[Reply]", reply: Reply) -> None:
    if future.done():
        return
    if not isinstance(reply, Exception):
        future.set_result(reply)
        return
    if not isinstance(reply, (RedisError, OSError)):
        future.set_exception(reply)
        return
    error = StoreError(_reason(reply))
    error.__cause__ = reply
    future.set_exception(error)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError) or not str(error):
        return "the store did not answer in time"
    if isinstance(error, ResponseError) and "maxmemory" in str(error):
        return "the store is full"
    return f"the store failed: {error}"
