"""How often Python looks for rings of garbage in a process that answers messages."""

import gc

YOUNG = 5_000
"""Objects that come to be before the youngest are looked through. A message makes some hundreds; with the 700 of the
default looking was a fifth of what a message costs, and next to nothing was found."""


def look_seldom() -> None:
    """For a process that lives long."""
    gc.set_threshold(YOUNG, 10, 10)
