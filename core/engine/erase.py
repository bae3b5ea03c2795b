"""Takes people out of the store, also while hubs are running."""

import contextlib
from collections import Counter

from core.archive.record import GROUP
from core.engine.engine import Engine
from core.engine.traces import Loose, Trace, Traces, spared
from core.errors import StoreError

LOOKS = 10
"""At most: whoever goes on writing meanwhile has a conversation that begins anew."""


async def erase(engine: Engine, traces: Traces) -> Counter[str]:
    """Returns how much it was, by kind; nothing at the second call. Raises StoreError.

    What came in behind the look at its conversation is found by the next one."""
    counts: Counter[str] = Counter()
    for _ in range(LOOKS):
        found = await _look(engine, traces)
        counts += found
        if not found.total():
            break
    with contextlib.suppress(StoreError):  # refused where one runs already, or where the store is not ours
        # What was deleted stands in the append-only file until that is written anew.
        await engine.command("BGREWRITEAOF")
    return counts


async def _look(engine: Engine, traces: Traces) -> Counter[str]:
    counts: Counter[str] = Counter()
    gone: set[str] = set()
    known: set[str] = set()
    async for trace in traces.conversations():
        known.add(trace.conversation)
        counts["events"] += await _take_out(engine, trace)
        counts["messages"] += len(trace.records)
        counts["conversations"] += trace.whole
        if trace.whole:
            gone.add(trace.conversation)
    async for entry in traces.loose(gone):
        counts["dead letters" if entry.is_letter else "turns"] += 1
        await _drop(engine, entry)
    async for key, record in traces.ended(known):  # that the event was seen stays: it must not be answered again
        await engine.command("SET", key, record, "XX", "KEEPTTL")
    for key in await traces.named():
        counts["keys"] += await engine.command("UNLINK", key)
    return counts


async def _take_out(engine: Engine, trace: Trace) -> int:
    at, name = trace.shard, trace.conversation
    keys = [at.run, at.rdy, at.cnt, at.dly]
    keys += [each + name for each in (at.mb, at.st, at.sess, at.note, at.done, at.out)]
    args: list[str | bytes | int] = [name, int(trace.whole), int(trace.is_staged), trace.notes, spared(trace.notes)]
    args += [len(trace.events), *trace.events, len(trace.records), *trace.records, *trace.replies]
    return int(await engine.call("erase", keys, args))


async def _drop(engine: Engine, entry: Loose) -> None:
    await engine.command("XDEL", entry.stream, entry.id)
    if not entry.is_letter:
        await engine.command("XACK", entry.stream, GROUP, entry.id)
