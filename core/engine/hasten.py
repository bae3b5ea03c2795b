"""Events that wait for something that was away are looked at again as soon as it is back."""

import re

from core.engine.engine import Engine
from core.engine.link import Reply


async def hasten(engine: Engine, beginning: str) -> int:
    """Make due now what waits in conversations whose names begin so; returns how many. Raises StoreError."""
    pattern = re.sub(r"([*?\[\]\\^])", r"\\\1", beginning) + "*"
    total = 0
    for at in engine.shards:
        cursor: Reply = b"0"
        found = 0
        while True:
            cursor, hastened = await engine.call("hasten", [at.dly], (cursor, pattern, at.st))
            found += hastened
            if cursor == b"0":
                break
        if found:
            engine.nudge(at.number)
        total += found
    return total
