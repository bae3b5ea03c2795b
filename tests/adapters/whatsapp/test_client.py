"""Failures of Twilio's API, in our words."""

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from hypothesis import given
from hypothesis import strategies as st

from adapters.whatsapp.client import KeysRefused, TwilioApi, refusal
from adapters.whatsapp.settings import WhatsAppSettings
from core.errors import SendError, Throttled, Unavailable, Unconfirmed, Undeliverable

TO = {"To": "whatsapp:+15551230001", "Body": "hi"}


def api(http: aiohttp.ClientSession, port: int, **limits: float) -> TwilioApi:
    settings = WhatsAppSettings(
        platform="whatsapp",
        account_sid="AC00000000000000000000000000000001",
        auth_token="fake-token",
        number="+14155550100",
        api_url=f"http://127.0.0.1:{port}",
    )
    return TwilioApi(settings, http, aiohttp.ClientTimeout(**{"total": 5} | limits))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, 20429, Throttled),
        (400, 63018, Throttled),
        (429, 63038, Undeliverable),
        (400, 63016, Undeliverable),
        (400, 21211, Undeliverable),
        (400, 21614, Undeliverable),
        (400, 21610, Undeliverable),
        (400, 63024, Undeliverable),
        (400, 63003, Undeliverable),
        (400, 12345, Undeliverable),
        (401, 20003, KeysRefused),
        (403, 20003, KeysRefused),
        (500, 20500, Unconfirmed),
        (503, 20503, Unconfirmed),
        (302, 0, Unconfirmed),
    ],
)
def test_each_error_says_what_to_do_next(status, code, kind):
    error = refusal(status, f'{{"code": {code}, "message": "said so", "status": {status}}}')
    assert type(error) is kind


def test_the_window_is_explained():
    assert "24 hours old: only an approved template" in str(refusal(400, '{"code": 63016}'))


def test_the_newer_form_of_an_error_is_read_too():
    body = '{"type": "https://x", "title": "Bad", "detail": "no such thing", "status": 400, "code": 12345}'
    assert str(refusal(400, body)) == "no such thing (12345)"


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("", 1.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0)])
def test_it_waits_as_long_as_it_is_told(header, seconds):
    error = refusal(429, '{"code": 20429}', header)
    assert isinstance(error, Throttled)
    assert (error.retry_after, error.scope) == (seconds, "bot")


@given(st.integers(300, 599), st.text(max_size=50) | st.just('{"code": null, "message": 5}'), st.text(max_size=5))
def test_no_answer_is_too_odd(status, body, retry_after):
    assert isinstance(refusal(status, body, retry_after), SendError)


async def test_a_connection_that_is_refused_took_nothing():
    async with aiohttp.ClientSession() as http:
        with pytest.raises(Unavailable):
            await api(http, unused_port()).create_message(TO)


@pytest.fixture
async def listen():
    servers = []

    async def listen(handler) -> int:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        servers.append(TestServer(app))
        await servers[-1].start_server(shutdown_timeout=0.1)
        return servers[-1].port

    yield listen
    for server in servers:
        await server.close()


async def test_an_answer_that_does_not_come_in_time_leaves_it_open(listen):
    async def silent(request: web.Request) -> web.Response:
        await request.read()
        await request.transport._loop.create_future()

    async with aiohttp.ClientSession() as http:
        with pytest.raises(Unconfirmed):
            await api(http, await listen(silent), total=0.1).create_message(TO)


async def test_a_connection_that_breaks_leaves_it_open(listen):
    async def cut(request: web.Request) -> web.Response:
        request.transport.abort()
        return web.Response()

    async with aiohttp.ClientSession() as http:
        with pytest.raises(Unconfirmed):
            await api(http, await listen(cut)).create_message(TO)


@pytest.mark.parametrize("answer", ["<html>", "[]", '{"status": "queued"}', "\udcff"])
async def test_an_answer_of_another_kind_leaves_it_open(listen, answer):
    async def odd(request: web.Request) -> web.Response:
        return web.Response(body=answer.encode(errors="surrogateescape"), status=201)

    async with aiohttp.ClientSession() as http:
        with pytest.raises(Unconfirmed):
            await api(http, await listen(odd)).create_message(TO)


async def test_edge_and_region_of_the_environment_leave_a_private_address_alone(listen, monkeypatch):
    monkeypatch.setenv("TWILIO_EDGE", "dublin")
    monkeypatch.setenv("TWILIO_REGION", "ie1")

    async def account(request: web.Request) -> web.Response:
        return web.json_response({"friendly_name": "Acme", "status": "active"})

    async with aiohttp.ClientSession() as http:
        assert (await api(http, await listen(account)).account()).friendly_name == "Acme"
