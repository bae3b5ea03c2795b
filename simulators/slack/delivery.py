"""How Slack brings events to an app: signed posts or Socket Mode envelopes, again until they are taken."""

import asyncio
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import WSMsgType, web

from simulators.stage import Faults, Wire

RETRY_AFTER = (0.0, 60.0, 300.0)
"""Seconds before the 1st, 2nd and 3rd retry. https://docs.slack.dev/apis/events-api#retries"""
PATIENCE = 3.0
"""Seconds that an app has to answer. https://docs.slack.dev/apis/events-api#responding"""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One thing to deliver. Commands and button presses are tried once."""

    kind: str
    """events_api | slash_commands | interactive, as Socket Mode calls them."""
    payload: dict[str, Any]

    @property
    def attempts(self) -> int:
        return 4 if self.kind == "events_api" else 1

    def body(self) -> tuple[str, bytes]:
        """Content type and body of the post."""
        if self.kind == "events_api":
            return "application/json", json.dumps(self.payload).encode()
        fields = {"payload": json.dumps(self.payload)} if self.kind == "interactive" else self.payload
        return "application/x-www-form-urlencoded", urlencode(fields).encode()


@dataclass(slots=True)
class Outcome:
    """What came of one try; `reason` as in `x-slack-retry-reason`."""

    taken: bool
    reason: str = ""
    answer: str = ""


def signed(secret: str, body: bytes, now: float) -> dict[str, str]:
    """https://docs.slack.dev/authentication/verifying-requests-from-slack"""
    stamp = str(int(now))
    digest = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}


class Postman:
    """Posts to the app's one request URL."""

    def __init__(self, secret: str, patience: float, note: Callable[[Wire], None]) -> None:
        self.url: str | None = None
        self.http: aiohttp.ClientSession
        self._secret = secret
        self._patience = patience
        self._note = note

    async def bring(self, parcel: Parcel, attempt: int, reason: str) -> Outcome:
        if self.url is None:
            return Outcome(taken=False, reason="connection_failed")
        content_type, body = parcel.body()
        headers = {"Content-Type": content_type, **signed(self._secret, body, time.time())}
        if attempt:
            headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason}
        status = 0
        try:
            limit = aiohttp.ClientTimeout(total=self._patience)
            async with self.http.post(self.url, data=body, headers=headers, timeout=limit) as response:
                status, answer = response.status, await response.text()
            return Outcome(200 <= status < 300, "http_error", answer)
        except TimeoutError:
            return Outcome(taken=False, reason="http_timeout")
        except aiohttp.ClientError:
            return Outcome(taken=False, reason="connection_failed")
        finally:
            self._note(Wire("POST", self.url, body.decode(), status, inbound=False))


class Sockets:
    """The app's open Socket Mode connections. https://docs.slack.dev/apis/events-api/using-socket-mode"""

    def __init__(self, patience: float, note: Callable[[Wire], None], faults: Faults) -> None:
        self.open: list[web.WebSocketResponse] = []
        self._turn = itertools.count()
        self._numbers = itertools.count(1)
        self._acks: dict[str, asyncio.Future[str]] = {}
        self._arrived = asyncio.Event()
        self._patience = patience
        self._note = note
        self._faults = faults

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": len(self.open) + 1, "connection_info": {}})
        self.open.append(socket)
        self._arrived.set()
        try:
            async for frame in socket:
                if frame.type == WSMsgType.PING and not self._faults.silent:
                    await socket.pong(frame.data)
                elif frame.type == WSMsgType.TEXT:
                    self._acknowledge(frame.data)
        finally:
            self.open.remove(socket)
            if not self.open:
                self._arrived.clear()
        return socket

    def _acknowledge(self, text: str) -> None:
        answer = json.loads(text)
        waiting = self._acks.get(answer.get("envelope_id", ""))
        self._note(Wire("ACK", "/socket", text, 200, inbound=True))
        if waiting and not waiting.done():
            waiting.set_result(str((answer.get("payload") or {}).get("text", "")))

    async def bring(self, parcel: Parcel, attempt: int, reason: str) -> Outcome:
        number = f"00000000-0000-4000-9000-{next(self._numbers):012d}"
        envelope: dict[str, Any] = {
            "type": parcel.kind,
            "envelope_id": number,
            "payload": parcel.payload,
            "accepts_response_payload": parcel.kind != "events_api",
        }
        if parcel.kind == "events_api":
            envelope |= {"retry_attempt": attempt, "retry_reason": reason}
        ack = self._acks[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._patience):
                await self._arrived.wait()
                await self.open[next(self._turn) % len(self.open)].send_str(json.dumps(envelope))
                self._note(Wire("ENVELOPE", "/socket", json.dumps(envelope), 0, inbound=False))
                return Outcome(taken=True, answer=await ack)
        except (TimeoutError, ConnectionError):
            return Outcome(taken=False, reason="timeout")
        finally:
            del self._acks[number]

    async def disconnect(self, reason: str) -> None:
        """Tell the app to take a new connection, as Slack does every few hours."""
        for socket in list(self.open):
            await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "simulator"}})

    async def drop(self) -> None:
        """Close all connections without a word."""
        for socket in list(self.open):
            await socket.close()


Bring = Callable[[Parcel, int, str], Awaitable[Outcome]]


@dataclass(slots=True)
class Round:
    """Delivers parcels, with the retries and the misbehaviour asked for."""

    bring: Bring
    faults: Faults
    retry_after: tuple[float, ...]
    lost: list[Parcel] = field(default_factory=list)
    """Given up after the last retry."""
    _held: list[Parcel] = field(default_factory=list)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def deliver(self, parcel: Parcel) -> Outcome:
        """Returns when the first try has an answer; the retries go on by themselves."""
        if self.faults.take("reorder"):
            self._held.append(parcel)
            if not self.faults.reorder:
                held, self._held = self._held[::-1], []
                for late in held:
                    await self._first(late)
            return Outcome(taken=True)
        outcome = await self._first(parcel)
        if self.faults.take("duplicate"):
            await self._first(parcel)
        return outcome

    async def _first(self, parcel: Parcel) -> Outcome:
        if self.faults.silent:
            self.start(self._when_speaking(parcel))
            return Outcome(taken=True)
        outcome = await self.bring(parcel, 0, "")
        if not outcome.taken:
            self.start(self._again(parcel, outcome.reason))
        return outcome

    async def _when_speaking(self, parcel: Parcel) -> None:
        await self.faults.speaking()
        await self._first(parcel)

    async def _again(self, parcel: Parcel, reason: str) -> None:
        for attempt in range(1, parcel.attempts):
            await asyncio.sleep(self.retry_after[attempt - 1])
            outcome = await self.bring(parcel, attempt, reason)
            if outcome.taken:
                return
            reason = outcome.reason
        self.lost.append(parcel)

    def start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
