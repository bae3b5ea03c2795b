"""Amounts of money as whole micro-units, so that nothing drifts. Pure."""

import math

MICRO = 1_000_000
"""Micro-units of one unit of the currency that the prices are in."""


def micro(amount: float) -> int:
    """Rounded up, but for what a sum of floats may be too much by."""
    return max(0, math.ceil(amount * MICRO - 1e-6))


def money(amount: int) -> float:
    return amount / MICRO


def shown(amount: int) -> str:
    """With two decimals, and up to four where it takes them."""
    whole, _, decimals = f"{money(amount):.4f}".partition(".")
    return f"{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"
