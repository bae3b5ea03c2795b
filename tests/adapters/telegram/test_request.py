"""What an answer of the Bot API means for us, whatever stands in it."""

import aiohttp
import pytest
from aiohttp import web

from adapters.telegram.request import AiohttpRequest, OtherPoller, WrongToken
from core.errors import Throttled, Unconfirmed, Undeliverable
from core.site import serving

BODY = '{"ok":false,"description":"Bad Request: chat not found"}'


@pytest.fixture
async def ask():
    """Asks a server that gives this answer."""

    async def ask(status, body):
        async def answer(_):
            return web.Response(status=status, text=body)

        app = web.Application()
        app.router.add_post("/", answer)
        async with serving(app, "127.0.0.1", 0) as url, aiohttp.ClientSession() as http:
            return await AiohttpRequest(http).post(url)

    return ask


@pytest.mark.parametrize("body", [BODY, "", "<html>", '{"ok":false}', '{"description":null}', "[]"])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, Unconfirmed),
        (400, Undeliverable),
        (401, WrongToken),
        (403, Undeliverable),
        (404, WrongToken),
        (409, OtherPoller),
        (413, Unconfirmed),
        (429, Throttled),
        (500, Unconfirmed),
        (502, Unconfirmed),
    ],
)
async def test_each_status_says_what_to_do(ask, status, body, error):
    with pytest.raises(error):
        await ask(status, body)


@pytest.mark.parametrize(
    "body", ["", "<html>", BODY, "[]", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")]
)
async def test_after_an_answer_that_cannot_be_read_nobody_knows(ask, body):
    with pytest.raises(Unconfirmed):
        await ask(200, body)


async def test_a_refusal_is_told_in_telegrams_own_words(ask):
    with pytest.raises(Undeliverable, match=r"^Telegram refuses: Chat not found$"):
        await ask(400, BODY)


async def test_a_session_that_is_closed_leaves_it_in_doubt():
    async with aiohttp.ClientSession() as http:
        request = AiohttpRequest(http)
    with pytest.raises(Unconfirmed):
        await request.post("http://127.0.0.1:1/")
