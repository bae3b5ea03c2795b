"""Codes by which one account asks to be joined with another, and the question that must be agreed to first."""

import secrets
from hashlib import sha256
from typing import Literal

import msgspec

from core.engine.engine import Engine

ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""No sign that looks like another."""
LENGTH = 8

Answer = Literal["joined", "gone"]
"""What became of a question that was agreed to."""

_encode = msgspec.json.Encoder().encode


class Offer(msgspec.Struct, frozen=True):
    """What a code stands for: who asked for it, and in which direct chat."""

    account: str
    name: str
    bot: str
    key: str


class Question(msgspec.Struct, frozen=True):
    """Whether two accounts are to be one person; one at most is open for an account."""

    id: str
    code: str
    offer: Offer
    first: str
    """How the two are called in the question."""
    second: str
    asked: float
    """Unix seconds, by the store's clock."""
    event: str = ""
    """The id of the event that agreed; empty while it is open."""


class TooMany(msgspec.Struct, frozen=True):
    """Not now, but in so many seconds."""

    seconds: float


class Codes:
    """Kept in the store as hashes only. Each call may raise StoreError."""

    def __init__(
        self,
        engine: Engine,
        *,
        life: float = 600.0,
        open_max: int = 3,
        wrong_max: int = 10,
        wrong_window: float = 3600.0,
    ) -> None:
        """`life` of a code and of a question, in seconds. `wrong_max`: wrong codes of one account in `wrong_window`
        seconds; after them it is told nothing."""
        self.life = life
        self._engine = engine
        self._open_max = open_max
        self._wrong_max = wrong_max
        self._wrong_window = wrong_window
        self._question = msgspec.json.Decoder(Question).decode
        self._offer = msgspec.json.Decoder(Offer).decode

    async def make(self, offer: Offer) -> str | TooMany:
        """A new code, shown once and to its owner alone."""
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        keys = (self.made_by(offer.account), self.key(code))
        wait = await self._engine.call("code", keys, (_encode(offer), round(self.life * 1000), self._open_max))
        return TooMany(wait / 1000) if wait else code

    async def find(self, account: str, code: str) -> Offer | TooMany | None:
        """What a code stands for that this account entered."""
        keys = (f"{self._engine.prefix}:wrong:{account}", self.key(code))
        found = await self._engine.call("guess", keys, (self._wrong_max, round(self._wrong_window * 1000)))
        if isinstance(found, bytes):
            return self._offer(found)
        return TooMany(found / 1000) if found else None

    async def ask(self, account: str, question: Question) -> None:
        """Open a question; an older one of the same account is closed by it."""
        life = round(self.life * 1000)
        await self._engine.command("SET", self.asked(account), _encode(question), "PX", life)

    async def question(self, account: str) -> Question | None:
        """The one that is open, or was agreed to last."""
        found = await self._engine.command("GET", self.asked(account))
        return self._question(found) if found else None

    async def close(self, account: str) -> None:
        await self._engine.command("DEL", self.asked(account))

    def key(self, code: str) -> str:
        plain = "".join(code.split()).replace("-", "").upper()
        return f"{self._engine.prefix}:code:{sha256(plain.encode()).hexdigest()}"

    def made_by(self, account: str) -> str:
        return f"{self._engine.prefix}:codes:{account}"

    def asked(self, account: str) -> str:
        return f"{self._engine.prefix}:ask:{account}"
