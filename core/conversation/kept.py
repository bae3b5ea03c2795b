"""What was learnt of how models count tokens, kept in a file from one run of the hub to the next."""

import asyncio
from pathlib import Path

import structlog

from core.conversation.calibration import Calibrations

log = structlog.get_logger(__name__)

SAVE = 60.0
"""Seconds between two looks whether there is something new to keep."""


class KeptCalibrations:
    """Read at once; `run` writes what is new now and then, `save` at the end."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._saved = file.read_bytes() if file.exists() else b""
        self.calibrations = Calibrations.decode(self._saved)

    def save(self) -> None:
        """A file that cannot be written costs a few exact guesses, and no more."""
        now = self.calibrations.encode()
        if now == self._saved:
            return
        fresh = self._file.with_suffix(".new")
        try:
            fresh.write_bytes(now)
            fresh.replace(self._file)
            self._saved = now
        except OSError as error:
            log.warning("calibrations cannot be kept", error=str(error))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(SAVE)
            await asyncio.to_thread(self.save)
