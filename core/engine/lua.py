"""The scripts that change the store, each one file with its contract on top."""

from pathlib import Path


def load() -> dict[str, str]:
    """Name of a script -> its source."""
    return {path.stem: path.read_text() for path in sorted((Path(__file__).parent / "scripts").glob("*.lua"))}
