"""The hub's store, for commands that look into it beside a running hub."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.engine.engine import Engine
from core.engine.store import open_store
from core.parts import Configuration


@asynccontextmanager
async def opened(config: Configuration) -> AsyncIterator[Engine]:
    """Raises StoreError."""
    async with open_store(config.hub.redis_url.get_secret_value() or None, config.hub.var) as store:
        engine = Engine(store)
        try:
            yield engine
        finally:
            await engine.close()
