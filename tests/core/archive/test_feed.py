"""Turns on their way from the store to the archive."""

import asyncio
import contextlib
import time
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from core.archive.archive import Archive, opened
from core.archive.erased import Erased
from core.archive.errors import ArchiveAway
from core.archive.feed import Feed
from core.archive.opening import open_archive
from core.archive.record import Entry, TakenBack
from core.archive.source import Source
from core.engine.engine import Engine
from tests.core.archive.turns import encoded, texts, turn


class Door:
    """The way to an archive, which can be shut."""

    def __init__(self, archive):
        self.archive = archive
        self.is_shut = False
        self.tries = 0

    @contextlib.asynccontextmanager
    async def __call__(self):
        self.tries += 1
        if self.is_shut:
            raise ArchiveAway("the archive did not answer")
        yield self

    async def add(self, batch):
        self.tries += 1
        if self.is_shut:
            raise ArchiveAway("the archive did not answer")
        return await self.archive.add(batch)

    async def take_back(self, messages):
        self.tries += 1
        if self.is_shut:
            raise ArchiveAway("the archive did not answer")
        return await self.archive.take_back(messages)

    async def expire(self, kept_for, now):
        return await self.archive.expire(kept_for, now)


@pytest.fixture
def door(archive):
    return Door(archive)


@pytest.fixture
def feed(engine, door):
    """Makes feeds that run until the test ends."""
    return lambda name="w1", door=door, **more: Feed(
        engine, door, name=name, **{"gather": 0, "poll": 0.05, "pauses": (0.01, 0.02), **more}
    )


@contextlib.asynccontextmanager
async def running(feed):
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def put(engine, *turns):
    for each in turns:
        await engine.command("XADD", engine.shards[0].arc, "*", "e", each if isinstance(each, bytes) else encoded(each))


async def until(condition, limit=10.0):
    async with asyncio.timeout(limit):
        while not (done := condition()) or (asyncio.iscoroutine(done) and not await done):
            await asyncio.sleep(0.01)


async def is_empty(engine):
    return not await engine.command("XLEN", engine.shards[0].arc)


async def test_turns_are_archived_and_leave_the_store(engine, feed, archive):
    await put(engine, turn("1"), turn("2"))
    async with running(feed()) as fed:
        await put(engine, turn("3"))
        await until(lambda: fed.counts["kept"] == 3)
        await until(lambda: is_empty(engine))
    assert texts(await archive.history("desk/room")) == ["1", "2", "3"]
    assert (await engine.command("XPENDING", engine.shards[0].arc, "archive"))[0] == 0


async def test_turns_of_a_busy_hub_share_a_transaction(engine, feed, archive, door):
    async with running(feed(gather=0.05)) as fed:
        await until(lambda: door.tries)
        await put(engine, *[turn(str(n)) for n in range(200)])
        await until(lambda: fed.counts["kept"] == 200)
    assert door.tries < 100


async def test_nothing_is_lost_while_the_archive_is_away(engine, feed, archive, door):
    async with running(feed()) as fed:
        await put(engine, turn("1"))
        await until(lambda: fed.counts["kept"] == 1)
        door.is_shut = True
        await put(engine, turn("2"), turn("3"))
        before = door.tries
        await until(lambda: door.tries > before + 3)
        assert fed.trouble
        door.is_shut = False
        await until(lambda: fed.counts["kept"] == 3)
        await until(lambda: not fed.trouble)
    assert texts(await archive.history("desk/room")) == ["1", "2", "3"]


async def test_what_a_process_that_died_had_taken_is_archived_by_its_successor_at_once(engine, feed, archive):
    await put(engine, turn("1"))
    await Source(engine, "w1").new(10, 0.1)
    async with running(feed("w1")) as fed:
        await until(lambda: fed.counts["kept"] == 1)


async def test_what_another_process_does_not_let_go_is_taken_from_it(engine, feed, archive):
    await put(engine, turn("1"))
    dead = Source(engine, "w2")
    await dead.new(10, 0.1)
    async with running(feed("w1", take_over=0.05)) as fed:
        await until(lambda: fed.counts["kept"] == 1)
        await until(lambda: is_empty(engine))
    await dead.close()
    assert texts(await archive.history("desk/room")) == ["1"]


async def test_a_crash_between_the_archive_and_the_store_keeps_nothing_twice(engine, feed, archive):
    await put(engine, turn("1"))
    source = Source(engine, "w1")
    (taken,) = await source.new(10, 0.1)
    await archive.add([Entry(taken.name, taken.time, turn("1"))])
    await source.close()
    async with running(feed()):
        await until(lambda: is_empty(engine))
    assert texts(await archive.history("desk/room")) == ["1"]


async def test_an_entry_that_can_never_be_kept_holds_nobody_up(engine, feed, archive):
    bad = turn("bad", prompt_tokens=2**62 * 4 - 1)
    await put(engine, turn("1"), b"no json", turn("2"), bad, turn("3"), b'{"conversation": 1}')
    async with running(feed()) as fed:
        await until(lambda: fed.counts["kept"] == 3)
        await until(lambda: is_empty(engine))
        assert fed.counts["aside"] == 3
    assert texts(await archive.history("desk/room")) == ["1", "2", "3"]
    aside = await engine.command("XRANGE", f"{engine.prefix}:arx", "-", "+")
    assert b"no json" in [fields[1] for _, fields in aside]


