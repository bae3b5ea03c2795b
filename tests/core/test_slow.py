"""Slow senders: heads that never end are cut, everything else takes its time."""

import asyncio
import contextlib
import time

import aiohttp
import pytest
from aiohttp import web

from core.site import Site
from core.slow import Runner

LIMIT = 0.2
HALF = b"POST /webhooks/x HTTP/1.1\r\nHost: hub\r\nX-Slow: "


async def echo(request):
    return web.Response(body=await request.read())


async def socket(request):
    talking = web.WebSocketResponse()
    await talking.prepare(request)
    async for message in talking:
        await talking.send_str(message.data)
    return talking


async def stream(request):
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(4):
        await asyncio.sleep(LIMIT / 2)
        await response.write(b"%d" % number)
    return response


@pytest.fixture
async def port():
    app = web.Application()
    app.add_routes([web.post("/echo", echo), web.get("/ws", socket), web.get("/stream", stream)])
    runner = Runner(app, head_limit=LIMIT, idle_limit=60, access_log=None)
    await runner.setup()
    await Site(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@contextlib.asynccontextmanager
async def connected(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def cut(port, *pieces, every=0.0):
    """Send these and nothing more; how long until the server hung up."""
    began = time.monotonic()
    async with connected(port) as (reader, writer), asyncio.timeout(10):
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(every)
            assert await reader.read() == b""
    return time.monotonic() - began


async def whole(reader):
    """One response that has a length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head.split()[1], await reader.readexactly(length)


REQUEST = b"POST /echo HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\n\r\nhi"


async def test_two_hundred_half_sent_requests_are_cut_while_others_are_answered(port):
    attack = [asyncio.create_task(cut(port, HALF)) for _ in range(200)]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        for _ in range(50):
            async with http.post("/echo", data=b"healthy") as response:
                assert await response.read() == b"healthy"
    times = await asyncio.gather(*attack)
    assert min(times) >= LIMIT * 0.9
    assert max(times) < LIMIT + 5


async def test_a_head_that_comes_byte_by_byte_is_cut_just_as_soon(port):
    assert await cut(port, *(bytes([byte]) for byte in HALF), every=LIMIT / 10) < LIMIT * 5


async def test_a_connection_on_which_nothing_comes_is_cut(port):
    assert await cut(port) < 5


async def test_a_second_request_that_is_half_sent_is_cut_too(port):
    async with connected(port) as (reader, writer), asyncio.timeout(5):
        writer.write(REQUEST)
        assert await whole(reader) == (b"200", b"hi")
        writer.write(HALF)
        assert await reader.read() == b""


async def test_a_connection_between_two_requests_may_rest_for_longer(port):
    async with connected(port) as (reader, writer), asyncio.timeout(5):
        for _ in range(2):
            writer.write(REQUEST)
            assert await whole(reader) == (b"200", b"hi")
            await asyncio.sleep(LIMIT * 2)


async def test_a_body_that_comes_slowly_is_taken(port):
    async with connected(port) as (reader, writer), asyncio.timeout(5):
        writer.write(b"POST /echo HTTP/1.1\r\nHost: hub\r\nContent-Length: 6\r\n\r\n")
        for byte in b"steady":
            await asyncio.sleep(LIMIT / 2)
            writer.write(bytes([byte]))
        assert await whole(reader) == (b"200", b"steady")


async def test_streams_and_web_sockets_live_on(port):
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http, http.ws_connect("/ws") as talking:
        async with http.get("/stream") as response:
            assert await response.read() == b"0123"
        await talking.send_str("still here")
        assert (await talking.receive(timeout=5)).data == "still here"
