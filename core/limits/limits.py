"""Holds turns to the limits: one call of the store before the first model call, one after the answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import structlog

from core.engine.engine import Engine
from core.errors import StoreError
from core.limits.errors import Refused
from core.limits.money import micro
from core.limits.purse import Purse
from core.limits.rules import Rule, rules
from core.limits.settings import LimitsSettings
from core.limits.usage import Usage, usage

log = structlog.get_logger(__name__)

OPEN = 86_400_000
"""Milliseconds for which the store knows a turn that is not settled: longer than turns are tried again."""
SETTLED = 3_600_000
"""Milliseconds for which it knows one that is."""


@dataclass(frozen=True, slots=True)
class Payer:
    """On whose account a turn goes."""

    account: str
    """`platform:id`, the same on all channels of a platform."""
    channel: str
    room: str


class Limits:
    """One for the process. Where no limit is set, nothing is asked of the store."""

    def __init__(self, engine: Engine, settings: LimitsSettings) -> None:
        self._engine = engine
        self._rules: tuple[Rule, ...] = ()
        self._too_small: set[str] = set()
        self.use(settings)

    def use(self, settings: LimitsSettings) -> None:
        """Go by these from now on; what was used already counts."""
        self._rules = rules(settings)
        self._too_small.clear()

    async def reserve(self, payer: Payer, turn_id: str, most: float, attempt: str = "") -> Purse | Refused:
        """Count the turn as a message and set `most` aside for its models, in all windows or in none.

        The same turn is one message in all its attempts; each sets aside anew, and what an earlier one did not settle
        counts as spent. Raises StoreError; then the turn is to be tried again."""
        if not self._rules:
            return Purse()
        result = await self._reserve(payer, turn_id, attempt, micro(most), teller=turn_id)
        if isinstance(result, Refused) or not self._has_budgets:
            return result if isinstance(result, Refused) else Purse()

        async def take(total: int) -> int | Refused:
            return await self._reserve(payer, turn_id, attempt, total, teller=turn_id)

        async def quietly(total: int) -> int | Refused:
            return await self.take(payer, turn_id, total, attempt)

        return Purse(result, take, quietly)

    async def take(self, payer: Payer, turn_id: str, total: int, attempt: str) -> int | Refused:
        """Set so many micro-units aside for the attempt in all; no user is told where that cannot be.

        Raises StoreError."""
        return await self._reserve(payer, turn_id, attempt, total) if self._has_budgets else total

    async def settle(self, payer: Payer, turn_id: str, *, cost: float, tokens: int, attempt: str = "") -> None:
        """The attempt is over and its models took this much: the rest of what was set aside is free again.

        Harmless again. When the store is away, what was set aside counts as spent."""
        if not self._rules and not tokens and not cost:
            return
        turn, user, *_ = self._keys(payer, turn_id)
        try:
            await self._engine.call("settle", (turn, user), (attempt, micro(cost), tokens, SETTLED))
        except StoreError as error:
            log.warning("a turn's reservation counts as spent", turn=turn_id, error=str(error))

    async def usage(self, payer: Payer) -> Usage:
        """What the account has used. Raises StoreError."""
        _, user, *_ = self._keys(payer, "")
        pairs, now = await asyncio.gather(self._engine.command("HGETALL", user), self._engine.command("TIME"))
        return usage(pairs, int(now[0]) + int(now[1]) / 1e6, self._rules)

    @property
    def _has_budgets(self) -> bool:
        return any(rule.is_money for rule in self._rules)

    async def _reserve(
        self, payer: Payer, turn_id: str, attempt: str, total: int, *, teller: str = ""
    ) -> int | Refused:
        """`teller`: the turn whose user will be told of a refusal; empty: nobody will."""
        rules = self._rules  # others may be in use when the store has answered
        arguments = [argument for rule in rules for argument in rule.arguments]
        keys = self._keys(payer, turn_id)
        done, *result = await self._engine.call("reserve", keys, (teller, attempt, total, OPEN, *arguments))
        if done:
            return int(result[0])
        number, milliseconds, first = result
        rule = rules[number]
        self._warn(rule, total)
        return Refused(rule.name, rule.line, milliseconds / 1000, bool(first))

    def _warn(self, rule: Rule, total: int) -> None:
        """A budget below what one answer may cost refuses for ever."""
        if rule.is_money and total > rule.most and rule.name not in self._too_small:
            self._too_small.add(rule.name)
            log.warning("a budget is smaller than what one answer may cost", limit=rule.name)

    def _keys(self, payer: Payer, turn_id: str) -> Sequence[str]:
        """Under one hash tag, since one step changes them all. Quoted, so that no name can pass for another."""
        at = f"{self._engine.prefix}:lim:{{lim}}"
        account, channel, room = (quote(name, safe=":+-@") for name in (payer.account, payer.channel, payer.room))
        turn = quote(turn_id, safe=":+-@")
        return f"{at}:t:{turn}", f"{at}:u:{account}", f"{at}:r:{channel}/{room}", f"{at}:c:{channel}", f"{at}:h"
