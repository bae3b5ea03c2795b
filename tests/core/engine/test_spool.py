"""The spool: what comes while the store is away is kept in order and handed over."""

import asyncio
import contextlib
import os
import resource
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engine import spool as module
from core.engine.dead import DeadLetters
from core.engine.engine import Engine
from core.engine.server import Server
from core.engine.spool import SpooledInbox, SpoolFile
from core.engine.store import connect
from core.errors import IntakeError, StoreError
from core.events import Accepted


@pytest.fixture
def away(tmp_path):
    """A store that is not there yet."""
    server = Server(tmp_path / "store")
    yield server
    server.stop()


@contextlib.asynccontextmanager
async def spooled(server: Server, path, mailbox_max: int = 100, **options):
    async with connect(f"unix://{server.socket}") as client:
        engine = Engine(client, limit=1.0, mailbox_max=mailbox_max)
        inbox = SpooledInbox(engine, path, pause=0.01, **options)
        handing = asyncio.create_task(inbox.run())
        yield inbox, engine
        handing.cancel()
        await asyncio.wait([handing])
        await inbox.close()
        await engine.close()


async def handed_over(inbox: SpooledInbox) -> None:
    async with asyncio.timeout(10):
        while inbox._filled.is_set():
            await asyncio.sleep(0.005)


async def waiting(engine: Engine, conversation: str) -> list[bytes]:
    return await engine.command("LRANGE", engine.shards[0].mb + conversation, 0, -1)


async def test_events_come_through_an_outage_in_order_and_once(away, tmp_path):
    async with spooled(away, tmp_path / "spool") as (inbox, engine):
        for number in range(5):
            assert await inbox.accept("a", b"%d" % number, [str(number % 4)]) is Accepted.NEW
        await asyncio.to_thread(away.start)
        await handed_over(inbox)
        assert await inbox.accept("a", b"5", ["5"], ("chat", "offset", "5")) is Accepted.NEW
        assert await waiting(engine, "a") == [b"0", b"1", b"2", b"3", b"5"]
    assert (tmp_path / "spool").stat().st_size == 0


async def test_what_was_kept_survives_a_crash(away, tmp_path):
    async with spooled(away, tmp_path / "spool") as (inbox, _):
        await inbox.accept("a", b"1", ["1"], ("chat", "offset", "1"))
    with (tmp_path / "spool").open("ab") as torn:
        torn.write(b"\0\0\0\x09half" + bytes(20))
    await asyncio.to_thread(away.start)
    async with spooled(away, tmp_path / "spool") as (inbox, engine):
        await handed_over(inbox)
        assert await waiting(engine, "a") == [b"1"]
        assert await engine.cursors("chat") == {"offset": "1"}


async def test_many_at_once_are_all_kept_in_order(away, tmp_path):
    async with spooled(away, tmp_path / "spool") as (inbox, engine):
        offers = (inbox.accept("a", b"%d" % number, [str(number)]) for number in range(50))
        assert set(await asyncio.gather(*offers)) == {Accepted.NEW}
        await asyncio.to_thread(away.start)
        await handed_over(inbox)
        assert await waiting(engine, "a") == [b"%d" % number for number in range(50)]


async def test_a_full_mailbox_does_not_hold_up_the_other_conversations(away, tmp_path):
    async with spooled(away, tmp_path / "spool", mailbox_max=1) as (inbox, engine):
        for conversation, text in (("a", b"1"), ("a", b"2"), ("b", b"3")):
            await inbox.accept(conversation, text, [text.decode()])
        await asyncio.to_thread(away.start)
        await handed_over(inbox)
        assert [await waiting(engine, "a"), await waiting(engine, "b")] == [[b"1"], [b"3"]]


async def drained(engine: Engine, inbox: SpooledInbox, conversation: str) -> list[bytes]:
    """Answer all events of a conversation, one at a time, as a worker would; what they were."""
    answered = []
    async with asyncio.timeout(10):
        while conversation in inbox._held or await waiting(engine, conversation):
            for claim in (await engine.claim("w", 10)).claims:
                await engine.commit(claim, outcome="answered")
                answered.append((claim.conversation, claim.envelope))
            await asyncio.sleep(0.002)
    return [text for found, text in answered if found == conversation]


async def test_what_finds_its_mailbox_full_waits_in_order_and_is_answered(away, tmp_path):
    async with spooled(away, tmp_path / "spool", mailbox_max=2) as (inbox, engine):
        for number in range(6):
            await inbox.accept("a", b"%d" % number, [f"a{number}"])
        await asyncio.to_thread(away.start)
        await handed_over(inbox)
        assert await inbox.accept("a", b"6", ["a6"]) is Accepted.NEW
        await handed_over(inbox)
        assert await inbox.accept("b", b"at once", ["b"]) is Accepted.NEW
        assert await waiting(engine, "b") == [b"at once"]
        assert await drained(engine, inbox, "a") == [b"%d" % number for number in range(7)]
        await handed_over(inbox)
        async with asyncio.timeout(5):
            while (tmp_path / "spool").stat().st_size:
                await asyncio.sleep(0.005)
        assert await inbox.accept("a", b"7", ["a7"]) is Accepted.NEW
        assert await waiting(engine, "a") == [b"7"]


async def test_what_waits_for_room_survives_a_crash(away, tmp_path):
    async with spooled(away, tmp_path / "spool", mailbox_max=1) as (inbox, engine):
        for number in range(3):
            await inbox.accept("a", b"%d" % number, [f"a{number}"])
        await asyncio.to_thread(away.start)
        await handed_over(inbox)
    async with spooled(away, tmp_path / "spool", mailbox_max=1) as (inbox, engine):
        await handed_over(inbox)
        assert await drained(engine, inbox, "a") == [b"0", b"1", b"2"]


