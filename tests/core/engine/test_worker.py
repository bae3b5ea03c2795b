"""Workers: turns are taken, tried again, handed on, and given up."""

import asyncio
import contextlib
import signal
import sys
import textwrap
from collections.abc import AsyncIterator

import pytest

from core.engine import worker as module
from core.engine.dead import DeadLetters
from core.engine.engine import Claim, Engine, Stale
from core.engine.worker import Worker
from core.errors import HubError, StoreError, Throttled, Unavailable, Unconfirmed


@pytest.fixture(autouse=True)
def nothing_waits_for_the_poll(monkeypatch):
    monkeypatch.setattr(module, "POLL", 60.0)


@contextlib.asynccontextmanager
async def working(engine: Engine, turn, name: str = "w", **options) -> AsyncIterator[Worker]:
    worker = Worker(engine, turn, name=name, **options)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        await worker.drain(1.0)
        await running


class Answers:
    """A turn that answers, and what it has answered."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.given: list[bytes] = []
        self.changed = asyncio.Event()

    async def __call__(self, claim: Claim) -> None:
        await self.engine.commit(claim, outcome="answered")
        self.given.append(claim.envelope)
        self.changed.set()

    async def until(self, count: int) -> list[bytes]:
        async with asyncio.timeout(20):
            while len(self.given) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.given


@pytest.fixture
async def other(redis, prefix) -> AsyncIterator[Engine]:
    """The same inbox from another process."""
    engine = Engine(redis, prefix=prefix)
    yield engine
    await engine.close()


async def test_accepted_events_are_answered_in_order(engine):
    answers = Answers(engine)
    async with working(engine, answers):
        for number in range(10):
            await engine.accept("a", b"%d" % number, [str(number)])
        assert await answers.until(10) == [b"%d" % number for number in range(10)]


async def test_an_event_accepted_by_another_process_wakes_an_idle_worker(engine, other):
    answers = Answers(engine)
    async with working(engine, answers):
        await other.accept("a", b"1", ["1"])
        await answers.until(1)
        await other.accept("a", b"2", ["2"])
        await answers.until(2)


async def test_a_worker_that_was_full_hears_of_other_processes_again(engine, other, monkeypatch):
    answers, begun, go, found_nothing = Answers(engine), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def turn(claim: Claim) -> None:
        begun.set()
        await go.wait()
        await answers(claim)

    async def claim(*call):
        found = await Engine.claim(engine, *call)
        (found_nothing.clear if found.claims else found_nothing.set)()
        return found

    monkeypatch.setattr(engine, "claim", claim)
    async with working(engine, turn, concurrency=1):
        await other.accept("a", b"1", ["1"])
        await begun.wait()
        await other.accept("b", b"2", ["2"])
        go.set()
        await answers.until(2)
        await found_nothing.wait()
        await other.accept("c", b"3", ["3"])
        await answers.until(3)


async def test_a_full_or_ending_worker_leaves_events_to_others(engine):
    begun = asyncio.Event()

    async def hang(claim: Claim) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with working(engine, hang, concurrency=1) as worker:
        assert worker.nudge(0)
        await engine.accept("a", b"1", ["1"])
        await begun.wait()
        assert not worker.nudge(0)
        await worker.drain(0)
        assert not worker.nudge(0)


async def test_events_from_before_the_start_are_answered(engine, redis):
    await engine.accept("a", b"1", ["1"])
    await redis.delete(engine.shards[0].wake)  # whoever was called for it is gone
    answers = Answers(engine)
    async with working(engine, answers):
        await answers.until(1)


async def test_no_more_turns_run_at_once_than_allowed(engine):
    running, most = 0, 0
    answers = Answers(engine)

    async def turn(claim: Claim) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        await answers(claim)

    for number in range(12):
        await engine.accept(f"c{number}", b"", [str(number)])
    async with working(engine, turn, concurrency=3):
        await answers.until(12)
    assert most == 3


async def test_a_hung_turn_holds_up_no_other_conversation(engine):
    answers = Answers(engine)

    async def turn(claim: Claim) -> None:
        await (asyncio.Event().wait() if claim.conversation == "hung" else answers(claim))

    async with working(engine, turn) as worker:
        await engine.accept("hung", b"", ["0"])
        await engine.accept("well", b"1", ["1"])
        await answers.until(1)
        await worker.drain(0)


async def test_a_failed_turn_is_tried_again_and_then_a_dead_letter(engine, monkeypatch):
    monkeypatch.setattr(module.random, "uniform", lambda low, high: 0.001)
    answers = Answers(engine)
    tries = []

    async def turn(claim: Claim) -> None:
        if claim.envelope == b"poison":
            tries.append(claim.tries)
            raise ValueError("no way")
        await answers(claim)

    async with working(engine, turn):
        await engine.accept("a", b"poison", ["1"])
        await engine.accept("a", b"fine", ["2"])
        await answers.until(1)
    assert tries == [1, 2, 3, 4, 5]
    (letter,) = await DeadLetters(engine).list()
    assert (letter.envelope, letter.reason) == (b"poison", "ValueError: no way")


@pytest.mark.parametrize("error", [StoreError("away"), Unavailable("503"), Unconfirmed("time-out"), Throttled(0)])
async def test_tries_while_the_store_or_the_platform_is_away_do_not_count(engine, monkeypatch, error: HubError):
    monkeypatch.setattr(module.random, "uniform", lambda low, high: 0.001)
    answers = Answers(engine)
    tries = []

    async def turn(claim: Claim) -> None:
        tries.append(claim.tries)
        if len(tries) <= engine.max_tries:
            raise error
        await answers(claim)

    async with working(engine, turn):
        await engine.accept("a", b"1", ["1"])
        await answers.until(1)
    assert tries == [1] * (engine.max_tries + 1)


@pytest.mark.parametrize(
    ("error", "seconds", "is_dead"),
    [(StoreError("away"), 1, False), (Unavailable("503"), 1, True), (Throttled(300), 300, True)],
)
async def test_only_a_store_may_be_away_for_ever_and_a_platform_is_asked_when_it_said(
    engine, other, redis, monkeypatch, error: HubError, seconds, is_dead
):
    monkeypatch.setattr(module.random, "uniform", lambda low, high: high)
    tries = []

    async def turn(claim: Claim) -> None:
        tries.append(claim.tries)
        raise error

    async def due_in() -> float:
        async with asyncio.timeout(5):
            while (found := (await other.claim("other", 1)).due_in) is None:
                await asyncio.sleep(0.005)
        return found

    at = engine.shards[0]
    async with working(engine, turn) as worker:
        await engine.accept("a", b"1", ["1"])
        assert await due_in() == pytest.approx(seconds + isinstance(error, Throttled), abs=0.5)
        await redis.hset(f"{at.st}a", "since", 0)  # for very long
        await redis.zadd(at.dly, {"a": 0})
        worker.nudge(0)
        async with asyncio.timeout(5):
            while len(tries) < 2:
                await asyncio.sleep(0.005)
    assert (await engine.stats()).dead == is_dead


async def test_a_platform_away_for_longer_than_our_patience_leaves_a_dead_letter(engine, monkeypatch):
    monkeypatch.setattr(module.random, "uniform", lambda low, high: 0.001)
    answers = Answers(engine)

    async def turn(claim: Claim) -> None:
        if claim.envelope == b"unlucky":
            raise Unavailable("503")
        await answers(claim)

    async with working(engine, turn, patience=0.05):
        await engine.accept("a", b"unlucky", ["1"])
        await engine.accept("a", b"fine", ["2"])
        await answers.until(1)
    (letter,) = await DeadLetters(engine).list()
    assert (letter.envelope, letter.reason) == (b"unlucky", "Unavailable: 503")


async def test_a_turn_that_fails_while_draining_is_handed_on(engine, other):
    begun, go = asyncio.Event(), asyncio.Event()

    async def turn(claim: Claim) -> None:
        begun.set()
        await go.wait()
        raise ValueError("once")

    async with working(engine, turn) as worker:
        await engine.accept("a", b"1", ["1"])
        await begun.wait()
        draining = asyncio.create_task(worker.drain())
        await asyncio.sleep(0)
        go.set()
        await draining
    assert 0 < (await other.claim("other", 1)).due_in <= 1


async def test_what_is_claimed_while_draining_is_handed_on_too(engine, other, monkeypatch):
    claimed, go = asyncio.Event(), asyncio.Event()

    async def slow(*call):
        found = await Engine.claim(engine, *call)
        if found.claims:
            claimed.set()
            await go.wait()
        return found

    async def hang(claim: Claim) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(engine, "claim", slow)
    async with working(engine, hang) as worker:
        await engine.accept("a", b"1", ["1"])
        await claimed.wait()
        draining = asyncio.create_task(worker.drain(0))
        await asyncio.sleep(0)
        go.set()
        await draining
    (claim,) = (await other.claim("other", 1)).claims
    assert claim.tries == 1


async def test_a_turn_is_handed_on_when_it_has_let_go(engine, other):
    begun, let_go = asyncio.Event(), []

    async def hang(claim: Claim) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            let_go.append((await other.claim("other", 1)).claims)

    async with working(engine, hang) as worker:
        await engine.accept("a", b"1", ["1"])
        await begun.wait()
        await worker.drain(0)
    assert let_go == [[]]
    assert len((await other.claim("other", 1)).claims) == 1


@pytest.mark.parametrize("is_hung", [True, False])
async def test_without_the_store_draining_ends_all_the_same(engine, monkeypatch, is_hung):
    begun, go = asyncio.Event(), asyncio.Event()

    async def turn(claim: Claim) -> None:
        begun.set()
        await go.wait()
        raise ValueError("once")

    async def away(*call, **more):
        raise StoreError("away")

    async with working(engine, turn) as worker:
        await engine.accept("a", b"1", ["1"])
        await begun.wait()
        monkeypatch.setattr(engine, "fail", away)
        draining = asyncio.create_task(worker.drain(0.1 if is_hung else 60))
        await asyncio.sleep(0)
        if not is_hung:
            go.set()
        async with asyncio.timeout(5):
            await draining


async def test_drain_lets_turns_end(engine):
    begun, go = asyncio.Event(), asyncio.Event()
    answers = Answers(engine)

    async def turn(claim: Claim) -> None:
        begun.set()
        await go.wait()
        await answers(claim)

    async with working(engine, turn) as worker:
        await engine.accept("a", b"1", ["1"])
        await begun.wait()
        draining = asyncio.create_task(worker.drain())
        await asyncio.sleep(0)
        await engine.accept("b", b"2", ["2"])
        go.set()
        await draining
    assert answers.given == [b"1"]
    assert (await engine.stats()).in_flight == 1


async def test_drain_hands_cut_turns_to_another_worker_at_once(engine, other):
    begun = asyncio.Event()

    async def hang(claim: Claim) -> None:
        await engine.stage(claim, b"half")
        begun.set()
        await asyncio.Event().wait()

    async with working(engine, hang) as worker:
        await engine.accept("a", b"1", ["1"])
        await begun.wait()
        await worker.drain(0)
    (claim,) = (await other.claim("other", 1)).claims
    assert (claim.staged, claim.tries) == (b"half", 1)


async def test_another_worker_takes_over_when_the_lease_runs_out(redis, prefix):
    engine = Engine(redis, prefix=prefix, lease=0.2)
    await engine.accept("a", b"1", ["1"])
    (dead,) = (await engine.claim("dead", 1)).claims
    answers = Answers(engine)
    async with working(engine, answers):
        await answers.until(1)
    with pytest.raises(Stale):
        await engine.stage(dead, b"")
    await engine.close()


async def test_a_long_turn_keeps_its_lease(redis, prefix):
    engine = Engine(redis, prefix=prefix, lease=0.15)
    answers = Answers(engine)

    async def turn(claim: Claim) -> None:
        await asyncio.sleep(0.5)
        await answers(claim)

    async with working(engine, turn):
        await engine.accept("a", b"1", ["1"])
        await answers.until(1)
    assert (await engine.stats()).answered == 1
    await engine.close()


async def test_the_next_process_of_a_name_takes_over_at_once(engine, other):
    await engine.accept("a", b"1", ["1"])
    assert len((await engine.claim("hub", 1)).claims) == 1
    answers = Answers(other)
    async with working(other, answers, name="hub"):
        await answers.until(1)


async def test_what_was_claimed_when_a_reply_was_lost_is_taken_back_at_once(engine, redis):
    answers, begun, go = Answers(engine), [], asyncio.Event()

    async def turn(claim: Claim) -> None:
        begun.append(claim.envelope)
        if claim.envelope == b"long":
            await go.wait()
        await answers(claim)

    async with working(engine, turn) as worker:
        await engine.accept("b", b"long", ["0"])
        await engine.accept("a", b"1", ["1"])
        await answers.until(1)
        nudge, engine.nudge = engine.nudge, lambda shard: True
        await engine.accept("a", b"2", ["2"])
        assert len((await engine.claim("w", 1)).claims) == 1
        await redis.client_kill_filter(_type="normal", skipme=True)
        engine.nudge = nudge
        worker.nudge(0)
        assert await answers.until(2) == [b"1", b"2"]
        go.set()
        await answers.until(3)
    assert begun.count(b"long") == 1  # and nothing else is


async def test_a_stopped_process_that_wakes_up_is_stale(store, redis, prefix):
    program = f"""
        import asyncio
        from core.engine.engine import Engine, Stale
        from core.engine.store import connect
        from core.engine.worker import Worker

        async def main():
            async with connect("unix://{store.socket}") as client:
                engine, over = Engine(client, prefix="{prefix}", lease=0.3), asyncio.Event()

                async def turn(claim):
                    print("begun", flush=True)
                    await loop.run_in_executor(None, input)
                    try:
                        await engine.stage(claim, b"")
                    except Stale:
                        print("stale", flush=True)
                        over.set()

                loop = asyncio.get_running_loop()
                worker = asyncio.create_task(Worker(engine, turn, name="zombie").run())
                await over.wait()
                worker.cancel()
                await asyncio.wait([worker])
                await engine.close()

        asyncio.run(main())
    """
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-c", textwrap.dedent(program))
    zombie = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    engine = Engine(redis, prefix=prefix, lease=0.3)
    await engine.accept("a", b"1", ["1"])
    assert await zombie.stdout.readline() == b"begun\n"
    zombie.send_signal(signal.SIGSTOP)
    answers = Answers(engine)
    async with working(engine, answers):
        await answers.until(1)
    zombie.send_signal(signal.SIGCONT)
    zombie.stdin.write(b"\n")
    assert await zombie.stdout.readline() == b"stale\n"
    await zombie.communicate()
    await engine.close()


@pytest.mark.parametrize("error", [StoreError("away"), TimeoutError(), ConnectionError("gone")])
@pytest.mark.parametrize("call", ["claim", "reap", "wait", "beat", "sweep"])
async def test_a_call_that_fails_once_ends_nothing(engine, other, redis, monkeypatch, call, error):
    if isinstance(error, StoreError) == (call == "wait"):
        return  # what it waits on is a link of its own, which raises plainly
    if call == "wait":
        monkeypatch.setattr(module, "POLL", 0.05)
    monkeypatch.setattr(module, "SWEEP", 0.01)
    monkeypatch.setattr(engine, "lease", 0.05)
    answers, failed = Answers(engine), asyncio.Event()
    done = getattr(engine, call)

    async def fails_once(*args, **more):
        if not failed.is_set():
            failed.set()
            raise error
        return await done(*args, **more)

    monkeypatch.setattr(engine, call, fails_once)

    async def turn(claim: Claim) -> None:
        await failed.wait()
        await answers(claim)

    await engine.accept("a", b"1", ["1"])
    await redis.delete(engine.shards[0].wake)
    async with working(engine, turn):
        await answers.until(1)
        await other.accept("b", b"2", ["2"])
        await answers.until(2)


async def test_turns_of_a_worker_that_is_cancelled_stop_with_it(engine, redis):
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def hang(claim: Claim) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    running = asyncio.create_task(Worker(engine, hang, name="w").run())
    await engine.accept("a", b"1", ["1"])
    await begun.wait()
    running.cancel()
    await asyncio.wait([running])
    assert stopped.is_set()
    assert "blpop" not in {each["cmd"] for each in await redis.client_list()}


@pytest.mark.parametrize("part", ["_listen", "_keep", "_sweep", "_claim"])
async def test_a_part_of_the_worker_that_dies_ends_it_with_that_error(engine, part):
    async def die():
        raise ZeroDivisionError("a fault")

    worker = Worker(engine, Answers(engine), name="w")
    setattr(worker, part, die)
    async with asyncio.timeout(5):
        with pytest.raises(ZeroDivisionError, match="a fault"):
            await worker.run()
        await worker.drain()


@pytest.mark.parametrize("part", ["_listen", "_keep", "_sweep"])
async def test_a_part_of_the_worker_that_just_ends_is_a_fault_too(engine, part):
    async def end():
        return

    worker = Worker(engine, Answers(engine), name="w")
    setattr(worker, part, end)
    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="ended by itself"):
            await worker.run()


async def test_turns_of_a_worker_that_died_are_taken_over_by_its_successor(engine, other):
    begun, answers = asyncio.Event(), Answers(other)

    async def hang(claim: Claim) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def die() -> None:
        await begun.wait()
        raise ZeroDivisionError("a fault")

    worker = Worker(engine, hang, name="hub")
    worker._sweep = die
    await engine.accept("a", b"1", ["1"])
    with pytest.raises(ZeroDivisionError):
        await worker.run()
    async with working(other, answers, name="hub"):
        assert await answers.until(1) == [b"1"]


async def test_an_idle_worker_asks_the_store_next_to_nothing(engine, redis):
    async with working(engine, Answers(engine)):
        await asyncio.sleep(0.1)
        before = (await redis.info("stats"))["total_commands_processed"]
        await asyncio.sleep(0.3)
        assert (await redis.info("stats"))["total_commands_processed"] - before <= 3
