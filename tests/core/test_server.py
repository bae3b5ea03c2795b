import asyncio
import gzip
import io

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from core.adapter import Route, Settings
from core.errors import IntakeError
from core.server import BODY_LIMIT, application
from core.supervisor import Channel, State
from tests.fakes import FakeBot


class Running:
    """An adapter with one webhook that says what it got."""

    error = None

    def routes(self):
        return [Route(self.take, "/in")]

    async def take(self, request):
        if self.error:
            raise self.error
        return web.Response(body=await request.read())


@pytest.fixture
async def client():
    channels = {
        name: Channel(name, Settings(platform="fake"), FakeBot(), lambda: None, state=state)
        for name, state in (("on", State.RUNNING), ("off", State.OFF), ("away", State.NOT_READY))
    }
    channels["on"].adapter = Running()
    facts = {"ready": True}

    async def report():
        return facts["ready"], facts

    async with TestClient(TestServer(application(channels, report))) as client:
        client.facts = facts
        client.adapter = channels["on"].adapter
        yield client


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/webhooks/on/in", 200),
        ("/webhooks/on/other", 404),
        ("/webhooks/none/in", 404),
        ("/webhooks/off/in", 404),
        ("/webhooks/away/in", 503),
        ("/webhooks/%2e%2e/in", 404),
        ("/webhooks", 404),
    ],
)
async def test_webhooks_reach_the_channels_that_run(client, path, status):
    assert (await client.post(path, data=b"hi")).status == status


async def test_the_body_reaches_the_channel_as_it_came(client):
    assert await (await client.post("/webhooks/on/in", data=b"\xff\x00raw")).read() == b"\xff\x00raw"


async def test_only_the_methods_of_a_route_are_taken(client):
    assert (await client.get("/webhooks/on/in")).status == 404


async def test_too_large_and_compressed_bodies_are_refused(client):
    assert (await client.post("/webhooks/on/in", data=io.BytesIO(b"x" * (BODY_LIMIT + 1)))).status == 413
    bomb = gzip.compress(b"0" * 10**6)
    assert (await client.post("/webhooks/on/in", data=bomb, headers={"Content-Encoding": "gzip"})).status == 415


async def test_a_body_that_does_not_come_is_given_up(client, monkeypatch):
    monkeypatch.setattr("core.server.READ_LIMIT", 0.05)

    async def slowly():
        yield b"x"
        await asyncio.Event().wait()

    assert (await client.post("/webhooks/on/in", data=slowly())).status == 408


async def test_an_event_that_was_not_made_durable_is_asked_for_again(client):
    client.adapter.error = IntakeError("store is away", retry_after=3)
    answer = await client.post("/webhooks/on/in")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "3")


async def test_being_alive_depends_on_nothing_and_being_ready_on_the_store(client):
    client.facts["ready"] = False
    statuses = [(await client.get(f"/health{path}")).status for path in ("/live", "/ready", "")]
    assert statuses == [200, 503, 503]


async def test_health_shows_the_facts(client):
    assert (await (await client.get("/health")).json()) == {"ready": True}
