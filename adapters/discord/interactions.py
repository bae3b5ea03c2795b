"""Answering slash commands and presses: acknowledged within 3 seconds, answered through the interaction's token."""

import asyncio
import logging
import time
from dataclasses import dataclass

from adapters.discord.client import GatewayClient, code_of
from adapters.discord.handle import Interaction
from adapters.discord.outbound import EPHEMERAL, Body
from adapters.discord.payloads import time_of
from core.errors import SendError, Unavailable, Undeliverable

log = logging.getLogger(__name__)

DEFER_MESSAGE, DEFER_UPDATE = 5, 6
ALREADY_ACKNOWLEDGED = 40060
LOADING = 1 << 7
TOKEN_LIVES = 15 * 60.0
_KEPT = 1000


@dataclass(slots=True)
class _Deferred:
    """A command that was acknowledged here and waits for its answer."""

    done: asyncio.Task[None]
    key: str = ""
    """Under which the first part of the answer was sent."""


class Interactions:
    """https://docs.discord.com/developers/interactions/receiving-and-responding#followup-messages"""

    def __init__(self, client: GatewayClient) -> None:
        self._client = client
        self._deferred: dict[str, _Deferred] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def defer(self, interaction: str, token: str, kind: int, private: bool) -> None:
        """Acknowledge in the background: the room's next event need not wait for it."""
        task = asyncio.create_task(self._acknowledge(interaction, token, kind, private))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if kind == DEFER_MESSAGE and token not in self._deferred:
            self._deferred[token] = _Deferred(task)
            if len(self._deferred) > _KEPT:
                del self._deferred[next(iter(self._deferred))]

    async def answer(self, to: Interaction, body: Body, key: str) -> str | None:
        """Send one part of the answer; the message's id, or None where it must go to the room as any other message.

        The first part fills the deferred answer. Raises SendError."""
        if time.time() - time_of(to.id) > TOKEN_LIVES:
            _lapsed(to)
            return None
        try:
            if await self._is_first(to, body, key):
                return await self._fill(to, body)
            return await self._follow(to, body) if to.private else None
        except Undeliverable as error:
            if getattr(error.__cause__, "status", 0) != 404:
                raise
            if time.time() - time_of(to.id) < 5.0:  # the process that took the command is still acknowledging it
                raise Unavailable(str(error)) from error
            _lapsed(to)
            return None

    async def edit(self, to: Interaction, message_id: str, body: Body) -> None:
        path = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
        await self._client.call("PATCH", path, _names(to) | {"message_id": message_id}, json=body)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _acknowledge(self, interaction: str, token: str, kind: int, private: bool) -> None:
        body: Body = {"type": kind}
        if private:
            body["data"] = {"flags": EPHEMERAL}
        path = "/interactions/{webhook_id}/{webhook_token}/callback"
        try:
            names = {"webhook_id": interaction, "webhook_token": token}
            await self._client.call("POST", path, names, limit=3.0, json=body)
        except SendError as error:
            if code_of(error) != ALREADY_ACKNOWLEDGED:
                log.warning("an interaction could not be acknowledged: %s", error)

    async def _is_first(self, to: Interaction, body: Body, key: str) -> bool:
        deferred = self._deferred.get(to.token)
        if deferred is not None:
            await asyncio.wait([deferred.done])
            deferred.key = deferred.key or key
            return deferred.key == key
        # Acknowledged before a restart or by another process: look whether the answer is still awaited.
        original = await self._client.call("GET", _ORIGINAL, _names(to))
        return bool(original.get("flags", 0) & LOADING) or original.get("content") == body["content"]

    async def _fill(self, to: Interaction, body: Body) -> str:
        message = await self._client.call("PATCH", _ORIGINAL, _names(to), json=body)
        return str(message["id"])

    async def _follow(self, to: Interaction, body: Body) -> str:
        path = "/webhooks/{webhook_id}/{webhook_token}"
        body = body | {"flags": body["flags"] | EPHEMERAL}
        message = await self._client.call("POST", path, _names(to), json=body, params={"wait": "true"})
        return str(message["id"])


_ORIGINAL = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"


def _names(to: Interaction) -> dict[str, str]:
    return {"webhook_id": to.application, "webhook_token": to.token}


def _lapsed(to: Interaction) -> None:
    """The token's time is over: what all may see can still be said as an ordinary message."""
    if to.private:
        raise Undeliverable("the command's token has run out")