async def test_what_finds_no_room_for_too_long_is_a_dead_letter_and_counted(away, tmp_path):
    async with spooled(away, tmp_path / "spool", mailbox_max=1, patience=0.05) as (inbox, engine):
        for number in range(3):
            await inbox.accept("a", b"%d" % number, [f"a{number}"])
        await asyncio.to_thread(away.start)
        async with asyncio.timeout(10):
            while (await engine.stats()).dead < 2:
                await asyncio.sleep(0.005)
        letters = await DeadLetters(engine).list()
        assert [letter.envelope for letter in reversed(letters)] == [b"1", b"2"]
        assert "full" in letters[0].reason
        stats = await engine.stats()
        assert stats.accepted == stats.dead + stats.in_flight == 3
        assert await inbox.accept("a", b"2", ["a2"]) is Accepted.DUPLICATE


async def test_a_dead_letter_is_counted_once_when_the_answer_of_the_store_was_lost(away, tmp_path, monkeypatch):
    async with spooled(away, tmp_path / "spool", mailbox_max=1, patience=0.05) as (inbox, engine):
        calls = []

        async def lost_at_first(*call):
            calls.append(await Engine.call(engine, *call))
            if len(calls) == 1:
                raise StoreError("the store did not answer in time")

        monkeypatch.setattr(engine, "call", lost_at_first)
        await inbox.accept("a", b"0", ["a0"])
        await inbox.accept("a", b"1", ["a1", "also a1"])
        await asyncio.to_thread(away.start)
        async with asyncio.timeout(10):
            while len(calls) < 2:
                await asyncio.sleep(0.005)
        stats = await engine.stats()
        assert (calls, stats.accepted, stats.dead) == ([1, 0], 2, 1)
        seen = [engine.shards[0].dd + uid for uid in ("a1", "also a1")]
        assert [await engine.command("PTTL", key) > 0 for key in seen] == [True, True]


async def test_a_user_who_goes_on_while_there_is_no_room_is_asked_to_wait(away, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "HELD_MAX", 2)
    async with spooled(away, tmp_path / "spool", mailbox_max=1) as (inbox, _engine):
        for number in range(3):
            await inbox.accept("a", b"%d" % number, [f"a{number}"])
        await asyncio.to_thread(away.start)
        await handed_over(inbox)
        assert await inbox.accept("a", b"3", ["a3"]) is Accepted.FULL
        assert await inbox.accept("b", b"0", ["b0"]) is Accepted.NEW


async def test_a_full_spool_refuses(away, tmp_path):
    async with spooled(away, tmp_path / "spool", size_max=200) as (inbox, _):
        await inbox.accept("a", b"x" * 100, ["1"])
        with pytest.raises(IntakeError, match="full"):
            await inbox.accept("a", b"x" * 100, ["2"])


async def test_a_disk_that_takes_nothing_refuses_and_keeps_what_it_had(away, tmp_path):
    async with spooled(away, tmp_path / "spool") as (inbox, _):
        await inbox.accept("a", b"1", ["1"])
        size = (tmp_path / "spool").stat().st_size
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, before[1]))
        try:
            with pytest.raises(IntakeError, match="written"):
                await inbox.accept("a", b"2", ["2"])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)
        assert (tmp_path / "spool").stat().st_size == size


@given(records=st.lists(st.binary(min_size=1, max_size=50), max_size=5), cut=st.integers(0, 300))
def test_a_cut_file_holds_the_records_before_the_cut(tmp_path_factory, records, cut):
    path = tmp_path_factory.mktemp("cut") / "spool"
    file = SpoolFile(path)
    ends = []
    for record in records:
        file.append([record])
        ends.append(file.size)
    file.close()
    os.truncate(path, min(cut, file.size))
    file = SpoolFile(path)
    found, at = [], 0
    while (each := file.read(at)) is not None:
        found.append(each[0])
        at = each[1]
    file.close()
    assert found == records[: sum(end <= cut for end in ends)]


def test_two_processes_never_write_one_file(tmp_path):
    one, two = SpoolFile.own(tmp_path / "sb.spool"), SpoolFile.own(tmp_path / "sb.spool")
    one.append([b"a"])
    two.append([b"b"])
    assert (one.read(0)[0], two.read(0)[0]) == (b"a", b"b")
    one.close()
    two.close()


def test_what_a_dead_process_left_in_its_file_is_taken_over(tmp_path):
    one, two = SpoolFile.own(tmp_path / "sb.spool"), SpoolFile.own(tmp_path / "sb.spool")
    two.append([b"left", b"behind"])
    one.close()
    two.close()
    again = SpoolFile.own(tmp_path / "sb.spool")
    first, at = again.read(0)
    assert (first, again.read(at)[0]) == (b"left", b"behind")
    assert [file.name for file in tmp_path.iterdir()] == ["sb.spool"]
    again.close()


async def test_a_damaged_record_does_not_stop_the_loop(engine, tmp_path):
    spool = SpooledInbox(engine, tmp_path / "sb.spool")
    spool._file.append([b"\x93 no offer", b"x"])
    os.pwrite(spool._file._file, b"\xff" * 12, 0)
    spool._filled.set()
    running = asyncio.create_task(spool.run())
    async with asyncio.timeout(5):
        while spool._filled.is_set():
            await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.wait([running])
    await spool.close()
