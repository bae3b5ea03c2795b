"""The store: found or started, one server at a time, back after it was killed, refusing when it is full."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from core.engine.engine import Engine
from core.engine.server import Server
from core.engine.store import connect, open_store
from core.errors import IntakeError, StoreError
from core.events import Accepted
from tests.core.engine.test_worker import Answers, working


@pytest.fixture
def server(tmp_path: Path):
    server = Server(tmp_path / "store")
    server.start()
    yield server
    server.start()
    server.stop()


async def test_a_url_is_used_when_given(store, tmp_path):
    async with open_store(f"unix://{store.socket}", tmp_path) as client:
        assert await client.ping()
    assert list(tmp_path.iterdir()) == []


async def test_a_store_that_cannot_be_reached_is_named(tmp_path):
    with pytest.raises(StoreError):
        async with open_store("redis://127.0.0.1:1", tmp_path):
            pass


async def test_what_was_accepted_is_there_after_a_restart(tmp_path):
    for expected in (Accepted.NEW, Accepted.DUPLICATE):
        async with open_store(None, tmp_path) as client:
            engine = Engine(client)
            assert await engine.accept("a", b"1", ["1"]) is expected
            await engine.close()


async def test_a_killed_store_is_started_again_and_nothing_is_lost(tmp_path):
    async with open_store(None, tmp_path) as client:
        engine = Engine(client)
        answers = Answers(engine)
        pid = (await client.info("server"))["process_id"]
        await engine.accept("a", b"0", ["0"])
        os.kill(pid, signal.SIGKILL)
        async with working(engine, answers):
            for number in range(1, 5):
                await engine.accept("a", b"%d" % number, [str(number)])
            assert await answers.until(5) == [b"0", b"1", b"2", b"3", b"4"]
        assert (await client.info("server"))["process_id"] != pid
        await engine.close()


async def test_turns_under_way_survive_an_outage(tmp_path):
    async with open_store(None, tmp_path) as client:
        engine = Engine(client, limit=0.1)
        answers = Answers(engine)
        pid = (await client.info("server"))["process_id"]

        begun = []

        async def turn(claim):
            begun.append(claim.tries)
            if len(begun) == 1:
                os.kill(pid, signal.SIGSTOP)
                try:
                    await engine.stage(claim, b"", limit=0)
                finally:
                    os.kill(pid, signal.SIGCONT)
            await answers(claim)

        async with working(engine, turn):
            await engine.accept("a", b"1", ["1"])
            assert await answers.until(1) == [b"1"]
        assert begun == [1, 1]
        await engine.close()


async def test_a_turn_that_ends_while_the_store_is_away_is_not_begun_again(tmp_path):
    async with open_store(None, tmp_path) as client:
        engine = Engine(client, limit=0.1)
        pid = (await client.info("server"))["process_id"]
        begun, ended = [], asyncio.Event()

        async def turn(claim):
            begun.append(claim.tries)
            os.kill(pid, signal.SIGSTOP)
            asyncio.get_running_loop().call_later(0.5, os.kill, pid, signal.SIGCONT)
            await engine.commit(claim, outcome="answered")
            ended.set()

        async with working(engine, turn):
            await engine.accept("a", b"1", ["1"])
            async with asyncio.timeout(10):
                await ended.wait()
        assert begun == [1]
        assert (await engine.stats()).answered == 1
        await engine.close()


@pytest.mark.parametrize("alone", [True, False])
async def test_an_outage_longer_than_the_lease_takes_no_live_turn_from_its_worker(tmp_path, alone):
    async with open_store(None, tmp_path) as client:
        ours, theirs = (Engine(client, limit=0.1, lease=0.3) for _ in range(2))
        pid = (await client.info("server"))["process_id"]
        begun, go = [], asyncio.Event()

        async def turn(claim):
            begun.append(claim.token)
            await go.wait()
            await ours.commit(claim, outcome="answered")

        async with working(ours, turn), contextlib.AsyncExitStack() as others:
            for number in range(8):
                await ours.accept(f"c{number}", b"", [str(number)])
            async with asyncio.timeout(10):
                while len(begun) < 8:
                    await asyncio.sleep(0.005)
            if not alone:
                await others.enter_async_context(working(theirs, turn, name="another"))
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(0.6)
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(0.6)
            go.set()
        assert len(begun) == 8
        await asyncio.gather(ours.close(), theirs.close())


async def test_a_silent_store_refuses_events_within_the_limit(server):
    async with connect(f"unix://{server.socket}") as client:
        engine = Engine(client, limit=0.2)
        await engine.accept("a", b"1", ["1"])
        pid = server.pid()
        os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        try:
            results = await asyncio.gather(
                *(engine.accept("a", b"2", [str(number)]) for number in range(5)), return_exceptions=True
            )
        finally:
            os.kill(pid, signal.SIGCONT)
        assert {type(result) for result in results} == {IntakeError}
        assert time.monotonic() - begun < 2
        await engine.close()


async def test_a_full_store_refuses_events_and_still_ends_turns(server):
    async with connect(f"unix://{server.socket}") as client:
        engine = Engine(client)
        await engine.accept("a", b"1", ["1"])
        await engine.accept("a", b"2", ["2"])
        await client.config_set("maxmemory", 1)
        with pytest.raises(IntakeError, match="full"):
            await engine.accept("a", b"3", ["3"])
        answers = Answers(engine)
        async with working(engine, answers):
            assert await answers.until(2) == [b"1", b"2"]
        await client.config_set("maxmemory", 0)
        assert await engine.accept("a", b"3", ["3"]) is Accepted.NEW
        await engine.close()


def test_a_second_hub_uses_the_same_server_and_the_last_one_stops_it(tmp_path):
    first, second = Server(tmp_path / "store"), Server(tmp_path / "store")
    first.start()
    second.start()
    pid = first.pid()
    assert second.pid() == pid
    first.stop()
    assert second.pid() == pid
    second.stop()
    assert second.pid() is None
    first.stop()


def test_a_server_left_by_a_killed_hub_is_found_again(tmp_path):
    program = f"""
        import os, signal
        from pathlib import Path
        from core.engine.server import Server
        Server(Path({str(tmp_path / "store")!r})).start()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    hub = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert hub.returncode == -signal.SIGKILL
    server = Server(tmp_path / "store")
    orphan = server.pid()
    assert orphan is not None
    server.start()
    assert server.pid() == orphan
    server.stop()
    assert server.pid() is None


