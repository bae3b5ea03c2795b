"""Group commit: order, isolation of callers, and quick refusal."""

import asyncio

import pytest

from core.engine.batch import Batch
from core.engine.link import Link, pack
from core.errors import StoreError


@pytest.fixture
async def batch(redis):
    batch = Batch(redis.connection_pool, {}, limit=0.5, waiting_max=200)
    yield batch
    await batch.close()


async def test_calls_are_carried_out_in_the_order_they_were_made(batch, prefix):
    await asyncio.gather(*(batch.command("RPUSH", prefix, number) for number in range(150)))
    assert await batch.command("LRANGE", prefix, 0, -1) == [b"%d" % number for number in range(150)]


async def test_calls_made_together_share_a_round_trip(batch, redis, prefix):
    async def reads() -> int:
        return (await redis.info("stats"))["total_reads_processed"]

    await batch.command("PING")
    before = await reads()
    await asyncio.gather(*(batch.command("INCR", prefix) for _ in range(100)))
    assert await reads() - before <= 4


async def test_one_refused_call_does_not_touch_the_others(batch, prefix):
    calls = (batch.command("SET", prefix, "x"), batch.command("INCR", prefix), batch.command("GET", prefix))
    done, refused, read = await asyncio.gather(*calls, return_exceptions=True)
    assert (done, type(refused), read) == (b"OK", StoreError, b"x")


async def test_more_callers_than_may_wait_are_refused(batch):
    results = await asyncio.gather(*(batch.command("PING") for _ in range(250)), return_exceptions=True)
    assert sum(isinstance(result, StoreError) for result in results) == 50


async def test_a_fault_of_our_own_is_told_to_every_caller(batch, monkeypatch):
    async def ask(commands, limit):
        raise ValueError("a fault")

    await batch.command("PING")
    with monkeypatch.context() as broken:
        broken.setattr(batch._link, "ask", ask)
        async with asyncio.timeout(5):
            results = await asyncio.gather(*(batch.command("PING") for _ in range(3)), return_exceptions=True)
    assert {type(result) for result in results} == {ValueError}
    assert await batch.command("PING") == b"PONG"


async def test_a_link_that_was_cancelled_starts_afresh(redis, prefix):
    link = Link(redis.connection_pool)
    waiting = asyncio.create_task(link.ask([pack("BLPOP", prefix, 5)], 5))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait([waiting])
    await redis.rpush(prefix, "for somebody else")
    assert await link.ask([pack("ECHO", "mine")], 1) == [b"mine"]
    assert await redis.lpop(prefix) == b"for somebody else"
    await link.close()


async def test_a_link_that_ran_out_of_time_starts_afresh(redis, prefix):
    link = Link(redis.connection_pool)
    with pytest.raises(TimeoutError):
        await link.ask([pack("BLPOP", prefix, 5)], 0.01)
    assert await link.ask([pack("ECHO", "mine")], 1) == [b"mine"]
    await link.close()
