"""Sends an answer part by part, so that a crash at any moment repeats nothing that could be known."""

import asyncio
import hashlib
from base64 import b32encode
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec

from core.adapter import Adapter
from core.bot import Remembered
from core.delivery.gate import Gate
from core.delivery.split import split
from core.errors import SendError, Unavailable, Unconfirmed
from core.events import Address, Part, Sent

TRIES = 3
"""Attempts at one part within a turn; after these the turn itself is tried again later."""


class Staged(msgspec.Struct, omit_defaults=True):
    """An answer on its way: stored before the first send and after each, taken up by whoever has the turn then."""

    to: Address
    parts: list[Part]
    """As they will be sent: each fits into one message."""
    time: float
    """When it was staged, Unix seconds: nothing of it was sent before."""
    sent: list[Sent] = []
    """What the platform has taken, in order; the rest is still to send."""
    remember: list[Remembered] = []
    """What the session keeps of this turn."""
    forget: bool = False
    reason: str = ""
    """Set where this is a last word about a turn that failed."""


Save = Callable[[Staged], Awaitable[None]]
"""Stores it; raises where the turn now belongs to somebody else."""


def fit(parts: list[Part], adapter: Adapter[Any]) -> list[Part]:
    """Parts that each fit into one message of the platform; buttons stay under the last piece of theirs."""
    limit = adapter.capabilities.max_text
    fitting: list[Part] = []
    for part in parts:
        choices = part.choices[: adapter.capabilities.max_choices]
        text = part.text if choices else _with_numbers(part)
        pieces = split(text, lambda piece: adapter.measure(piece) <= limit) or [text]
        fitting += [Part(piece) for piece in pieces[:-1]]
        fitting.append(Part(pieces[-1], choices))
    return fitting


def _with_numbers(part: Part) -> str:
    if not part.choices:
        return part.text
    return part.text + "\n\n" + "\n".join(f"{n}. {choice.label}" for n, choice in enumerate(part.choices, 1))


async def gather(pieces: AsyncIterator[str | Part]) -> list[Part]:
    """The parts of an answer: pieces of text in a row belong to one."""
    parts: list[Part] = []
    text: list[str] = []
    async for piece in pieces:
        if isinstance(piece, str):
            text.append(piece)
            continue
        if text:
            parts.append(Part("".join(text)))
            text = []
        parts.append(piece)
    if text:
        parts.append(Part("".join(text)))
    return [part for part in parts if part.text.strip() or part.choices]


async def deliver(
    staged: Staged, adapter: Adapter[Any], gate: Gate, save: Save, turn_id: str, *, resumed: bool
) -> None:
    """Send what is not sent yet, in order; `save` is called after each part but the last (the commit follows that).

    `resumed`: an earlier try may have got further than it could tell. Raises SendError."""
    while (number := len(staged.sent)) < len(staged.parts):
        if number:
            await save(staged)
        key = _key(turn_id, number)
        staged.sent.append(await _send(staged, staged.parts[number], adapter, gate, key, in_doubt=resumed))
        resumed = False


def _key(turn_id: str, number: int) -> str:
    """The idempotency key of a part: 25 characters, the same on every try."""
    return b32encode(hashlib.blake2b(f"{turn_id}#{number}".encode(), digest_size=16).digest())[:25].decode().lower()


async def _send(staged: Staged, part: Part, adapter: Adapter[Any], gate: Gate, key: str, *, in_doubt: bool) -> Sent:
    can = adapter.capabilities
    for attempt in range(1, TRIES + 1):
        try:
            if in_doubt and can.can_find and (found := await adapter.find(staged.to, part, key, staged.time)):
                return found
            return await gate.send(staged.to, lambda: adapter.send(staged.to, part, key))
        except (Unavailable, Unconfirmed) as error:
            if attempt == TRIES:
                raise
            in_doubt = in_doubt or isinstance(error, Unconfirmed)
            await asyncio.sleep(2**attempt / 4)
    raise SendError("no try was made")