@pytest.mark.parametrize("is_late", [False, True])
async def test_a_deletion_reaches_the_archive_in_whatever_order_it_comes(engine, feed, archive, is_late):
    records = [turn("canary"), TakenBack("desk", "room", "q-canary", time.time())]
    await put(engine, *(records if is_late else records[::-1]), turn("2"))
    async with running(feed()) as fed:
        await until(lambda: fed.counts["kept"] == 2)
        await until(lambda: is_empty(engine))
    assert texts(await archive.history("desk/room")) == ["", "2"]


async def test_a_deletion_waits_in_the_store_while_the_archive_is_away(engine, feed, archive, door):
    async with running(feed()) as fed:
        await put(engine, turn("canary"))
        await until(lambda: fed.counts["kept"] == 1)
        door.is_shut = True
        await put(engine, TakenBack("desk", "room", "q-canary", time.time()))
        before = door.tries
        await until(lambda: door.tries > before + 3)
        door.is_shut = False
        await until(lambda: fed.counts["deleted"] == 1)
        await until(lambda: is_empty(engine))
    assert texts(await archive.history("desk/room")) == [""]


async def test_a_store_that_was_emptied_is_read_again(engine, feed, archive):
    async with running(feed()) as fed:
        await put(engine, turn("1"))
        await until(lambda: fed.counts["kept"] == 1)
        await engine.forget_all()
        await put(engine, turn("2"))
        await until(lambda: fed.counts["kept"] == 2)


async def test_a_store_that_goes_away_is_waited_for(tmp_path, archive, door):
    from core.engine.server import Server
    from core.engine.store import connect

    server = Server(tmp_path / "s")
    await asyncio.to_thread(server.start)
    async with connect(f"unix://{server.socket}") as client:
        engine = Engine(client, limit=0.3)
        await put(engine, turn("1"))
        async with running(Feed(engine, door, name="w", gather=0, poll=0.05, pauses=(0.01, 0.02))) as fed:
            await until(lambda: fed.counts["kept"] == 1)
            await asyncio.to_thread(server.stop)
            await until(lambda: bool(fed.trouble))
            await asyncio.to_thread(server.start)
            await put(engine, turn("2"))
            await until(lambda: fed.counts["kept"] == 2)
        await engine.close()
    await asyncio.to_thread(server.stop)


async def test_two_hubs_share_the_work(redis: Redis, prefix, feed, archive, door):
    engine = Engine(redis, prefix=prefix, shards=3)
    feeds = [Feed(engine, door, name=name, gather=0, poll=0.05) for name in ("w1", "w2")]
    async with running(feeds[0]), running(feeds[1]):
        for n in range(30):
            await engine.command("XADD", engine.shards[n % 3].arc, "*", "e", encoded(turn(str(n))))
        await until(lambda: sum(fed.counts["kept"] for fed in feeds) == 30)
    assert sorted(map(int, texts(await archive.history("desk/room")))) == list(range(30))
    await engine.close()


async def test_what_comes_late_of_an_erased_person_is_dropped_and_the_hub_knows_of_them(
    engine, feed, archive, pseudonyms
):
    erased = Erased(engine, pseudonyms.of)
    when = await Erased(engine, pseudonyms.of).add({"p:ann"})
    await archive.erase({"p:ann"}, when)
    await put(engine, turn("late"), turn("theirs", "p:ben"))
    async with running(feed(erased=erased)) as fed:
        await until(lambda: fed.counts["kept"] == 1)
    assert fed.counts["erased"] == 1
    assert erased.covers("p:ann", when - 1)
    assert not erased.covers("p:ann", when + 1)
    assert not erased.covers("p:ben", when - 1)
    assert texts(await archive.history("desk/room")) == ["theirs"]


async def test_turns_that_are_older_than_their_channel_keeps_them_go(engine, feed, archive):
    old = turn("old", time=time.time() - 8 * 86400)
    await put(engine, old)
    async with running(feed()) as fed:
        await until(lambda: fed.counts["kept"] == 1)
    async with running(feed(retention=lambda: {"desk": timedelta(days=7)})) as fed:
        await until(lambda: fed.counts["expired"] == 1)


async def test_it_ends_when_it_is_told_to_in_the_middle_of_anything(engine, url, tmp_path, pseudonyms):
    for pause in (0, 0.001, 0.003, 0.01, 0.02, 0.03, 0.05):
        fed = Feed(engine, lambda: open_archive(url, tmp_path, pseudonyms.of), name="w1")
        task = asyncio.create_task(fed.run())
        await asyncio.sleep(pause)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(5):
                await task


async def test_an_archive_that_cannot_be_reached_is_waited_for(engine, tmp_path, pseudonyms):
    url = f"postgresql://nobody@/none?host={tmp_path}"
    fed = Feed(engine, lambda: open_archive(url, tmp_path, pseudonyms.of), name="w1", pauses=(0.01, 0.02))
    async with running(fed):
        await until(lambda: fed.trouble)
    async with opened(Archive("", tmp_path, pseudonyms.of)) as archive:
        assert await archive.history("desk/room") == []
