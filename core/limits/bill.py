"""What is set aside for the models of one try of a turn, and what they took: settled once, as soon as that is known."""

from core import metrics
from core.limits.errors import Refused
from core.limits.limits import Limits, Payer
from core.limits.purse import Purse


class Bill:
    """One for each try. A try that comes to nothing settles its own; one that was killed leaves what it had set aside
    as spent, and the next sets aside anew."""

    def __init__(self, limits: Limits, payer: Payer, turn_id: str, attempt: str) -> None:
        """`attempt`: no other try's."""
        self.payer = payer
        self._limits = limits
        self._turn_id = turn_id
        self._attempt = attempt
        self._is_open = False
        self._purse = Purse()

    async def reserve(self, most: float) -> Purse | Refused:
        """Count the turn and set this much aside. Raises StoreError."""
        self._is_open = True
        reserved = await self._limits.reserve(self.payer, self._turn_id, most, self._attempt)
        if isinstance(reserved, Purse):
            self._purse = reserved
        return reserved

    def of_another(self, purpose: str) -> "Bill":
        """For what the turn causes and nobody waits for; it is no message."""
        return Bill(self._limits, self.payer, self._turn_id, f"{self._attempt} {purpose}")

    def purse(self) -> Purse:
        """Nothing is set aside until a model is asked, and no user is told where a budget does not cover that."""

        async def take(total: int) -> int | Refused:
            self._is_open = True
            return await self._limits.take(self.payer, self._turn_id, total, self._attempt)

        self._purse = Purse(0, take)
        return self._purse

    async def settle(self) -> None:
        """The models are done. Harmless again, and where nothing was set aside."""
        if not (self._is_open or self._purse.usage):
            return
        usage, self._purse, self._is_open = self._purse.usage, Purse(), False
        for used in usage:
            metrics.count("model_tokens_total", used.prompt_tokens, model=used.model, kind="prompt")
            metrics.count("model_tokens_total", used.completion_tokens, model=used.model, kind="completion")
            metrics.count("model_cost_total", used.cost, model=used.model)
        tokens = sum(used.prompt_tokens + used.completion_tokens for used in usage)
        cost = sum(used.cost for used in usage)
        await self._limits.settle(self.payer, self._turn_id, cost=cost, tokens=tokens, attempt=self._attempt)
