"""What was accepted outlives the store's primary, where a replica has to confirm it first."""

import asyncio
import contextlib
import os
import signal
import time
from itertools import count

import pytest

from core.engine.batch import Batch, Replication
from core.engine.engine import Engine
from core.engine.server import Server
from core.engine.store import connect
from core.errors import IntakeError, StoreError
from core.events import Accepted
from tests.system.processes import free_port

LIMIT = 0.1


class Pair:
    """A primary and its replica, both real."""

    def __init__(self, home) -> None:
        self.home = home
        port = str(free_port())
        quick = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
        # A port of its own overrides the embedded server's none: replication needs TCP.
        self.primary = Server(home / "p", appendfsync="no", options=("--bind", "127.0.0.1", "--port", port, *quick))
        self.replica = Server(home / "r", appendfsync="no", options=("--replicaof", f"127.0.0.1 {port}"))

    async def start(self) -> None:
        for server in (self.primary, self.replica):
            await asyncio.to_thread(server.start)
        await self.in_step()

    async def in_step(self) -> None:
        async with connect(f"unix://{self.replica.socket}") as client, asyncio.timeout(20):
            while (await client.info("replication")).get("master_link_status") != "up":
                await asyncio.sleep(0.02)
        async with connect(f"unix://{self.primary.socket}") as client, asyncio.timeout(20):
            while (await client.info("replication")).get("slave0", {}).get("state") != "online":
                await asyncio.sleep(0.02)

    def stop(self) -> None:
        for server in (self.replica, self.primary):
            server.stop()


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """One pair for all tests that leave it whole."""
    pair = Pair(tmp_path_factory.mktemp("lasting"))
    asyncio.run(pair.start())
    yield pair
    pair.stop()


@pytest.fixture
async def pair(lasting):
    yield lasting
    async with connect(f"unix://{lasting.primary.socket}") as client:
        await client.flushall()


@pytest.fixture
async def mortal(tmp_path):
    pair = Pair(tmp_path)
    await pair.start()
    yield pair
    await asyncio.to_thread(pair.stop)


@contextlib.contextmanager
def paused(server: Server):
    pid = server.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.asynccontextmanager
async def opened(server: Server, durability="replica"):
    async with connect(f"unix://{server.socket}") as client:
        engine = Engine(client, durability=durability, mailbox_max=100_000)
        yield engine
        await engine.close()


async def mailbox(engine: Engine, conversation: str = "a") -> list[bytes]:
    return await engine.command("LRANGE", engine.shards[0].mb + conversation, 0, -1)


async def test_an_event_that_a_replica_has_is_taken(pair):
    async with opened(pair.primary) as engine, opened(pair.replica, "local") as copy:
        assert await engine.accept("a", b"1", ["1"]) is Accepted.NEW
        assert await mailbox(copy) == [b"1"]


async def test_while_no_replica_answers_events_are_refused_soon_and_taken_once_when_it_is_back(pair):
    async with opened(pair.primary) as engine:
        await engine.accept("a", b"0", ["0"])
        with paused(pair.replica):
            began = time.monotonic()
            with pytest.raises(IntakeError, match="replica"):
                await engine.accept("a", b"1", ["1"])
            with pytest.raises(IntakeError, match="replica"):
                await engine.accept("a", b"1", ["1"])
            assert time.monotonic() - began < 20 * LIMIT
        assert await engine.accept("a", b"1", ["1"]) is Accepted.DUPLICATE
        assert await mailbox(engine) == [b"0", b"1"]


async def test_a_duplicate_on_a_new_connection_is_refused_too_while_its_first_try_is_on_no_replica(pair):
    async with opened(pair.primary) as first, opened(pair.primary) as second:
        with paused(pair.replica):
            for engine in (first, second):
                with pytest.raises(IntakeError, match="replica"):
                    await engine.accept("a", b"1", ["1"])


async def test_without_a_replica_the_store_alone_is_enough_where_it_is_meant_to_be(pair):
    async with opened(pair.primary, "local") as engine:
        with paused(pair.replica):
            assert await engine.accept("a", b"1", ["1"]) is Accepted.NEW


