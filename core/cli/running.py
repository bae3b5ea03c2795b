"""What a running hub leaves in its folder, so that `reload` finds it and can tell what would change."""

import hashlib
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.application import Configuration
from core.errors import HubError


def fingerprints(config: Configuration) -> dict[str, str]:
    """Channel -> a digest of all that its start depends on; secrets cannot be read from it."""
    return {
        name: _digest(
            config.public_url,
            settings.model_dump_json(),
            *(secret for secret in _secrets(settings)),
            config.bots[settings.bot].model_dump_json() if settings.bot in config.bots else "",
        )
        for name, settings in config.channels.items()
    }


def _secrets(settings: object) -> list[str]:
    values = (getattr(settings, name) for name in type(settings).model_fields)  # type: ignore[attr-defined]
    return [value.get_secret_value() for value in values if hasattr(value, "get_secret_value")]


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Running:
    """A hub that runs, or ran, on this machine."""

    pid: int
    channels: Mapping[str, str]

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
        fresh.write_text(json.dumps({"pid": os.getpid(), "channels": fingerprints(config)}))
        fresh.chmod(0o600)
        fresh.replace(file)

    def changes(self, config: Configuration) -> dict[str, str]:
        """Channel -> start | stop | restart | keep, if the hub took over this configuration."""
        after = fingerprints(config)
        steps = {name: "stop" for name in self.channels if name not in after}
        for name, digest in after.items():
            before = self.channels.get(name)
            steps[name] = "start" if before is None else "keep" if before == digest else "restart"
        return steps

    def reload(self) -> None:
        """Ask it to look at its configuration."""
        os.kill(self.pid, signal.SIGHUP)
