"""Work that goes on beside its owner, and ends with it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from core.cancel import cancelled


class Tasks:
    """Tasks under way. They are held until they are over: asyncio itself holds them but weakly."""

    def __init__(self) -> None:
        self._held: dict[object, asyncio.Task[Any]] = {}

    def start(self, work: Coroutine[Any, Any, None], name: str = "") -> asyncio.Task[None]:
        """Begin it. `name`: what it can be found by; to be used anew when the one before is over."""
        task = asyncio.create_task(work)
        self.hold(task, name)
        return task

    def hold(self, task: asyncio.Task[Any], name: str = "") -> None:
        """The same for a task that others have made."""
        key = name or task
        self._held[key] = task
        task.add_done_callback(lambda _: self._held.pop(key, None))

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, name: str) -> bool:
        return name in self._held

    async def settled(self, name: str, timeout: float | None = None) -> None:
        """Returns when the task of this name is over (at once where there is none), or after `timeout` seconds."""
        if task := self._held.get(name):
            await asyncio.wait({task}, timeout=timeout)

    async def end(self, grace: float | None = 0.0) -> None:
        """Give them so many seconds (None: as many as they take), then cancel them until they are over."""
        tasks = set(self._held.values())
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        await cancelled(tasks)
        await asyncio.gather(*tasks, return_exceptions=True)  # nobody is left who would hear what they raised
