"""The durable inbox as the hub uses it."""

import asyncio
import functools

import pytest
from redis.asyncio import Redis

from core.engine.dead import DeadLetters
from core.engine.engine import Changed, Claim, Engine, Stale, Trace
from core.errors import IntakeError
from core.events import Accepted


async def take(engine: Engine, count: int = 10) -> list[Claim]:
    found = [await engine.claim("w", count, at.number) for at in engine.shards]
    return [claim for each in found for claim in each.claims]


async def test_events_of_a_conversation_come_one_at_a_time_in_order(engine):
    for text in (b"1", b"2"):
        assert await engine.accept("a", text, [text.decode()]) is Accepted.NEW
    (first,) = await take(engine)
    assert first.envelope == b"1"
    assert await take(engine) == []
    await engine.commit(first, outcome="answered")
    assert [claim.envelope for claim in await take(engine)] == [b"2"]


async def test_conversations_do_not_wait_for_each_other(engine):
    for name in ("a", "b", "c"):
        await engine.accept(name, name.encode(), [name])
    assert [claim.conversation for claim in await take(engine)] == ["a", "b", "c"]


async def test_any_id_seen_before_makes_a_duplicate_and_the_others_are_remembered(engine):
    await engine.accept("a", b"1", ["event", "message"])
    assert await engine.accept("a", b"1", ["mention", "message"]) is Accepted.DUPLICATE
    assert await engine.accept("a", b"1", ["mention"]) is Accepted.DUPLICATE
    assert (await engine.stats()).accepted == 1


async def test_a_full_mailbox_takes_a_redelivery_when_there_is_room(redis, prefix):
    engine = Engine(redis, prefix=prefix, mailbox_max=1)
    await engine.accept("a", b"1", ["1"])
    assert await engine.accept("a", b"2", ["2"]) is Accepted.FULL
    (claim,) = await take(engine)
    await engine.commit(claim, outcome="silent")
    assert await engine.accept("a", b"2", ["2"]) is Accepted.NEW
    await engine.close()


async def test_too_many_waiting_events_are_refused(redis, prefix):
    engine = Engine(redis, prefix=prefix, depth_max=2)
    await engine.accept("a", b"1", ["1"])
    await engine.accept("b", b"2", ["2"])
    with pytest.raises(IntakeError):
        await engine.accept("c", b"3", ["3"], ("chat", "offset", "3"))
    assert await engine.cursors("chat") == {}
    (claim, _) = await take(engine)
    await engine.commit(claim, outcome="silent")
    assert await engine.accept("c", b"3", ["3"]) is Accepted.NEW  # brought again, when there is room
    await engine.close()


async def test_the_cursor_moves_with_its_event(engine):
    await engine.accept("a", b"1", ["1"], ("chat", "offset", "41"))
    await engine.accept("a", b"2", ["2"], ("chat", "offset", "42"))
    assert await engine.cursors("chat") == {"offset": "42"}
    assert await engine.cursors("other") == {}


async def test_a_turn_sees_the_window_of_its_session(redis, prefix):
    engine = Engine(redis, prefix=prefix, window=3)
    for number in range(4):
        await engine.accept("a", b"", [str(number)])
        (claim,) = await take(engine)
        await engine.commit(claim, outcome="answered", append=[b"q%d" % number, b"a%d" % number])
    await engine.accept("a", b"", ["last"])
    (claim,) = await take(engine)
    assert claim.history == [b"a2", b"q3", b"a3"]
    assert await redis.llen(f"{prefix}:sess:{{0}}:a") <= 4
    await engine.close()


async def test_forget_empties_the_session_before_what_is_appended(engine):
    for number, forget in enumerate((False, True, False)):
        await engine.accept("a", b"", [str(number)])
        (claim,) = await take(engine)
        await engine.commit(claim, outcome="answered", append=[b"%d" % number], forget=forget)
    assert await engine.command("LRANGE", engine.shards[0].sess + "a", 0, -1) == [b"1", b"2"]


async def test_replies_are_kept_in_order_for_readers(engine, redis):
    await engine.accept("a", b"1", ["1"])
    (claim,) = await take(engine)
    await engine.commit(claim, outcome="answered", replies=[b"one", b"two"])
    entries = await redis.xrange(engine.shards[0].out + "a")
    assert [fields[b"e"] for _, fields in entries] == [b"one", b"two"]


async def test_old_replies_make_room_for_new_ones(engine, redis):
    for number in range(5):
        await engine.accept("a", b"", [str(number)])
        (claim,) = await take(engine)
        await engine.commit(claim, outcome="answered", replies=[b"%d" % number] * 100)
    entries = await redis.xrange(engine.shards[0].out + "a")
    assert [fields[b"e"] for _, fields in entries[-200:]] == [b"3"] * 100 + [b"4"] * 100
    assert len(entries) < 400


