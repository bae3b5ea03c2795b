"""Reads documents in a process of its own: one that is built to hurt costs that process, and the hub never waits.

It gets no secrets, so much memory and so much time for each file. Run as `python -m bots._knowledge.apart`."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import msgspec

from bots._knowledge.passages import Passage
from bots._knowledge.reading import Unreadable, read

MAX_MEMORY = 1 << 30
"""Bytes of address space, where the system can limit that."""
MAX_RESULT = 64 << 20
_ROOT = Path(__file__).parents[2]
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL", "TMPDIR", "TEMP")


class Result(msgspec.Struct, frozen=True):
    """What became of one file."""

    passages: tuple[Passage, ...] = ()
    fault: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Result).decode


async def read_apart(
    files: Sequence[tuple[Path, str]], *, limit: float = 60.0
) -> AsyncGenerator[tuple[Path, Result], None]:
    """Each file with its result, in order. `limit`: seconds for one file; it and what kills the reader is a fault."""
    left = list(files)
    while left:
        reader = await _started(left)
        try:
            while left:
                result = await _next(reader, limit)
                file, _ = left.pop(0)
                yield file, result
                if reader.returncode is not None or result.fault in _ENDS:
                    break
        finally:
            with contextlib.suppress(ProcessLookupError):
                reader.kill()
            await reader.wait()
            _close(reader)


_TOO_SLOW = "reading it takes too long"
_DIED = "it brought its reader down: it may need too much memory"
_ENDS = (_TOO_SLOW, _DIED)


async def _started(files: Sequence[tuple[Path, str]]) -> Process:
    reader = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        cwd=_ROOT,
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        limit=MAX_RESULT,
    )
    if reader.stdin is None:
        return reader
    with contextlib.suppress(ConnectionError):  # it died at once: its silence is told by `_next`
        reader.stdin.write(msgspec.msgpack.encode([(str(file.absolute()), name) for file, name in files]))
        await reader.stdin.drain()
        reader.stdin.close()
    return reader


async def _next(reader: Process, limit: float) -> Result:
    if reader.stdout is None:
        return Result(fault=_DIED)
    try:
        async with asyncio.timeout(limit):
            size = int.from_bytes(await reader.stdout.readexactly(4), "big")
            if size > MAX_RESULT:
                return Result(fault=_DIED)
            return _decode(await reader.stdout.readexactly(size))
    except TimeoutError:
        return Result(fault=_TOO_SLOW)
    except (asyncio.IncompleteReadError, msgspec.DecodeError):
        return Result(fault=_DIED)


def _close(reader: Process) -> None:
    transport = reader._transport  # type: ignore[attr-defined]  # asyncio closes pipes only when they were read empty
    transport.close()


def result_of(file: Path, name: str) -> Result:
    try:
        return Result(tuple(read(file, name)))
    except Unreadable as error:
        return Result(fault=str(error))


def main() -> None:
    """The reader: a list of files comes in, a result for each goes out, with its length before it."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints does not get between the results
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    for file, name in msgspec.msgpack.decode(sys.stdin.buffer.read(), type=list[tuple[str, str]]):
        body = _encode(result_of(Path(file), name))
        out.write(len(body).to_bytes(4, "big") + body)
        out.flush()


if __name__ == "__main__":
    main()
