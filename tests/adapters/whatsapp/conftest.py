"""A running WhatsApp channel: the adapter behind a real server, an inbox that remembers, a sender that signs."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from adapters.whatsapp.adapter import WhatsAppAdapter
from adapters.whatsapp.settings import WhatsAppSettings
from core.adapter import Route, Wiring
from core.errors import HubError
from core.events import Accepted, AnyEvent
from core.server import application
from core.supervisor import State
from simulators.twilio import TwilioSimulator

SID = "AC00000000000000000000000000000001"
TOKEN = "fake-twilio-auth-token"
FORM = {
    "MessageSid": "SM00000000000000000000000000000001",
    "AccountSid": SID,
    "From": "whatsapp:+15551230001",
    "To": "whatsapp:+14155550100",
    "Body": "hi",
    "ProfileName": "Ann",
    "MessageType": "text",
    "ButtonText": "",
}


def signature(url: str, form: dict[str, str], token: str = TOKEN) -> str:
    """The published algorithm, word for word."""
    text = url
    for name in sorted(form):
        text += name
        text += form[name]
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


class NoCursors:
    async def read(self) -> dict[str, str]:
        return {}


@dataclass
class Hub:
    """What the adapter is plugged into."""

    http: aiohttp.ClientSession
    public_url: str = ""
    events: list[AnyEvent] = field(default_factory=list)
    trouble: HubError | None = None
    adapter: WhatsAppAdapter = None  # type: ignore[assignment]
    server: TestServer = None  # type: ignore[assignment]
    state: State = State.RUNNING

    @property
    def routes(self) -> Iterable[Route]:
        return self.adapter.routes()

    async def inbox(self, event: AnyEvent) -> Accepted:
        if self.trouble:
            raise self.trouble
        self.events.append(event)
        return Accepted.NEW

    def connect(self, **settings: object) -> WhatsAppAdapter:
        """A new adapter in place of the one before."""
        wiring = Wiring("support", self.inbox, self.http, self.public_url, NoCursors())
        known = {"platform": "whatsapp", "account_sid": SID, "auth_token": TOKEN, "number": "+14155550100"}
        self.adapter = WhatsAppAdapter(WhatsAppSettings(**known | {"api_url": "http://127.0.0.1:9"} | settings), wiring)
        return self.adapter

    async def post(
        self, form: dict[str, str], path: str = "/webhooks/support", headers: dict[str, str] | None = None
    ) -> aiohttp.ClientResponse:
        """As Twilio posts; signed for the public address unless `headers` say otherwise."""
        signed = {"X-Twilio-Signature": signature(self.public_url + path, form)}
        return await self.send(path, urlencode(form).encode(), signed | (headers or {}))

    async def send(self, path: str, body: bytes, headers: dict[str, str]) -> aiohttp.ClientResponse:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        url = aiohttp.client.URL(f"http://127.0.0.1:{self.server.port}{path}", encoded=True)
        async with self.http.post(url, data=body, headers=kind | headers) as response:
            await response.read()
            return response


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with aiohttp.ClientSession() as http:
        hub = Hub(http)

        hub.server = TestServer(application({"support": hub}, report=None))
        await hub.server.start_server(auto_decompress=False)
        hub.public_url = f"http://127.0.0.1:{hub.server.port}"
        hub.connect()
        yield hub
        await hub.server.close()


@pytest.fixture
async def twilio(hub: Hub) -> AsyncIterator[TwilioSimulator]:
    """The platform, with the hub's adapter started against it."""
    async with TwilioSimulator() as twilio:
        twilio.webhook_url = f"{hub.public_url}/webhooks/support"
        await hub.connect(**twilio.settings()).start()
        yield twilio
        await hub.adapter.stop()
