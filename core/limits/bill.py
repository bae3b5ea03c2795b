"""What one try of a turn sets aside for its models, and what they took: settled once, as soon as that is known."""

from collections.abc import Sequence

from core.bot import Usage
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
        self.usage: Sequence[Usage] = ()
        """What the models took, call by call."""

    async def reserve(self, most: float) -> Purse | Refused:
        """Set this much aside. Raises StoreError."""
        self._is_open = True
        return await self._limits.reserve(self.payer, self._turn_id, most, self._attempt)

    async def settle(self) -> None:
        """The models are done. Harmless again, and where nothing was set aside."""
        if not self._is_open:
            return
        self._is_open = False
        tokens = sum(used.prompt_tokens + used.completion_tokens for used in self.usage)
        cost = sum(used.cost for used in self.usage)
        await self._limits.settle(self.payer, self._turn_id, cost=cost, tokens=tokens, attempt=self._attempt)
