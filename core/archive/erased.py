"""Who was erased when: so that what comes late of theirs does not bring them back."""

from collections.abc import Callable, Collection

from core.engine.engine import Engine


class Erased:
    """As the hub asks it, at no cost: what it knows is brought up to date now and then."""

    def __init__(self, engine: Engine, pseudonym: Callable[[str], str]) -> None:
        self._engine = engine
        self._pseudonym = pseudonym
        self._key = f"{engine.prefix}:erased"
        self._times: dict[str, float] = {}

    def covers(self, account: str, time: float) -> bool:
        """Whether this account was erased after that time (Unix seconds; 0: unknown, and not covered)."""
        if not self._times:
            return False
        return 0 < time <= self._times.get(self._pseudonym(account), 0.0)

    async def refresh(self) -> None:
        """Raises StoreError."""
        reply = await self._engine.command("HGETALL", self._key)
        pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
        self._times = {name.decode(): float(time) for name, time in pairs}

    async def add(self, accounts: Collection[str]) -> float:
        """From now on they are. Returns when that is, by the store's clock. Raises StoreError."""
        now = await clock(self._engine)
        stones = [part for account in sorted(accounts) for part in (self._pseudonym(account), f"{now:.6f}")]
        if stones:
            await self._engine.command("HSET", self._key, *stones)
        await self.refresh()
        return now


async def clock(engine: Engine) -> float:
    """Unix seconds by the store's clock. Raises StoreError."""
    seconds, microseconds = await engine.command("TIME")
    return int(seconds) + int(microseconds) / 1e6
