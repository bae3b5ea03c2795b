"""Which documents there are: looked up by `stat` alone, so that looking costs the same however large they are."""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bots._knowledge.reading import FORMATS

MAX_FILES = 20_000


@dataclass(frozen=True, slots=True)
class Found:
    """A document."""

    file: Path
    name: str
    """Within the folder that was named: `guide/setup.md`."""
    place: str
    """As the configuration would name it: `docs/guide/setup.md`."""
    changed: int
    size: int


@dataclass(slots=True)
class Look:
    """What one look saw."""

    found: dict[Path, Found] = field(default_factory=dict)
    faults: dict[Path, str] = field(default_factory=dict)
    """What is left out, and why."""


def missing(roots: Sequence[str]) -> list[str]:
    return [root for root in roots if not Path(root).exists()]


def look(roots: Sequence[str]) -> Look:
    """All documents there are now; one that goes away meanwhile is left out.

    Hidden files are passed over, and links that lead out of the folder: who names a folder means what is in it."""
    seen = Look()
    for root in roots:
        if Path(root).is_dir():
            _folder(root, seen)
        else:
            _take(Path(root), Path(root).name, Path(root).as_posix(), seen)
    return seen


def _folder(root: str, seen: Look) -> None:
    home = os.path.realpath(root)
    for file in _walk(root, home, seen):
        if len(seen.found) >= MAX_FILES:
            seen.faults[Path(root)] = f"it holds more than {MAX_FILES} documents: the rest is left out"
            return
        name = file.relative_to(root).as_posix()
        _take(file, name, (Path(root) / name).as_posix(), seen)


def _walk(root: str, home: str, seen: Look) -> Iterator[Path]:
    visited = {home}
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            seen.faults[Path(folder)] = f"it cannot be opened: {error.strerror}"
            continue
        inside: list[str] = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = Path(entry.path)
            if entry.is_symlink():
                real = os.path.realpath(entry.path)
                if not Path(real).is_relative_to(home):
                    seen.faults[path] = "it links out of the folder: name its target under knowledge"
                    continue
            if not _is_folder(entry):
                if path.suffix.lower() in FORMATS:
                    yield path
                continue
            real = os.path.realpath(entry.path)
            if real in visited:
                seen.faults[path] = "it links to a folder that is read already"
                continue
            visited.add(real)
            inside.append(entry.path)
        folders += inside[::-1]


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _take(file: Path, name: str, place: str, seen: Look) -> None:
    try:
        status = file.stat()
    except FileNotFoundError:
        if file.is_symlink():
            seen.faults[file] = "it links to nothing"
        return
    except OSError as error:
        seen.faults[file] = f"it cannot be opened: {error.strerror}"
        return
    if not stat.S_ISREG(status.st_mode):
        seen.faults[file] = "it is no ordinary file"
        return
    seen.found.setdefault(file, Found(file, name, place, status.st_mtime_ns, status.st_size))


def changed(now: Mapping[Path, Found], before: Mapping[Path, Found]) -> list[Found]:
    """Those that are new or not as they were."""
    return [found for file, found in now.items() if before.get(file) != found]
