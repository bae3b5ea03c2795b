import asyncio
import gc
import socket

from aiohttp import web

from core.site import Site


async def test_a_connection_that_is_just_being_taken_is_closed_and_not_lost(monkeypatch):
    lost = []
    monkeypatch.setattr("sys.unraisablehook", lambda fault: lost.append(fault.exc_value))
    for steps in range(5):  # where the connection is on its way when the server stops
        runner = web.AppRunner(web.Application(), shutdown_timeout=0.2)
        await runner.setup()
        await Site(runner, "127.0.0.1", 0).start()
        with socket.socket() as client:
            client.setblocking(False)
            client.connect_ex(runner.addresses[0])
            for _ in range(steps):
                await asyncio.sleep(0)
            await runner.cleanup()
    await asyncio.sleep(0)
    gc.collect()
    assert not lost
