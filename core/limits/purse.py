"""What one turn may spend on models, and what it has spent."""

from collections.abc import Awaitable, Callable

import msgspec

from core.limits.errors import OverBudget, Refused
from core.limits.money import micro, money

Take = Callable[[int], Awaitable[int | Refused]]
"""Sets so many micro-units aside for the turn in all; the sum it has then, or why not."""


class Usage(msgspec.Struct, frozen=True):
    """What one call of a model took."""

    model: str
    """As its server calls it."""
    prompt_tokens: int
    completion_tokens: int
    cost: float = 0.0


class Purse:
    """Calls at the same time may share it."""

    def __init__(self, reserved: int = 0, take: Take | None = None, quietly: Take | None = None) -> None:
        """`reserved`: micro-units set aside so far. Without `take` nothing limits the money. `quietly`: the same for
        what an answer can do without."""
        self._reserved = reserved
        self._take = take
        self._quietly = quietly or take
        self._held = 0
        self._spent = 0
        self.tokens = 0
        """Read and written by the models."""
        self.usage: list[Usage] = []
        """What they took, call by call."""

    @property
    def spent(self) -> float:
        return money(self._spent)

    @property
    def left(self) -> float:
        """What is set aside and neither spent nor held for a call under way."""
        return money(self._reserved - self._spent - self._held)

    async def cover(self, amount: float, *, quietly: bool = False) -> None:
        """Hold the most that a call can cost until it is `paid`; more is set aside where too little is left.

        `quietly`: whoever is over the budget is not told. Raises OverBudget where a budget does not hold as much, or
        StoreError; then nothing is held."""
        take = self._quietly if quietly else self._take
        if take is None:
            return
        wanted = micro(amount)
        self._held += wanted
        needed = self._spent + self._held
        if needed <= self._reserved:
            return
        try:
            result = await take(needed)
            if isinstance(result, Refused):
                raise OverBudget(result)
        except BaseException:
            self._held -= wanted
            raise
        self._reserved = max(self._reserved, result)

    def paid(self, prompt_tokens: int, completion_tokens: int, cost: float, *, covered: float = 0) -> None:
        """A call is over and cost this much; what was `covered` for it is free again."""
        self._spent += micro(cost)
        self.tokens += prompt_tokens + completion_tokens
        if self._take is not None:
            self._held -= micro(covered)

    def book(self, used: Usage, *, covered: float = 0) -> None:
        """The same, and keep what it took, if anything."""
        self.paid(used.prompt_tokens, used.completion_tokens, used.cost, covered=covered)
        if used.prompt_tokens or used.completion_tokens:
            self.usage.append(used)
