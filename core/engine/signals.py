"""What the processes of a hub tell each other at once. Nothing depends on it: who does not listen misses it."""

import asyncio
import random
from collections.abc import Callable

import redis.asyncio
import structlog
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

POLL = 1.0
"""Seconds for which a broken connection may go unseen."""


class Signals:
    """One topic of one hub."""

    def __init__(self, client: redis.asyncio.Redis, topic: str) -> None:
        self.is_live = asyncio.Event()
        """Set while what others say is heard."""
        self._client = client
        self._topic = topic

    async def send(self, message: bytes) -> None:
        """Tell all who listen, this process included. Best effort."""
        try:
            await self._client.publish(self._topic, message)
        except (RedisError, OSError) as error:
            log.info("other processes were not told", topic=self._topic, error=str(error))

    async def run(self, hear: Callable[[bytes], None]) -> None:
        """Listen until cancelled."""
        while True:
            try:
                async with self._client.pubsub() as told:
                    await told.subscribe(self._topic)
                    while True:
                        message = await told.get_message(timeout=POLL)
                        if message is None:
                            await told.ping()  # a connection that is gone must not pass for silence
                        elif message["type"] == "subscribe":
                            self.is_live.set()
                        elif message["type"] == "message":
                            hear(message["data"])
            except (RedisError, OSError) as error:
                log.warning("other processes are not heard", topic=self._topic, error=str(error))
                await asyncio.sleep(random.uniform(0.1, 0.5))
            finally:
                self.is_live.clear()
