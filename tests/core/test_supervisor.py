import asyncio
import contextlib
import os
import random
import signal
import time
from dataclasses import replace

import aiohttp
import pytest

from core import supervisor as module
from core.adapter import Settings, Wiring
from core.engine.engine import Engine
from core.engine.lease import Lease
from core.engine.server import Server
from core.engine.store import connect
from core.errors import BadCredentials, NotReady, StoreError
from core.supervisor import Channel, Pace, State, Supervisor, backoff, why_off
from tests.fakes import FakeAdapter, FakeBot, NoCursors, nowhere

QUICK = Pace(
    first_retry=0.001, longest_retry=0.002, probe_every=0.001, drain_limit=0.2, stop_limit=0.05, lease_every=0.01
)


class Alone(Settings):
    """Of a platform that bears one process for each bot."""

    @property
    def exclusive(self):
        return "fake:1"


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def channel(http):
    """Makes channels on fakes; each adapter that was built is in `channel.built`; all are stopped at the end."""
    made = []

    def make(prepare=lambda adapter: None, name="fake", **keys):
        settings = Settings(platform="fake", **{"enabled": True, **keys})
        built = []

        def build():
            built.append(FakeAdapter(settings, Wiring(name, nowhere, http, "http://hub", NoCursors())))
            prepare(built[-1])
            return built[-1]

        made.append(Channel(name, settings, FakeBot(), build, QUICK))
        made[-1].built = built
        return made[-1]

    yield make
    await asyncio.gather(*(each.stop() for each in made))


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_a_channel_that_starts_is_running_under_its_identity(channel):
    one = channel()
    one.start()
    await until(lambda: one.state is State.RUNNING)
    assert one.detail == "@fake"
    assert one.adapter is one.built[0]


async def test_a_platform_that_is_away_is_tried_again_with_a_new_adapter(channel):
    def first_fails(adapter):
        adapter.start_error = NotReady("away") if not tries else None
        tries.append(adapter)

    tries = []
    one = channel(first_fails)
    one.start()
    await until(lambda: one.state is State.RUNNING)
    assert [adapter.started for adapter in tries] == [1, 1]
    assert tries[0].stopped == 1


async def test_bad_credentials_wait_for_an_admin(channel):
    one = channel(lambda adapter: setattr(adapter, "start_error", BadCredentials("make a new token")))
    one.start()
    await until(lambda: one.state is State.BAD_CREDENTIALS)
    await until(lambda: one._task.done())
    assert (one.detail, len(one.built)) == ("make a new token", 1)


async def test_a_channel_gone_silent_is_restarted(channel):
    one = channel()
    one.start()
    await until(lambda: one.state is State.RUNNING)
    one.built[0].probe_error = NotReady("silent for 60 s")
    await until(lambda: len(one.built) > 1 and one.state is State.RUNNING)
    assert one.built[0].stopped == 1


async def test_an_adapter_that_breaks_leaves_the_others_alone(channel):
    sick = channel(lambda adapter: setattr(adapter, "start_error", ZeroDivisionError("bug")), name="sick")
    well = channel(name="well")
    supervisor = Supervisor()
    supervisor.start([sick, well])
    await until(lambda: len(sick.built) > 3 and well.state is State.RUNNING)
    assert len(well.built) == 1
    assert "ZeroDivisionError" in sick.detail or sick.state is State.STARTING


async def test_stopping_waits_for_turns_under_way_and_begins_none(channel):
    one = channel()
    one.start()
    await until(lambda: one.state is State.RUNNING)
    with one.turn():
        stopping = asyncio.create_task(one.stop())
        await until(lambda: one.adapter is None)
        assert not one.built[0].stopped
    await stopping
    assert one.built[0].stopped == 1
    assert one.state is State.STOPPED


async def test_a_channel_that_hangs_at_stop_is_left_behind(channel):
    async def hang():
        await asyncio.Event().wait()

    one = channel(lambda adapter: setattr(adapter, "stop", hang))
    one.start()
    await until(lambda: one.state is State.RUNNING)
    await one.stop()
    assert one.state is State.STOPPED


async def slow_stop(adapter):
    await asyncio.sleep(0.02)
    adapter.stopped += 1


async def test_a_stop_while_the_platform_is_being_let_go_waits_for_the_end_of_that(channel):
    def prepare(adapter):
        adapter.stop = lambda: slow_stop(adapter)
        adapter.probe_error = NotReady("gone")

    one = channel(prepare)
    one.start()
    await until(lambda: one.state is State.NOT_READY)
    await one.stop()
    assert one.built[0].stopped == 1


async def test_of_two_stops_at_once_both_wait(channel):
    one = channel(lambda adapter: setattr(adapter, "stop", lambda: slow_stop(adapter)))
    one.start()
    await until(lambda: one.state is State.RUNNING)
    first = asyncio.create_task(one.stop())
    await asyncio.sleep(0)
    await one.stop()
    assert one.built[0].stopped == 1
    await first


