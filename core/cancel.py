"""Ends tasks for sure."""

import asyncio
from collections.abc import Iterable
from typing import Any


async def cancelled(tasks: Iterable[asyncio.Task[Any]], *, again: float = 0.5) -> None:
    """Cancel them until they are over: what a task was in the middle of may swallow a cancellation.

    (Before Python 3.12 `wait_for` does that when what it waits for ends in the same moment; redis-py uses it.)
    `again`: seconds until the next try, more than a task may take to end what it has begun itself. A cancellation of
    the caller waits until all are over."""
    left = {task for task in tasks if not task.done()}
    interrupted: asyncio.CancelledError | None = None
    while left:
        for task in left:
            task.cancel()
        try:
            await asyncio.wait(left, timeout=again)
        except asyncio.CancelledError as error:
            interrupted = error
        left = {task for task in left if not task.done()}
    if interrupted is not None:
        raise interrupted