@pytest.mark.parametrize("is_dead", [False, True])
async def test_how_an_event_ended_is_known_for_as_long_as_that_it_was_seen(engine, redis, is_dead):
    dedupe = engine.shards[0].dd
    for uid in ("1", "expired"):
        await engine.accept("a", b"", [uid])
    await redis.delete(f"{dedupe}expired")
    for uid in ("1", "expired"):
        (claim,) = await take(engine)
        if is_dead:
            await engine.fail(claim, "dead", trace=Trace(uid, b"how"))
        else:
            await engine.commit(claim, outcome="answered", trace=Trace(uid, b"how"))
    assert (await redis.get(f"{dedupe}1"), await redis.ttl(f"{dedupe}1")) == (b"how", pytest.approx(86400, abs=5))
    assert await redis.get(f"{dedupe}expired") is None


async def test_what_was_staged_is_there_at_the_next_try(engine):
    await engine.accept("a", b"1", ["1"])
    (claim,) = await take(engine)
    await engine.stage(claim, b"half")
    await engine.fail(claim, "retry")
    (again,) = await take(engine)
    assert (again.tries, again.staged) == (2, b"half")
    assert again.fence > claim.fence


async def test_nothing_is_staged_after_the_end_of_a_turn(engine):
    for text in ("1", "2"):
        await engine.accept("a", text.encode(), [text])
    (claim,) = await take(engine)
    await engine.commit(claim, outcome="answered")
    with pytest.raises(Stale):
        await engine.stage(claim, b"late")
    (second,) = await take(engine)
    assert second.staged is None


async def test_a_released_turn_is_there_at_once_and_the_try_does_not_count(engine):
    await engine.accept("a", b"1", ["1"])
    (claim,) = await take(engine)
    await engine.fail(claim, "release")
    (again,) = await take(engine)
    assert again.tries == 1


async def test_a_delayed_turn_comes_back_when_it_is_due(engine):
    await engine.accept("a", b"1", ["1"])
    (claim,) = await take(engine)
    await engine.fail(claim, "retry", delay=0.05)
    found = await engine.claim("w", 1)
    assert found.claims == []
    assert 0 < found.due_in <= 0.05
    await asyncio.sleep(found.due_in + 0.002)
    assert [claim.tries for claim in await take(engine)] == [2]


async def test_it_is_told_when_the_next_of_the_delayed_is_due(engine, redis):
    for name in ("a", "b"):
        await engine.accept(name, name.encode(), [name])
    for claim in await take(engine):
        await engine.fail(claim, "retry", delay=60)
    await redis.zadd(engine.shards[0].dly, {"a": 0})
    found = await engine.claim("w", 10)
    assert ([claim.conversation for claim in found.claims], found.due_in) == (["a"], pytest.approx(60, abs=1))


async def test_a_held_conversation_waits_anew_with_each_of_its_first_twenty_events(engine):
    for number in range(1, 22):
        await engine.accept("a", b"more", [str(number)], hold=number * 10)
    found = await engine.claim("w", 10)
    assert (found.claims, found.due_in) == ([], pytest.approx(200, abs=1))


async def test_one_call_for_a_worker_is_enough(engine, redis):
    at = engine.shards[0]
    for name in ("a", "b", "c"):
        await engine.accept(name, name.encode(), [name])
    assert await redis.llen(at.wake) == 1
    await redis.delete(at.wake)
    claims = [*await take(engine, 1), *await take(engine, 1)]
    assert await redis.llen(at.wake) == 1  # a worker that takes all that it has room for calls another one
    await redis.delete(at.wake)
    claims += await take(engine, 2)
    assert await redis.llen(at.wake) == 0
    for claim in claims:
        await engine.fail(claim, "dead")
    letters = DeadLetters(engine)
    assert [await letters.replay(letter.id) for letter in await letters.list()] == [True] * 3
    assert await redis.llen(at.wake) == 1


async def test_a_worker_that_lost_its_lease_can_do_nothing(engine, redis):
    await engine.accept("a", b"1", ["1"])
    (zombie,) = await take(engine)
    assert await engine.reap() == 0
    assert await engine.reap("w") == 1
    (owner,) = await take(engine)
    for call in (engine.stage(zombie, b""), engine.commit(zombie, outcome="silent"), engine.fail(zombie, "retry")):
        with pytest.raises(Stale):
            await call
    await engine.commit(owner, outcome="answered")
    assert (await engine.stats()).answered == 1


