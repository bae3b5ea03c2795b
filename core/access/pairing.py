"""Accounts that an admin let in, and the codes by which the others can be: what the store keeps of them."""

import secrets
import time
from collections.abc import Sequence

import msgspec

from core.engine.engine import Engine

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""No sign that looks like another; 32 of them, so that eight make a trillion codes."""
LENGTH = 8
LIFE = 3600.0
"""Seconds that a code can be used."""
OPEN_MAX = 100
"""Codes open at a time in a channel. Many, since a code is of use to an admin alone and few would let three strangers
lock everybody out; not endless, since an admin reads the list."""
TELL_EVERY = 60.0
"""Seconds between two times that somebody is told their code."""


class Asking(msgspec.Struct, frozen=True):
    """Whom a code would let in."""

    channel: str
    account: str
    name: str
    time: float


class Approved(msgspec.Struct, frozen=True):
    """Who was let in, and when."""

    name: str
    time: float


class Listed(msgspec.Struct, frozen=True):
    """A line of `access list`: with a code where it is still open."""

    channel: str
    account: str
    name: str
    time: float
    code: str = ""


_encode = msgspec.json.encode
_asking = msgspec.json.Decoder(Asking).decode
_approved = msgspec.json.Decoder(Approved).decode


class Pairing:
    """Each call may raise StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._at = f"{engine.prefix}:access:{{access}}"

    async def look(
        self, channel: str, account: str, *, name: str = "", event: str = "", may_ask: bool = False
    ) -> bool | str:
        """True: let in. A code: to be told to them. False: say nothing.

        `may_ask`: a code may be given; only where nobody else reads it."""
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH)) if may_ask else ""
        asking = _encode(Asking(channel, account, name[:80], time.time()))
        keys = (self._ok(channel), self._open(channel), self._own(channel, account), self._code(code))
        limits = (round(LIFE * 1000), OPEN_MAX, round(TELL_EVERY * 1000))
        let_in, *told = await self._engine.call("pair", keys, (account, code, event, asking, *limits))
        return told[0].decode() if told else bool(let_in)

    async def approve(self, code: str) -> Asking | None:
        """Let in whoever has this code, however it is typed; None where it is not open."""
        code = "".join(sign for sign in code.upper() if sign.isalnum())
        held = await self._engine.command("GET", self._code(code))
        if held is None:
            return None
        who = _asking(held)
        keys = (self._code(code), self._ok(who.channel), self._open(who.channel), self._own(who.channel, who.account))
        record = _encode(Approved(who.name, time.time()))
        return who if await self._engine.call("approve", keys, (code, held, who.account, record)) else None

    async def revoke(self, channel: str, account: str) -> bool:
        """Whether they had been let in."""
        return bool(await self._engine.command("HDEL", self._ok(channel), account))

    async def forget(self, channel: str, account: str) -> int:
        """Whoever this is was never here. Returns how many records went."""
        own = self._own(channel, account)
        if code := await self._engine.command("HGET", own, "code"):
            await self._engine.command("ZREM", self._open(channel), code)
            await self._engine.command("DEL", self._code(code.decode()))
        keys = (own, f"{self._at}:no:{channel}:{account}")
        gone = await self._engine.command("HDEL", self._ok(channel), account)
        return int(gone) + int(await self._engine.command("DEL", *keys))

    async def list(self, channels: Sequence[str]) -> list[Listed]:
        """Open codes, then those let in."""
        asking, approved = [], []
        for channel in channels:
            for member in await self._engine.command("ZRANGE", self._open(channel), 0, -1):
                code = member.decode()
                if held := await self._engine.command("GET", self._code(code)):
                    who = _asking(held)
                    asking.append(Listed(channel, who.account, who.name, who.time, code))
            reply = await self._engine.command("HGETALL", self._ok(channel))
            pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
            for account, record in pairs:
                known = _approved(record)
                approved.append(Listed(channel, account.decode(), known.name, known.time))
        return asking + sorted(approved, key=lambda each: (each.channel, each.time))

    async def first_today(self, channel: str, account: str, event: str) -> bool:
        """Whether this event is the first, in a day, that this account is turned away with; also when tried again."""
        key = f"{self._at}:no:{channel}:{account}"
        done = await self._engine.command("SET", key, event, "NX", "PX", 86_400_000)
        return bool(done) or await self._engine.command("GET", key) == event.encode()

    def _ok(self, channel: str) -> str:
        return f"{self._at}:ok:{channel}"

    def _open(self, channel: str) -> str:
        return f"{self._at}:open:{channel}"

    def _own(self, channel: str, account: str) -> str:
        return f"{self._at}:own:{channel}:{account}"

    def _code(self, code: str) -> str:
        return f"{self._at}:code:{code}"
