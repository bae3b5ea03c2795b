"""What a running hub leaves in its folder, so that `reload` finds it and can tell what would change."""

import fcntl
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from core.errors import HubError
from core.parts import Configuration
from core.plan import Step, digests, steps

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A hub that runs on this machine."""

    pid: int
    channels: Mapping[str, str]
    """Channel -> digest, of those that are on."""

    @classmethod
    def find(cls, var: Path) -> "Running":
        """The hub whose folder this is. Raises HubError where none runs."""
        try:
            if not _is_held(_lock(var)):
                raise ProcessLookupError
            facts = json.loads(_facts(var).read_text())
            return cls(facts["pid"], facts["channels"])
        except (OSError, ValueError, KeyError) as error:
            raise HubError(f"no hub runs here (looked in {var}); start it with: python3 run.py") from error

    def changes(self, config: Configuration) -> dict[str, Step]:
        """What would become of each channel, if the hub took over this configuration."""
        return steps(self.channels, digests(config))

    def reload(self) -> None:
        """Ask it to look at its configuration."""
        os.kill(self.pid, signal.SIGHUP)


class Presence:
    """That this process is the hub of a folder: facts for `reload`, true as long as the process holds the lock.

    A process id alone may be anybody's once its process has died."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self._held: int | None = None

    def note(self, config: Configuration) -> None:
        """Say that this process runs this configuration, unless another hub has the folder."""
        if not self._hold():
            log.warning("another hub uses this folder; `reload` reaches that one", folder=str(self.var))
            return
        fresh = _facts(self.var).with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps({"pid": os.getpid(), "channels": digests(config)}))
        fresh.replace(_facts(self.var))

    def forget(self) -> None:
        """This process runs no more."""
        if self._held is not None:
            _facts(self.var).unlink(missing_ok=True)
            os.close(self._held)
            self._held = None

    def _hold(self) -> bool:
        if self._held is None:
            self.var.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(_lock(self.var), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                return False
            self._held = lock
        return True


def _facts(var: Path) -> Path:
    return var / "running.json"


def _lock(var: Path) -> Path:
    return var / "running.lock"


def _is_held(lock: Path) -> bool:
    """Whether a living process holds it. Raises OSError where there is no such file."""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