async def test_a_heartbeat_keeps_the_lease(redis, prefix):
    engine = Engine(redis, prefix=prefix, lease=0.05)
    await engine.accept("a", b"1", ["1"])
    (claim,) = await take(engine)
    await asyncio.sleep(0.06)
    await engine.beat("w", [claim])
    assert await engine.reap() == 0
    await asyncio.sleep(0.06)
    assert await engine.reap() == 1
    await engine.beat("w", [claim])
    assert [again.tries for again in await take(engine)] == [2]
    await engine.close()


async def test_an_event_that_kills_its_workers_is_a_dead_letter(redis, prefix):
    engine = Engine(redis, prefix=prefix, max_deliveries=2)
    await engine.accept("a", b"poison", ["1"])
    await engine.accept("a", b"fine", ["2"])
    for _ in range(2):
        assert [claim.envelope for claim in await take(engine)] == [b"poison"]
        await engine.reap("w")
    (claim,) = await take(engine)
    assert (claim.envelope, claim.tries) == (b"fine", 1)
    assert [letter.envelope for letter in await DeadLetters(engine).list()] == [b"poison"]
    await engine.close()


async def test_a_conversation_goes_on_after_its_only_event_killed_its_workers(redis, prefix):
    engine = Engine(redis, prefix=prefix, max_deliveries=1)
    await engine.accept("a", b"poison", ["1"])
    await take(engine)
    await engine.reap("w")
    await engine.accept("a", b"fine", ["2"])
    assert [claim.envelope for claim in await take(engine)] == [b"fine"]
    await engine.close()


@pytest.mark.parametrize("by", ["a turn", "its workers' death"])
async def test_the_oldest_dead_letters_make_room_for_new_ones(redis, prefix, by):
    engine = Engine(redis, prefix=prefix, max_deliveries=1, dead_max=100)
    for number in range(400):
        await engine.accept("a", b"%d" % number, [str(number)])
        (claim,) = await take(engine)
        await (engine.fail(claim, "dead") if by == "a turn" else engine.reap("w"))
    letters = DeadLetters(engine)
    assert 100 <= await letters.count() < 300
    assert (await letters.list(1))[0].envelope == b"399"
    assert (await engine.stats()).dead == 400
    await engine.close()


@pytest.mark.parametrize("is_delayed", [False, True])
async def test_the_sweeper_gives_a_lost_token_back(engine, redis, is_delayed):
    at = engine.shards[0]
    await engine.accept("a", b"1", ["1"], hold=60 if is_delayed else 0)
    assert await engine.sweep() == 0
    await redis.xtrim(at.rdy, maxlen=0, approximate=False)
    await redis.delete(at.dly)
    assert await take(engine) == []
    assert [await engine.sweep(), await engine.sweep()] == [1, 0]
    assert [claim.envelope for claim in await take(engine)] == [b"1"]


async def test_the_sweeper_looks_at_all_of_many(engine, redis):
    await asyncio.gather(*(engine.accept(f"c{number}", b"", [str(number)]) for number in range(1000)))
    await redis.xtrim(engine.shards[0].rdy, maxlen=0, approximate=False)
    assert await engine.sweep() == 1000


async def test_the_sweeper_lets_a_conversation_without_events_be_idle(engine, redis):
    at = engine.shards[0]
    await engine.accept("a", b"1", ["1"])
    await redis.xtrim(at.rdy, maxlen=0, approximate=False)
    await redis.delete(f"{at.mb}a")
    assert [await engine.sweep(), await engine.sweep()] == [1, 0]
    await engine.accept("a", b"2", ["2"])
    assert [claim.envelope for claim in await take(engine)] == [b"2"]


async def test_several_shards_work_as_one(redis, prefix):
    engine = Engine(redis, prefix=prefix, shards=4)
    for number in range(20):
        await engine.accept(f"c{number}", b"", [str(number)])
    claims = await take(engine, 20)
    assert {claim.conversation for claim in claims} == {f"c{number}" for number in range(20)}
    assert {claim.shard for claim in claims} == {0, 1, 2, 3}
    await engine.fail(claims[0], "dead", reason="why")
    (letter,) = await DeadLetters(engine).list()
    assert await DeadLetters(engine).replay(letter.id)
    assert (await engine.stats()).in_flight == 20
    await engine.close()


async def test_idle_conversations_leave_nothing_but_what_expires(engine, redis, prefix):
    await engine.accept("a", b"1", ["1"])
    (claim,) = await take(engine)
    await engine.stage(claim, b"half")
    await engine.commit(claim, outcome="answered", append=[b"x"], replies=[b"y"])
    keys = [key async for key in redis.scan_iter(f"{prefix}:*")]
    lasting = {key.decode() for key in keys if await redis.ttl(key) == -1}
    assert lasting == {f"{prefix}:{name}:{{0}}" for name in ("cnt", "rdy", "wake")}