async def test_a_silent_platform_is_let_go_only_after_the_turns_under_way(channel):
    one = channel()
    one.start()
    await until(lambda: one.state is State.RUNNING)
    with one.turn():
        one.built[0].probe_error = NotReady("gone")
        await until(lambda: one.state is State.NOT_READY)
        await asyncio.sleep(0.01)
        assert (one.adapter, one.built[0].stopped) == (None, 0)
    await until(lambda: one.built[0].stopped)


async def test_a_channel_stopped_before_its_first_step_counts_as_settled(channel):
    one = channel()
    one.start()
    await one.stop()
    assert one.settled.is_set()


async def test_a_channel_that_cannot_be_cancelled_is_left_behind_and_never_runs(channel):
    async def stubborn():
        while not free.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await free.wait()

    free = asyncio.Event()
    one = channel(lambda adapter: setattr(adapter, "start", stubborn))
    one.start()
    await until(lambda: one.built)
    await one.stop()
    assert one.state is State.STOPPED
    free.set()
    await until(lambda: one.built[0].stopped)
    assert (one.state, one.adapter) == (State.STOPPED, None)


async def test_a_channel_without_its_secrets_is_off_and_says_what_is_missing(channel):
    class Secretive(Settings):
        environment = {"token": "FAKE_TOKEN"}

        def missing(self):
            return ("token", "number")

    one = channel()
    one.settings = Secretive(platform="fake")
    one.start()
    assert (one.state, one.detail) == (State.OFF, "missing: token (FAKE_TOKEN), number")
    assert one.settled.is_set()


def test_a_channel_turned_off_says_so():
    assert why_off(Settings(platform="fake", enabled=False)) == "turned off"


def test_back_off_grows_to_a_minute_with_jitter():
    pace = Pace()
    assert all(0.5 <= backoff(1, pace) <= 1 for _ in range(100))
    assert all(0 <= backoff(50, pace) <= 60 for _ in range(100))
    assert max(backoff(50, pace) for _ in range(100)) > 30


def test_back_off_is_spread_over_its_whole_length_so_that_hubs_do_not_march_in_step(monkeypatch):
    monkeypatch.setattr(module.random, "uniform", random.Random(7).uniform)
    for failures, longest in ((2, 2.0), (4, 8.0), (50, 60.0)):
        pauses = [backoff(failures, Pace()) for _ in range(400)]
        assert len(set(pauses)) == 400
        assert min(pauses) < longest * 0.05
        assert max(pauses) > longest * 0.95
        assert longest * 0.4 < sum(pauses) / 400 < longest * 0.6


