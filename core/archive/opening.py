"""Opens the archive without holding up the start of the hub: its library takes longer to import than all the rest."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.archive.archive import Archive


@contextlib.asynccontextmanager
async def open_archive(url: str, var: Path, pseudonym: Callable[[str], str]) -> "AsyncIterator[Archive]":
    """`url`: `DATABASE_URL`, or empty for a file under `var`. Raises ArchiveAway, ArchiveRefusal, or HubError where the
    address is none."""
    await asyncio.to_thread(_imported)
    from core.archive.archive import Archive, opened

    async with opened(Archive(url, var, pseudonym)) as archive:
        yield archive


def _imported() -> None:
    import core.archive.archive  # noqa: F401
