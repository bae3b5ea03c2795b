"""How Twilio calls the hub: signing, retries, receipts."""

import asyncio
import hashlib
import hmac
import html
import re
import time
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

import aiohttp
from yarl import URL

from simulators.stage import Wire

if TYPE_CHECKING:
    from simulators.twilio.messages import Resource
    from simulators.twilio.simulator import TwilioSimulator


def sign(url: str, fields: Iterable[tuple[str, str]], token: str) -> str:
    """usage/webhooks/webhooks-security: the address and then each field's name and value in the order of the names,
    through HMAC-SHA1 with the auth token, in base64."""
    message = url
    for name, value in sorted(set(fields)):
        message += name + value
    return b64encode(hmac.new(token.encode(), message.encode(), hashlib.sha1).digest()).decode()


def spoken(twiml: str) -> list[str]:
    """The messages in a TwiML answer: messaging/twiml/message."""
    bodies = re.findall(r"<Message\b[^>]*>(.*?)</Message>", twiml, re.DOTALL)
    return [html.unescape(re.sub(r"</?Body>", "", body)).strip() for body in bodies]


class Deliveries:
    """usage/webhooks/webhooks-connection-overrides: one retry of a failed connection unless the address's fragment says
    otherwise (`#rc=5&rp=all`), all tries within 15 s; then the message is not delivered again."""

    def __init__(self, simulator: "TwilioSimulator") -> None:
        self._simulator = simulator
        self.failed: list[str] = []
        """Why webhooks failed, as Twilio's error log has it: api/errors/11200."""
        self._held: list[dict[str, str]] = []
        self._reports: set[asyncio.Task[None]] = set()
        self._lanes = asyncio.Semaphore(20)
        """Receipts under way at once, so that none spends its 15 s waiting for a connection of ours."""

    async def stop(self) -> None:
        for report in self._reports:
            report.cancel()
        await asyncio.gather(*self._reports, return_exceptions=True)

    async def deliver(self, fields: dict[str, str]) -> None:
        """Hand a message of a user's to the hub, with whatever goes wrong on demand."""
        faults = self._simulator.faults
        if faults.silent:
            return  # …/webhooks-connection-overrides: a message that could not be handed over is not brought again
        if faults.take("reorder"):
            self._held.append(fields)
            if faults.reorder:
                return
            held, self._held = self._held[::-1], []
        else:
            held = [fields]
        for each in held:
            await self._message(each)
            if faults.take("duplicate"):
                await self._message(each)

    async def _message(self, fields: dict[str, str]) -> None:
        simulator = self._simulator
        if simulator.webhook_url is None:
            raise RuntimeError("webhook_url is not set")
        answer = await self.post(simulator.webhook_url, fields)
        for body in spoken(answer):
            simulator.take(fields["From"], body)

    async def reported(self) -> None:
        """Wait until all receipts that are due have been sent."""
        while self._reports:
            await asyncio.wait(self._reports)

    def report(self, resource: "Resource", callback: str) -> None:
        """messaging/guides/track-outbound-message-status: tell the sender what becomes of a message."""
        task = asyncio.create_task(self._report(resource, callback))
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)

    async def _report(self, resource: "Resource", callback: str) -> None:
        simulator = self._simulator
        for status in ("undelivered",) if resource.error else simulator.receipts:
            fields = {
                "ChannelToAddress": resource.to,
                "MessageSid": resource.sid,
                "SmsSid": resource.sid,
                "MessageStatus": status,
                "SmsStatus": status,
                "To": resource.to,
                "From": resource.from_,
                "AccountSid": simulator.account_sid,
                "ApiVersion": "2010-04-01",
                "ChannelPrefix": "whatsapp",
            }
            if resource.error:
                fields["ErrorCode"] = str(resource.error)
            if status == "read":
                fields["EventType"] = "READ"
            await simulator.faults.speaking()
            async with self._lanes:
                await self.post(callback, fields)

    async def post(self, target: str, fields: Mapping[str, str]) -> str:
        """Call the hub; gives the answer's body, "" where there was none."""
        simulator = self._simulator
        url, _, fragment = target.partition("#")
        rules = dict(parse_qsl(fragment))
        retries, policy = int(rules.get("rc", 1)), rules.get("rp", "ct")
        headers = {
            "X-Twilio-Signature": sign(url, fields.items(), simulator.auth_token),
            "I-Twilio-Idempotency-Token": str(uuid4()),
            "User-Agent": "TwilioProxy/1.1",
        }
        end = time.monotonic() + int(rules.get("tt", 15000)) / 1000
        for _ in range(retries + 1):
            status, body = await self._try(url, fields, headers, end - time.monotonic())
            simulator.wire.append(Wire("POST", urlsplit(url).path, urlencode(fields), status, inbound=False))
            if 200 <= status < 300:
                return body
            kind = {0: "ct", 4: "4xx", 5: "5xx"}.get(status // 100, "")
            self.failed.append(f"11200: HTTP retrieval failure ({status or 'no connection'})")
            if time.monotonic() >= end or (kind not in policy.split(",") and policy != "all"):
                break
        return ""

    async def _try(
        self, url: str, fields: Mapping[str, str], headers: Mapping[str, str], limit: float
    ) -> tuple[int, str]:
        """Status and body; 0 where the hub could not be reached or did not answer in time."""
        try:
            async with self._simulator.http.post(
                URL(url, encoded=True),
                data=dict(fields),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=max(0.1, limit), connect=5),
            ) as response:
                return response.status, await response.text()
        except (aiohttp.ClientError, TimeoutError):
            return 0, ""
