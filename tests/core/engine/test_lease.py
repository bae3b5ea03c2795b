"""Leases: one holder at a time, whatever stops, dies, sleeps or goes away."""

import asyncio
import contextlib
import os
import signal
import sys
import textwrap
import time

import pytest

from core.engine.engine import Engine
from core.engine.lease import Lease
from core.engine.server import Server
from core.engine.store import connect
from core.errors import NotReady

CHILD = """
    import asyncio, sys
    from core.engine.engine import Engine
    from core.engine.lease import Lease
    from core.engine.store import connect

    async def main(socket, prefix, length, renew_every):
        async with connect("unix://" + socket) as client:
            engine = Engine(client, prefix=prefix)
            lease = Lease(engine, "bot", "child", length=float(length), renew_every=float(renew_every), spare=0.1)
            async with lease as lost:
                print("held", flush=True)
                await lost.wait()
                print("lost", flush=True)
            await engine.close()

    asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def child(store, prefix):
    """Another process that holds the lease."""
    made = []

    async def start(length, renew_every):
        command = (sys.executable, "-c", textwrap.dedent(CHILD), store.socket, prefix, str(length), str(renew_every))
        made.append(await asyncio.create_subprocess_exec(*map(str, command), stdout=asyncio.subprocess.PIPE))
        assert await made[-1].stdout.readline() == b"held\n"
        return made[-1]

    yield start
    for process in made:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def taken(engine: Engine, holder: str = "us", limit: float = 5.0) -> float:
    """Try until the lease is ours; how long that took."""
    began = time.monotonic()
    async with asyncio.timeout(limit):
        while True:
            with contextlib.suppress(NotReady):
                async with Lease(engine, "bot", holder):
                    return time.monotonic() - began
            await asyncio.sleep(0.01)


async def test_of_two_only_one_has_it_and_the_other_is_told_since_when(engine):
    async with Lease(engine, "bot", "a"):
        with pytest.raises(
            NotReady, match=r"another process has this bot \(since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)"
        ):
            await Lease(engine, "bot", "b").__aenter__()


async def test_two_resources_do_not_touch_each_other(engine):
    async with Lease(engine, "bot", "a"), Lease(engine, "another bot", "b") as lost:
        assert not lost.is_set()


async def test_after_its_holder_stopped_it_is_free_at_once(engine):
    async with Lease(engine, "bot", "a"):
        pass
    async with Lease(engine, "bot", "b") as lost:
        assert not lost.is_set()


async def test_it_is_kept_for_longer_than_its_length(engine):
    async with Lease(engine, "bot", "a", length=0.6, renew_every=0.1, spare=0.1) as lost:
        await asyncio.sleep(0.9)
        with pytest.raises(NotReady):
            await Lease(engine, "bot", "b").__aenter__()
        assert not lost.is_set()


async def test_it_is_free_a_length_after_its_holder_was_killed_and_not_before(engine, child):
    process = await child(length=1.0, renew_every=0.1)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    assert 0.4 < await taken(engine) < 1.5


async def test_a_holder_that_was_killed_has_it_back_at_once(engine, child):
    process = await child(length=60.0, renew_every=0.1)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    async with Lease(engine, "bot", "child") as lost:
        assert not lost.is_set()


async def test_a_predecessor_of_the_same_name_loses_it_and_cannot_give_it_away(engine):
    async with Lease(engine, "bot", "a", renew_every=0.01) as earlier:
        async with Lease(engine, "bot", "a"):
            async with asyncio.timeout(5):
                await earlier.wait()
        async with Lease(engine, "bot", "a"):
            pass
        again = Lease(engine, "bot", "c")
        lost = await again.__aenter__()
    with pytest.raises(NotReady):
        await Lease(engine, "bot", "d").__aenter__()
    assert not lost.is_set()
    await again.__aexit__(None, None, None)


async def test_a_process_that_slept_longer_than_its_lease_notices_when_it_wakes(engine, child):
    process = await child(length=0.5, renew_every=60.0)
    process.send_signal(signal.SIGSTOP)
    assert await taken(engine) < 1.5
    async with Lease(engine, "bot", "us"):
        process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(2):
            while await process.stdout.readline() != b"lost\n":  # its log comes in between
                continue
        await process.wait()
        with pytest.raises(NotReady):
            await Lease(engine, "bot", "another").__aenter__()


@pytest.fixture
def own(tmp_path):
    """A store of its own, to be paused and filled."""
    server = Server(tmp_path / "store")
    server.start()
    yield server
    server.stop()


async def test_while_the_store_is_away_it_is_given_up_before_it_could_run_out(own):
    async with connect(f"unix://{own.socket}") as client:
        engine = Engine(client, limit=0.1)
        lease = Lease(engine, "bot", "a", length=2.0, renew_every=0.1, spare=1.0)
        lost = await lease.__aenter__()
        await asyncio.sleep(0.3)
        left = await client.pttl("sb:lease:bot")
        assert left > 1500
        pid = own.pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            async with asyncio.timeout(5):
                await lost.wait()
            assert time.monotonic() - began < left / 1000
        finally:
            os.kill(pid, signal.SIGCONT)
        await lease.__aexit__(None, None, None)
        await engine.close()


async def test_a_store_that_does_not_answer_gives_no_lease(tmp_path):
    async with connect(f"unix://{tmp_path}/none") as client:
        engine = Engine(client, limit=0.1)
        with pytest.raises(NotReady, match="store"):
            await Lease(engine, "bot", "a").__aenter__()
        await engine.close()


async def test_a_full_store_takes_no_lease_away(own):
    async with connect(f"unix://{own.socket}") as client:
        engine = Engine(client)
        await client.config_set("maxmemory", 1)
        async with Lease(engine, "bot", "a", length=0.5, renew_every=0.05, spare=0.1) as lost:
            await asyncio.sleep(0.7)
            assert not lost.is_set()
        await client.config_set("maxmemory", 0)
        await engine.close()