async def test_turns_go_on_while_no_replica_answers(pair):
    async with opened(pair.primary) as engine:
        await engine.accept("a", b"1", ["1"])
        with paused(pair.replica):
            (claim,) = (await engine.claim("w", 1)).claims
            await engine.commit(claim, outcome="answered")
        assert (await engine.stats()).answered == 1


async def test_one_wait_covers_all_that_came_together(pair):
    async with opened(pair.primary) as engine, connect(f"unix://{pair.primary.socket}") as client:
        await engine.accept("a", b"", ["0"])
        await client.config_resetstat()
        await asyncio.gather(*(engine.accept(f"c{number}", b"", [f"c{number}"]) for number in range(200)))
        calls = await client.info("commandstats")
        assert calls["cmdstat_wait"]["calls"] <= 3
        assert calls["cmdstat_evalsha"]["calls"] == 200


async def test_scripts_that_were_flushed_are_loaded_again_and_the_replica_is_waited_for_then(pair):
    async with opened(pair.primary) as engine, connect(f"unix://{pair.primary.socket}") as client:
        await engine.accept("a", b"0", ["0"])
        await engine.command("SCRIPT", "FLUSH")
        await client.config_resetstat()
        assert await engine.accept("a", b"1", ["1"]) is Accepted.NEW
        assert (await client.info("commandstats"))["cmdstat_wait"]["calls"] == 2


async def offered(engine: Engine, numbers, taken: list[int], until: asyncio.Event) -> int:
    """Offer events until told otherwise; how many were refused."""
    refused = 0
    while not until.is_set():
        number = next(numbers)
        try:
            assert await engine.accept(f"c{number % 50}", b"%d" % number, [str(number)]) is Accepted.NEW
            taken.append(number)
        except IntakeError:
            refused += 1
    return refused


async def failover(pair: Pair, durability: str, split: float) -> tuple[int, int, int]:
    """The replica becomes the primary while the old one still answers, and then that dies: accepted, lost, refused."""
    taken: list[int] = []
    until, numbers = asyncio.Event(), count()
    async with opened(pair.primary, durability) as engine, opened(pair.replica, "local") as heir:
        offering = [asyncio.create_task(offered(engine, numbers, taken, until)) for _ in range(8)]
        await asyncio.sleep(0.3)
        await heir.command("REPLICAOF", "NO", "ONE")
        await asyncio.sleep(split)
        os.kill(pair.primary.pid(), signal.SIGKILL)
        until.set()
        refused = sum(await asyncio.gather(*offering))
        there = {int(text) for number in range(50) for text in await mailbox(heir, f"c{number}")}
        return len(taken), len(set(taken) - there), refused


async def test_a_failover_with_a_split_loses_nothing_that_a_replica_had_to_confirm(mortal, capsys):
    accepted, lost, refused = await failover(mortal, "replica", 0.3)
    with capsys.disabled():
        print(f"\nfailover, durability replica: {accepted} accepted, {lost} lost, {refused} refused")
    assert lost == 0
    assert accepted > 50
    assert refused > 0


async def test_the_same_failover_loses_events_where_the_primary_alone_decides(mortal, capsys):
    accepted, lost, refused = await failover(mortal, "local", 0.3)
    with capsys.disabled():
        print(f"\nfailover, durability local: {accepted} accepted, {lost} lost, {refused} refused")
    assert lost > 0


async def test_a_full_store_says_so_and_not_that_a_replica_is_missing(pair):
    async with opened(pair.primary) as engine, connect(f"unix://{pair.primary.socket}") as client:
        await engine.accept("a", b"1", ["1"])
        await client.config_set("maxmemory", 1)
        with pytest.raises(IntakeError, match="full"):
            await engine.accept("a", b"2", ["2"])
        await client.config_set("maxmemory", 0)


async def test_other_scripts_are_refused_only_for_their_own_reasons(pair):
    async with connect(f"unix://{pair.primary.socket}") as client:
        batch = Batch(client.connection_pool, {}, replication=Replication(frozenset(), "mark", limit=LIMIT))
        with paused(pair.replica):
            assert await batch.command("SET", "x", 1) == b"OK"
            with pytest.raises(StoreError, match="not an integer"):
                await batch.command("INCRBY", "x", "y")
        await batch.close()
