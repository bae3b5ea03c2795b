"""Tells of every new configuration as its files are saved; a bad edit is told and changes nothing."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from watchfiles import Change, awatch

from config.schema import Config
from core.errors import ConfigError

QUIET = 50
"""Milliseconds without a change after which a save is over: editors write, rename and set rights one by one."""
LONGEST = 300
"""Milliseconds after which changes are looked at although they go on."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The files are wrong now; what ran before still holds."""

    faults: tuple[str, ...]


class Watch:
    """`async for` gives a Config when the files say something new, or Rejected when they are wrong."""

    def __init__(self, read: Callable[[], Config], current: Config, also: Iterable[Path] = ()) -> None:
        """`read` loads the files anew; `current` is what runs now; `also`: files beside those it was read from."""
        self._read = read
        self._told: Config | Rejected = current
        self._folders = {file.parent for file in (*current.files, *also)}
        self._code = _code(current)
        self._look = asyncio.Event()

    def nudge(self) -> None:
        """Look now (SIGHUP)."""
        self._look.set()

    async def __aiter__(self) -> AsyncGenerator[Config | Rejected, None]:
        saves = await self._notice_saves()
        try:
            while True:
                await self._look.wait()
                self._look.clear()
                found = await asyncio.to_thread(self._found)
                if isinstance(found, Config):
                    self._code = _code(found)
                    if not self._folders.issuperset(file.parent for file in found.files):
                        self._folders.update(file.parent for file in found.files)
                        await _stop(saves)
                        saves = await self._notice_saves()
                if found != self._told:
                    self._told = found
                    yield found
        finally:
            await _stop(saves)

    def _found(self) -> Config | Rejected:
        try:
            return self._read()
        except ConfigError as error:
            return Rejected(tuple(error.faults))

    async def _notice_saves(self) -> asyncio.Task[None]:
        """Notice saves from now on, and look once for what was saved just before."""
        task = asyncio.create_task(self._saves())
        await asyncio.sleep(0)  # its first step takes hold of the folders
        self._look.set()
        return task

    async def _saves(self) -> None:
        try:
            await self._each_save(polling=None)
        except OSError:  # the machine has no more watches to give (inotify)
            await self._each_save(polling=True)

    async def _each_save(self, *, polling: bool | None) -> None:
        # Folders, not files: an editor that replaces the file would take the watch away with the old one.
        folders = [folder for folder in self._folders if folder.is_dir()]
        async for _ in awatch(
            *folders, watch_filter=self._matters, debounce=LONGEST, step=QUIET, recursive=False, force_polling=polling
        ):
            self._look.set()

    def _matters(self, _: Change, path: str) -> bool:
        name = Path(path).name
        # Kubernetes swaps the link `..data`.
        return name.endswith((".yaml", ".yml")) or name in (".env", "..data") or name in self._code


def _code(config: Config) -> frozenset[str]:
    """Names of the files with code."""
    return frozenset(Path(file).name for file in config.code)


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
