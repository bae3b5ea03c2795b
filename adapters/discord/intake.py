"""Takes in what happens room by room: in order within a room, rooms side by side, never more than can be held."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

Job = Callable[[], Awaitable[None]]

log = logging.getLogger(__name__)


class Intake:
    """discord.py would run every handler in a task of its own, in any order and without bound."""

    def __init__(self, room_limit: int = 1000, limit: int = 20_000) -> None:
        self._room_limit = room_limit
        self._limit = limit
        self._held = 0
        self._rooms: dict[str, deque[Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, room: str, job: Job, *, force: bool = False) -> bool:
        """Do this after all else of the room; False when too much waits already."""
        queue = self._rooms.get(room)
        if not force and (self._held >= self._limit or (queue is not None and len(queue) >= self._room_limit)):
            return False
        self._held += 1
        if queue is not None:
            queue.append(job)
            return True
        self._rooms[room] = queue = deque([job])
        task = asyncio.create_task(self._work(room, queue))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def close(self, grace: float) -> None:
        """Give what waits `grace` seconds to go through, then let go of it."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, room: str, queue: deque[Job]) -> None:
        try:
            while queue:
                try:
                    await queue[0]()
                except Exception:
                    log.exception("an event of room %s was given up", room)
                queue.popleft()
                self._held -= 1
        finally:
            self._held -= len(queue)
            del self._rooms[room]
