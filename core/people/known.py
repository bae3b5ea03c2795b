"""Who this process knows: what was read of people, for as long as the store tells it of changes."""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec
import redis.asyncio
import structlog
from redis.exceptions import RedisError

from core.people.person import Person

log = structlog.get_logger(__name__)

POLL = 1.0
"""Seconds for which a broken connection may go unseen."""


class Known:
    """Bounded. Empty, and taking nothing in, while nobody tells it of changes: then each look is one at the store."""

    def __init__(self, *, size: int = 50_000, life: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        """`life`: seconds after which even what nobody took back is read again."""
        self.is_live = asyncio.Event()
        self._size = size
        self._life = life
        self._clock = clock
        self._people: OrderedDict[str, tuple[float, Person | None]] = OrderedDict()
        self._changes = 0

    def get(self, account: str) -> tuple[bool, Person | None]:
        """Whether anything is known of the account, and the person; None for one that stands on its own."""
        until, person = self._people.get(account, (0.0, None))
        if until <= self._clock():
            return False, None
        return True, person

    @property
    def mark(self) -> int:
        """Taken before a look at the store, and given to `put` with what was found."""
        return self._changes

    def put(self, account: str, person: Person | None, mark: int) -> None:
        """Keep what was found, unless there was a change meanwhile."""
        if not self.is_live.is_set() or mark != self._changes:
            return
        self._people[account] = (self._clock() + self._life, person)
        self._people.move_to_end(account)
        if len(self._people) > self._size:
            self._people.popitem(last=False)

    def forget(self, accounts: list[str] | None = None) -> None:
        """These, or all."""
        self._changes += 1
        if accounts is None:
            self._people.clear()
            return
        for account in accounts:
            self._people.pop(account, None)

    async def listen(self, client: redis.asyncio.Redis, channel: str) -> None:
        """Hear of changes until cancelled."""
        while True:
            try:
                await self._hear(client, channel)
            except (RedisError, OSError) as error:
                log.warning("changes of people are not heard of; looking each time", error=str(error))
                await asyncio.sleep(random.uniform(0.1, 0.5))
            finally:
                self.is_live.clear()
                self.forget()

    async def _hear(self, client: redis.asyncio.Redis, channel: str) -> None:
        async with client.pubsub() as told:
            await told.subscribe(channel)
            while True:
                message = await told.get_message(timeout=POLL)
                if message is None:
                    await told.ping()  # a connection that is gone must not pass for silence
                elif message["type"] == "subscribe":
                    self.is_live.set()
                elif message["type"] == "message":
                    self.forget(msgspec.json.decode(message["data"], type=list[str]))
