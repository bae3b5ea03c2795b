"""What a running hub leaves in its folder, so that `reload` finds it and can tell what would change."""

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.application import Configuration
from core.errors import HubError
from core.plan import Step, digests, steps


@dataclass(frozen=True, slots=True)
class Running:
    """A hub that runs on this machine."""

    pid: int
    channels: Mapping[str, str]
    """Channel -> digest, of those that are on."""

    @staticmethod
    def file(var: Path) -> Path:
        return var / "running.json"

    @classmethod
    def find(cls, var: Path) -> "Running":
        """The hub whose folder this is. Raises HubError where none runs."""
        try:
            facts = json.loads(cls.file(var).read_text())
            os.kill(facts["pid"], 0)
        except (OSError, ValueError, KeyError) as error:
            raise HubError(f"no hub runs here (looked in {var}); start it with: python3 run.py") from error
        return cls(facts["pid"], facts["channels"])

    @classmethod
    def note(cls, config: Configuration) -> None:
        """Say that this process runs this configuration."""
        file = cls.file(config.hub.var)
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps({"pid": os.getpid(), "channels": digests(config)}))
        fresh.replace(file)

    @classmethod
    def forget(cls, config: Configuration) -> None:
        """This process runs no more."""
        cls.file(config.hub.var).unlink(missing_ok=True)

    def changes(self, config: Configuration) -> dict[str, Step]:
        """What would become of each channel, if the hub took over this configuration."""
        return steps(self.channels, digests(config))

    def reload(self) -> None:
        """Ask it to look at its configuration."""
        os.kill(self.pid, signal.SIGHUP)