def test_two_hubs_that_start_at_once_start_one_server(tmp_path):
    program = f"""
        from pathlib import Path
        from core.engine.server import Server
        server = Server(Path({str(tmp_path / "store")!r}))
        server.start()
        print(server.pid(), flush=True)
        input()
        server.stop()
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    hubs = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert len({hub.stdout.readline() for hub in hubs}) == 1
    for hub in hubs:
        hub.communicate("\n")
        assert hub.returncode == 0
    assert Server(tmp_path / "store").pid() is None


def test_a_long_path_gets_a_short_socket_that_is_ours_alone(tmp_path):
    server = Server(tmp_path / ("long" * 30))
    assert len(os.fsencode(server.socket)) < 100
    assert server.socket.parent.stat().st_mode & 0o777 == 0o700
    server.start()
    assert server.pid()
    server.stop()
    server.socket.parent.rmdir()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux")
def test_the_server_listens_on_no_port(server):
    process = Path(f"/proc/{server.pid()}")
    rows = [line.split() for line in (process / "net/tcp").read_text().splitlines()[1:]]
    listening = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A"}
    assert not listening & {str(link.readlink()) for link in (process / "fd").iterdir()}


def test_a_server_that_cannot_start_says_where_to_look(tmp_path):
    server = Server(tmp_path / "store", options=("--no-such-option", "1"))
    with pytest.raises(StoreError, match=r"server\.log"):
        server.start(limit=0.3)
    server.stop()
