"""A name that stays with a folder."""

import contextlib
import os
import secrets
from pathlib import Path

FILE = "worker-id"


def identity(var: Path) -> str:
    """The folder's own random name, made at the first call and the same ever after, also where two call at once."""
    file = var / FILE
    if not file.exists():
        var.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = var / f"{FILE}.{os.getpid()}"
        fresh.write_text(secrets.token_hex(8))
        with contextlib.suppress(FileExistsError):  # another process was quicker
            os.link(fresh, file)
        fresh.unlink()
    return file.read_text().strip()
