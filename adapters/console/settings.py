"""The YAML keys of a console channel."""

from core.adapter import Settings


class ConsoleSettings(Settings):
    """It needs nothing: whoever sits at the terminal is let in."""