def test_back_off_doubles_and_never_asks_for_more_than_the_longest(monkeypatch):
    monkeypatch.setattr(module.random, "uniform", lambda low, high: high)
    assert [backoff(failures, Pace()) for failures in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert backoff(10_000, Pace()) == 60


async def test_back_off_grows_with_each_failure_and_starts_small_again_after_a_healthy_time(channel, monkeypatch):
    counted = []
    monkeypatch.setattr(module, "backoff", lambda failures, pace: counted.append(failures) or 0)
    one = channel(lambda adapter: setattr(adapter, "start_error", NotReady("away")))
    one.start()
    await until(lambda: len(counted) >= 3)
    assert counted[:3] == [1, 2, 3]
    one.pace = replace(QUICK, healthy_after=-1)  # any time is long enough
    counted.clear()
    await until(lambda: len(counted) >= 3)
    assert counted[1:3] == [1, 1]
    one.pace = QUICK
    counted.clear()
    await until(lambda: len(counted) >= 4)
    assert counted[1:4] == [2, 3, 4] or counted[:3] == [2, 3, 4]


async def test_a_channel_that_ran_for_less_than_a_healthy_time_waits_longer_and_longer(channel, monkeypatch):
    counted = []
    monkeypatch.setattr(module, "backoff", lambda failures, pace: counted.append(failures) or 0)
    one = channel(lambda adapter: setattr(adapter, "probe_error", NotReady("gone")))
    one.start()
    await until(lambda: len(counted) >= 3)
    assert counted[:3] == [1, 2, 3]


async def test_what_the_back_off_says_is_waited_for(channel, monkeypatch):
    monkeypatch.setattr(module, "backoff", lambda failures, pace: 3600)
    one = channel(lambda adapter: setattr(adapter, "start_error", NotReady("away")))
    one.start()
    await until(lambda: one.restarts == 1)
    await asyncio.sleep(0.02)
    assert len(one.built) == 1


@pytest.fixture
async def two_hubs(redis, prefix, channel):
    """Makes a channel of one bot in each of two hubs; `most` says how many have used it at once."""

    class Use:
        running = most = 0

    def prepare(adapter):
        start, stop = adapter.start, adapter.stop

        async def begin():
            await start()
            Use.running += 1
            Use.most = max(Use.most, Use.running)

        async def end():
            Use.running -= 1 if adapter.started and not adapter.stopped else 0
            await stop()

        adapter.start, adapter.stop = begin, end

    def make(**times):
        for hub, engine in engines.items():
            one = channel(prepare, name=hub)
            one.settings = Alone(platform="fake", enabled=True)
            one.lease = lambda resource, engine=engine, hub=hub: Lease(engine, resource, hub, **times)
            yield one

    engines = {hub: Engine(redis, prefix=prefix) for hub in ("one", "two")}
    yield make, Use
    for engine in engines.values():
        await engine.close()


async def test_of_two_hubs_one_has_the_bot_and_the_other_takes_over_when_it_stops(two_hubs):
    make, use = two_hubs
    first, second = make()
    first.start()
    await until(lambda: first.state is State.RUNNING)
    second.start()
    await second.settled.wait()
    assert (second.state, second.built, second.elsewhere) == (State.NOT_READY, [], True)
    assert second.detail.startswith("another process has this bot (since 20")
    await first.stop()
    await until(lambda: second.state is State.RUNNING)
    assert (use.most, second.elsewhere) == (1, False)


async def test_waiting_for_another_hub_is_no_failure_that_makes_it_wait_longer(two_hubs, monkeypatch):
    counted = []
    monkeypatch.setattr(module, "backoff", lambda failures, pace: counted.append(failures) or 0)
    first, second = two_hubs[0]()
    first.start()
    await until(lambda: first.state is State.RUNNING)
    second.start()
    await second.settled.wait()
    await asyncio.sleep(0.05)
    assert (counted, second.restarts) == ([], 0)


async def test_without_a_lease_both_hubs_use_the_bot(two_hubs):
    make, use = two_hubs
    both = list(make())
    for one in both:
        one.lease = None
        one.start()
    await until(lambda: all(one.state is State.RUNNING for one in both))
    assert use.most == 2


@pytest.fixture
def server(tmp_path):
    """A store to be paused."""
    server = Server(tmp_path / "store")
    server.start()
    yield server
    server.stop()


async def test_a_hub_that_hears_nothing_of_its_lease_stops_using_the_bot_before_another_may(channel, server):
    async with connect(f"unix://{server.socket}") as client:
        engine = Engine(client, limit=0.1)
        one = channel()
        one.settings = Alone(platform="fake", enabled=True)
        one.lease = lambda resource: Lease(engine, resource, "one", length=2.0, renew_every=0.1, spare=1.0)
        one.start()
        await until(lambda: one.state is State.RUNNING)
        pid = server.pid()
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        try:
            with one.turn():  # there is no time to wait for turns
                await until(lambda: one.built[0].stopped)
            assert time.monotonic() - began < 1.9
        finally:
            os.kill(pid, signal.SIGCONT)
        assert one.state is State.NOT_READY
        await until(lambda: one.state is State.RUNNING)
        await one.stop()
        await engine.close()


async def test_an_adapter_that_is_starting_when_the_lease_is_lost_is_stopped_too(channel):
    @contextlib.asynccontextmanager
    async def once(resource):
        yield lost

    async def hang():
        begun.set()
        await asyncio.Event().wait()

    lost, begun = asyncio.Event(), asyncio.Event()
    one = channel(lambda adapter: setattr(adapter, "start", hang))
    one.settings, one.lease = Alone(platform="fake", enabled=True), once
    one.start()
    await begun.wait()
    lost.set()
    await until(lambda: one.built[0].stopped)


async def test_the_lease_is_given_back_only_after_the_adapter_has_stopped(channel):
    seen = []

    @contextlib.asynccontextmanager
    async def noted(resource):
        yield asyncio.Event()
        seen.append(one.built[0].stopped)

    one = channel(lambda adapter: setattr(adapter, "stop", lambda: slow_stop(adapter)))
    one.settings, one.lease = Alone(platform="fake", enabled=True), noted
    one.start()
    await until(lambda: one.state is State.RUNNING)
    await one.stop()
    assert seen == [1]


@pytest.mark.parametrize("error", [None, StoreError("away")])
async def test_each_time_it_runs_it_says_so_and_runs_on_whatever_comes_of_that(channel, error):
    async def told():
        seen.append(one.state)
        if error:
            raise error

    seen = []
    one = channel()
    one.on_running = told
    one.start()
    await until(lambda: seen)
    one.built[0].probe_error = NotReady("gone")
    await until(lambda: len(seen) == 2)
    assert seen == [State.RUNNING, State.RUNNING]


async def test_starting_a_channel_anew_is_counted(channel, monkeypatch):
    counted = []
    monkeypatch.setattr("core.supervisor.metrics.count", lambda name, **labels: counted.append((name, labels)))

    def away(adapter):
        adapter.start_error = None if made.built[1:] else NotReady("away")

    made = channel(away)
    made.start()
    async with asyncio.timeout(5):
        while made.state is not State.RUNNING:
            await asyncio.sleep(0.001)
    assert counted == [("channel_restarts_total", {"channel": "fake"})]
