"""Dead letters: events that could not be answered, kept for a human to look at."""

from dataclasses import dataclass

from core.engine.engine import Engine
from core.engine.keys import Shard
from core.engine.link import Reply


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`id` is unique in the store; `time` is when it was given up, Unix seconds by the store's clock."""

    id: str
    conversation: str
    envelope: bytes
    reason: str
    time: float


class DeadLetters:
    """Each call may raise StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def list(self, count: int = 100) -> list[DeadLetter]:
        """The latest, newest first."""
        letters: list[DeadLetter] = []
        for at in self._engine.shards:
            entries = await self._engine.command("XREVRANGE", at.dl, "+", "-", "COUNT", count)
            letters += [_letter(at, entry) for entry in entries]
        return sorted(letters, key=lambda letter: letter.time, reverse=True)[:count]

    async def count(self) -> int:
        """How many there are."""
        return sum([await self._engine.command("XLEN", at.dl) for at in self._engine.shards])

    async def replay(self, letter: str) -> bool:
        """Put an event back at the end of its conversation's mailbox; False where there is no such letter."""
        at, entry = self._find(letter)
        if at is None:
            return False
        keys = (at.run, at.rdy, at.cnt, at.dl, at.wake)
        done = await self._engine.call("replay", keys, (entry, at.mb))
        self._engine.nudge(at.number)
        return bool(done)

    async def drop(self, letter: str) -> bool:
        """Forget a letter for good (it stays counted as dead); False where there is no such letter."""
        at, entry = self._find(letter)
        return at is not None and bool(await self._engine.command("XDEL", at.dl, entry))

    def _find(self, letter: str) -> tuple[Shard | None, str]:
        """An id is `<shard>.<entry>`, as entries are unique in their own stream only."""
        number, _, entry = letter.partition(".")
        milliseconds, _, sequence = entry.partition("-")
        if not (number.isdecimal() and milliseconds.isdecimal() and sequence.isdecimal()):
            return None, ""
        return (self._engine.shards[int(number)], entry) if int(number) < len(self._engine.shards) else (None, "")


def _letter(at: Shard, entry: Reply) -> DeadLetter:
    key, (_, conversation, _, envelope, _, reason) = entry[0].decode(), entry[1]
    return DeadLetter(
        id=f"{at.number}.{key}",
        conversation=conversation.decode(),
        envelope=envelope,
        reason=reason.decode(errors="replace"),
        time=int(key.partition("-")[0]) / 1000,
    )
