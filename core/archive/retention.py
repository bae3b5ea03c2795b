"""How long the archive keeps what was said in a channel, as people write it."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

UNITS = {"hour": 1, "day": 24, "week": 7 * 24, "month": 30 * 24, "year": 365 * 24}
_SPAN = re.compile(r"\s*([0-9]{1,7})\s*(hour|day|week|month|year)s?\s*", re.IGNORECASE)


def parse(value: object) -> timedelta | None:
    """`90 days` -> that; `off` -> None. Raises ValueError that says what is expected."""
    if value is None or value is False or isinstance(value, timedelta):
        return value or None
    text = str(value)
    if text.strip().lower() == "off":
        return None
    found = _SPAN.fullmatch(text)
    if not found or not int(found[1]):
        raise ValueError("expected a time such as 90 days, 12 hours or 1 year, or off")
    hours = int(found[1]) * UNITS[found[2].lower()]
    try:
        return timedelta(hours=hours)
    except OverflowError:
        raise ValueError("longer than time itself; say off") from None


def said(value: timedelta | None) -> str:
    """As it would be written."""
    if value is None:
        return "off"
    hours = round(value.total_seconds() / 3600)
    return f"{hours // 24} days" if hours % 24 == 0 else f"{hours} hours"


Retention = Annotated[
    timedelta | None,
    BeforeValidator(parse),
    PlainSerializer(said),
    WithJsonSchema({"type": "string", "pattern": r"^(off|[0-9]+ *(hour|day|week|month|year)s?)$"}),
]
"""None: for ever."""
