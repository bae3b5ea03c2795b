"""What is said of a limit that was reached.

HubError
└─ OverBudget                  the budget does not cover another call of a model: do not ask it, say the line
"""

from dataclasses import dataclass

from core.errors import HubError
from core.language.sentences import Sentence


@dataclass(frozen=True, slots=True)
class Refused:
    """A limit was reached; nothing was taken from any."""

    limit: str
    """Which, as the YAML file calls it: `budget_per_user`."""
    line: Sentence
    """What to tell the user; takes `{when}`."""
    resets_in: float
    """Seconds until there is room again."""
    is_first: bool
    """Nobody was told of it yet in this window; else say nothing."""


class OverBudget(HubError):
    """The money left does not cover another call of a model. Trying again before `refused.resets_in` is in vain."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(f"{refused.limit} is used up for {refused.resets_in:.0f} s")
        self.refused = refused
