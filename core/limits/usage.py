"""What an account has used, for `/usage`. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.limits.rules import Rule

DAY = 86400


@dataclass(frozen=True, slots=True)
class Usage:
    """Messages and money of the window that matters most, tokens of the day."""

    messages: int
    tokens: int
    cost: int
    """Micro-units."""
    resets_in: float
    """Seconds."""
    limit: int | None = None
    """Messages allowed in that window."""
    budget: int | None = None
    """Micro-units allowed in that window."""


def usage(reply: Sequence[bytes] | Mapping[bytes, bytes], now: float, rules: Sequence[Rule]) -> Usage:
    """From the account's hash as the store replies with it. The window that is filled most is the one told.

    The time of reset is the budget's where there is one, else that of the messages, else midnight in UTC."""
    pairs = reply.items() if isinstance(reply, Mapping) else zip(reply[::2], reply[1::2], strict=True)
    counts = {name.decode(): value.decode() for name, value in pairs}
    today = float(counts.get("used:end", 0)) / 1000 > now
    messages, tokens, cost = (
        int(counts.get(f"used:{name}", 0)) if today else 0 for name in ("messages", "tokens", "cost")
    )
    own = [rule for rule in rules if rule.scope == "user"]
    rates = [(_count(counts, rule, now), rule) for rule in own if not rule.is_money]
    budgets = [(_count(counts, rule, now), rule) for rule in own if rule.is_money]
    resets_in, limit, budget = DAY - now % DAY, None, None
    if rates:
        messages, limit, left = _fullest(rates)
        resets_in = left or resets_in
    if budgets:
        cost, budget, left = _fullest(budgets)
        resets_in = left or DAY - now % DAY
    return Usage(messages, tokens, cost, resets_in, limit, budget)


def _count(counts: Mapping[str, str], rule: Rule, now: float) -> tuple[int, float]:
    """How much is in the window now, and the seconds until its end; none where it is not open."""
    left = float(counts.get(f"{rule.field}:end", 0)) / 1000 - now
    return (int(counts.get(rule.field, 0)), left) if left > 0 else (0, 0.0)


def _fullest(windows: Sequence[tuple[tuple[int, float], Rule]]) -> tuple[int, int, float]:
    (count, left), rule = max(windows, key=lambda window: window[0][0] / window[1].most)
    return count, rule.most, left
