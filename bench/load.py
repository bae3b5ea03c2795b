"""Users in a closed loop: each says something, waits for the echo, and says the next thing."""

import asyncio
import time
from dataclasses import dataclass, field

from simulators.stage import Seen, Simulator

ANSWER_LIMIT = 30.0
"""Seconds a user waits for an echo before the run counts as broken."""


@dataclass(slots=True)
class Result:
    """What one platform's users saw."""

    waits: list[float] = field(default_factory=list)
    """Seconds from saying to seeing the echo, one an echo."""
    wrong: int = 0
    """Echoes of something else than was said last: lost, late or out of order."""

    def percentile(self, share: float) -> float:
        """Seconds; 0 when nothing was measured."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Audience:
    """The users of one simulator; finds each echo by its room without searching what came before."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self._read = len(simulator.messages)
        self._waiting: dict[str, asyncio.Future[Seen]] = {}
        self._watch = asyncio.create_task(self._deliver())

    async def _deliver(self) -> None:
        messages = self.simulator.messages
        while True:
            while self._read < len(messages):
                message = messages[self._read]
                self._read += 1
                if message.is_bot and (waiting := self._waiting.pop(message.room, None)) and not waiting.done():
                    waiting.set_result(message)
            await self.simulator.next_change()

    async def _user(self, user: str, room: str, texts: list[str], result: Result) -> None:
        for text in texts:
            waiting: asyncio.Future[Seen] = asyncio.get_running_loop().create_future()
            self._waiting[room] = waiting
            began = time.perf_counter()
            await self.simulator.say(text, user=user, room=room)
            seen = await asyncio.wait_for(waiting, ANSWER_LIMIT)
            result.waits.append(time.perf_counter() - began)
            result.wrong += text not in seen.text

    async def talk(self, people: list[tuple[str, str]], each: int) -> Result:
        """Let the people (user, room) say so much each, all at once."""
        result = Result()
        await asyncio.gather(
            *(self._user(user, room, [f"echo {n} {room}" for n in range(each)], result) for user, room in people)
        )
        return result

    async def close(self) -> None:
        self._watch.cancel()
        await asyncio.wait([self._watch])
