"""The YAML section `limits`: how many messages, and how much money, in which time."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, WithJsonSchema

from core.limits.money import MICRO

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
CALENDAR = ("hour", "day", "month")

_SHORT = {
    "s": "second",
    "sec": "second",
    "m": "minute",
    "min": "minute",
    "h": "hour",
    "hr": "hour",
    "d": "day",
    "daily": "day",
    "hourly": "hour",
    "mo": "month",
    "monthly": "month",
}
_RATE = re.compile(r"(\d{1,9})\s*/\s*(?:(\d{1,7})\s*)?(second|minute|hour|day)s?")
_BUDGET = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*/\s*(hour|day|month)")
_MEANT = re.compile(
    r"[^\d]*(\d+(?:[.,]\d+)?)[^\w]*(?-i:[A-Z]{3})?\s*(?:/|per|an?|each|every|in)?\s*(\d+)?\s*([a-z]*)", re.I
)

LONGEST = 31 * 86400
"""Seconds of the longest window of messages."""


@dataclass(frozen=True, slots=True, order=True)
class Rate:
    """So many messages in a window of so many seconds."""

    seconds: int
    count: int

    def __str__(self) -> str:
        unit, length = next((unit, n) for unit, n in reversed(SECONDS.items()) if self.seconds % n == 0)
        number = self.seconds // length
        return f"{self.count}/{unit}" if number == 1 else f"{self.count}/{number} {unit}s"


@dataclass(frozen=True, slots=True)
class Budget:
    """So much money in each hour, day or month of the calendar."""

    micro: int
    unit: str

    def __str__(self) -> str:
        return f"{Decimal(self.micro) / MICRO:f}/{self.unit}"


def rate(text: object) -> Rate:
    """`20/minute`, `100/15 minutes`. Raises ValueError, with the right spelling where it can be guessed."""
    found = _RATE.fullmatch(text.strip().lower()) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"expected a count and a time such as 20/minute or 100/15 minutes{_guessed(text, SECONDS)}")
    count, seconds = int(found[1]), int(found[2] or 1) * SECONDS[found[3]]
    if count < 1 or not 1 <= seconds <= LONGEST:
        raise ValueError("expected 1 message or more in at most 31 days; without the key there is no limit")
    return Rate(seconds, count)


def budget(text: object) -> Budget:
    """`0.50/day`. Raises ValueError, with the right spelling where it can be guessed."""
    found = _BUDGET.fullmatch(text.strip().lower()) if isinstance(text, str) else None
    if found is None:
        raise ValueError(
            "expected money and a time such as 0.50/day or 20/month, "
            f"in the currency of the models' prices{_guessed(text, CALENDAR)}"
        )
    amount = int(Decimal(found[1]) * MICRO)
    if amount == 0:
        raise ValueError("expected more than 0; without the key there is no limit")
    return Budget(amount, found[2])


def _guessed(text: object, units: Collection[str]) -> str:
    """What may have been meant."""
    found = _MEANT.match(str(text).strip()) if isinstance(text, str | int | float) else None
    if found is None or isinstance(text, bool):
        return ""
    amount, number, word = found[1].replace(",", "."), found[2], found[3].lower()
    unit = _SHORT.get(word, word).removesuffix("s") or ("minute" if "minute" in units else "day")
    if unit not in units or ("minute" in units and "." in amount):
        return ""
    return f", did you mean {amount}/{f'{number} {unit}s' if number and 'minute' in units else unit}?"


T = TypeVar("T")


def _one_or_more(kind: type[T], read: Callable[[object], T]) -> Callable[[object], tuple[T, ...]]:
    def several(value: object) -> tuple[T, ...]:
        given = value if isinstance(value, list | tuple) else () if value is None else (value,)
        return tuple(each if isinstance(each, kind) else read(each) for each in given)

    return several


_JSON = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
_WRITTEN = PlainSerializer(lambda several: [str(each) for each in several], return_type=list[str])
Rates = Annotated[tuple[Rate, ...], PlainValidator(_one_or_more(Rate, rate)), _WRITTEN, _JSON]
Budgets = Annotated[tuple[Budget, ...], PlainValidator(_one_or_more(Budget, budget)), _WRITTEN, _JSON]


class LimitsSettings(BaseModel):
    """How much may be said and spent. A key that is left out sets no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    per_user: Rates = ()
    """Messages of one user, on all channels of a platform: `20/minute`, `100/15 minutes`, or a list of such."""
    per_room: Rates = ()
    """Messages in one room, whoever says them; a direct chat is a room."""
    per_channel: Rates = ()
    """Messages in one channel."""
    per_hub: Rates = ()
    """Messages in all channels together."""
    budget_per_user: Budgets = ()
    """Money that models may cost for one user: `0.50/day`, also by `hour` or `month`, or a list of such; in the
    currency of the models' prices."""
    budget_per_room: Budgets = ()
    """The same for one room."""
    budget_per_channel: Budgets = ()
    """The same for one channel."""
    budget_per_hub: Budgets = ()
    """The same for all channels together."""
