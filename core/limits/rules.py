"""The limits as the store's script reads them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from core.language.sentences import Sentence
from core.limits.settings import LimitsSettings
from core.model.settings import ModelSettings

Scope = Literal["user", "room", "channel", "hub"]
SCOPES: tuple[Scope, ...] = ("user", "room", "channel", "hub")


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit: on the messages or on the money of somebody, in a window."""

    scope: Scope
    is_money: bool
    most: int
    """Messages, or micro-units of money."""
    period: str
    """Milliseconds of a window that begins with its first message, or a unit of the calendar."""

    @property
    def field(self) -> str:
        """Where its count lies in the hash of its scope."""
        return ("b" if self.is_money else "n") + self.period

    @property
    def arguments(self) -> tuple[int | str, ...]:
        """As RESERVE takes it."""
        return SCOPES.index(self.scope) + 2, "b" if self.is_money else "n", self.most, self.period

    @property
    def line(self) -> Sentence:
        """What a user is told whom it refuses."""
        if self.is_money:
            return Sentence.BUDGET if self.scope == "user" else Sentence.BUDGET_SHARED
        return Sentence.RATE_LIMIT if self.scope == "user" else Sentence.RATE_LIMIT_SHARED

    @property
    def name(self) -> str:
        """As the YAML file calls it."""
        return f"budget_per_{self.scope}" if self.is_money else f"per_{self.scope}"


def rules(settings: LimitsSettings) -> tuple[Rule, ...]:
    """All of them; of two with the same window the tighter one."""
    found: dict[tuple[Scope, str], Rule] = {}
    for scope in SCOPES:
        rates = getattr(settings, f"per_{scope}")
        budgets = getattr(settings, f"budget_per_{scope}")
        for rule in (
            *(Rule(scope, False, rate.count, str(rate.seconds * 1000)) for rate in rates),
            *(Rule(scope, True, budget.micro, budget.unit) for budget in budgets),
        ):
            known = found.get((scope, rule.field))
            if known is None or rule.most < known.most:
                found[scope, rule.field] = rule
    return tuple(found.values())


def unpriced(settings: LimitsSettings, models: Mapping[str, ModelSettings]) -> tuple[str, ...]:
    """The models that no budget can hold back, since by their settings they cost nothing; where a budget is set."""
    if not any(rule.is_money for rule in rules(settings)):
        return ()
    return tuple(name for name, model in models.items() if not (model.price_input or model.price_output))
