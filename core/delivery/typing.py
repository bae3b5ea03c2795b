"""The sign of life that a user sees when an answer takes longer than a moment."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from core.adapter import Adapter
from core.cancel import cancelled
from core.delivery.gate import Gate
from core.errors import SendError, Throttled
from core.events import Address

PATIENCE = 0.5
"""Seconds before the sign is shown: an answer that comes at once needs none, and a user sees it within one second."""


@contextlib.asynccontextmanager
async def sign_of_life(adapter: Adapter[Any], to: Address, gate: Gate) -> AsyncIterator[None]:
    """Show "typing…" while the body runs, renewed before the platform lets it fade."""
    if not adapter.capabilities.typing_lasts:
        yield
        return
    shown: list[asyncio.Task[None]] = []
    start = asyncio.get_running_loop().call_later(
        PATIENCE, lambda: shown.append(asyncio.create_task(_show(adapter, to, gate)))
    )
    try:
        yield
    finally:
        start.cancel()
        await cancelled(shown)


async def _show(adapter: Adapter[Any], to: Address, gate: Gate) -> None:
    while True:
        if gate.is_open(to):
            try:
                await adapter.typing(to)
            except Throttled as error:
                gate.close(to, error)
            except SendError:
                return  # a sign of life is never worth an error
        await asyncio.sleep(adapter.capabilities.typing_lasts * 0.8)