async def test_scripts_flushed_from_the_server_are_loaded_again(engine, redis):
    await engine.accept("a", b"1", ["1"])
    await redis.script_flush()
    assert await engine.accept("a", b"2", ["2"]) is Accepted.NEW


async def test_the_three_outcomes_of_the_dead(engine):
    letters = DeadLetters(engine)
    for name in ("a", "b"):
        await engine.accept(name, name.encode(), [name])
    for claim in await take(engine):
        await engine.fail(claim, "dead", reason="the model is gone")
    listed = await letters.list()
    assert [(letter.conversation, letter.reason) for letter in listed] == [
        ("b", "the model is gone"),
        ("a", "the model is gone"),
    ]
    assert await letters.drop(listed[0].id)
    assert await letters.replay(listed[1].id)
    assert await letters.list() == []
    assert [claim.conversation for claim in await take(engine)] == ["a"]
    stats = await engine.stats()
    assert (stats.accepted, stats.dead, stats.in_flight) == (2, 1, 1)


@pytest.mark.parametrize("unknown", ["", "0", "0.1-1", "9.1-1", "x.1-1", "0.+", "0.1-1-1"])
async def test_an_unknown_dead_letter_is_no_error(engine, unknown):
    assert not await DeadLetters(engine).replay(unknown)
    assert not await DeadLetters(engine).drop(unknown)


@pytest.mark.parametrize("through", ["engine", "client"])
async def test_nobody_reads_the_answer_to_a_cancelled_call(engine, redis: Redis, through):
    for number in range(100):
        await redis.set(f"canary{number}", f"secret{number}", px=60_000)
    get = redis.get if through == "client" else functools.partial(engine.command, "GET")

    async def read(number: int) -> None:
        for _ in range(5):
            assert await get(f"canary{number}") == b"secret%d" % number

    tasks = [asyncio.create_task(read(number)) for number in range(100)]
    for step in range(40):
        await asyncio.sleep(0)
        tasks[(step * 7) % 100].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} == {type(None), asyncio.CancelledError}
    assert await get("canary1") == b"secret1"


async def test_waits_grow_with_the_time_they_last_up_to_a_minute(engine, redis):
    await engine.accept("a", b"1", ["1"])
    waits = []
    for since in (0, 9, 3000):
        (claim,) = await take(engine)
        await redis.hset(f"{engine.shards[0].st}a", "since", round((claim.time - since) * 1000))
        assert not await engine.fail(claim, "wait", delay=1)
        waits.append((await engine.claim("w", 1)).due_in)
        await redis.zadd(engine.shards[0].dly, {"a": 0})
    assert waits == [pytest.approx(1, abs=0.5), pytest.approx(10, abs=0.5), pytest.approx(60, abs=0.5)]


async def test_a_wait_is_never_shorter_than_the_platform_asked_for(engine):
    await engine.accept("a", b"1", ["1"])
    (claim,) = await take(engine)
    await engine.fail(claim, "wait", delay=300)
    assert (await engine.claim("w", 1)).due_in == pytest.approx(300, abs=1)


@pytest.mark.parametrize("waiting", [1, 2])
@pytest.mark.parametrize("delay", [0, 1])
async def test_only_a_release_with_a_delay_starts_the_patience_anew(engine, redis, delay, waiting):
    for number in range(waiting):
        await engine.accept("a", b"", [str(number)])
    for kind in ("wait", "release"):
        (claim,) = await take(engine)
        assert not await engine.fail(claim, kind, delay=1 if kind == "wait" else delay, patience=3600)
        await redis.zadd(engine.shards[0].dly, {"a": 0}, xx=True)
        if kind == "wait":
            await redis.hset(f"{engine.shards[0].st}a", "since", 0)
    (claim,) = await take(engine)
    assert await engine.fail(claim, "wait", delay=1, patience=3600) == (not delay)
    stats = await engine.stats()
    assert (stats.dead, stats.in_flight) == ((0, waiting) if delay else (1, waiting - 1))


async def test_notes_that_were_changed_meanwhile_are_not_written_over(engine):
    await engine.accept("a", b"1", ["1"])
    (claim,) = (await engine.claim("w", 1)).claims
    await engine.command("HSET", engine.shards[0].note + "a", "n", b"theirs")
    with pytest.raises(Changed) as changed:
        await engine.commit(claim, outcome="answered", notes=b"ours")
    claim.notes = changed.value.notes
    await engine.commit(claim, outcome="answered", notes=claim.notes + b" and ours")
    await engine.commit(claim, outcome="answered", notes=b"once more")
    assert await engine.command("HGET", engine.shards[0].note + "a", "n") == b"theirs and ours"
