import asyncio
import contextlib

import aiohttp
import pytest

from core.adapter import Settings, Wiring
from core.errors import BadCredentials, NotReady
from core.supervisor import Channel, Pace, State, Supervisor, backoff, why_off
from tests.fakes import FakeAdapter, FakeBot, NoCursors, nowhere

QUICK = Pace(first_retry=0.001, longest_retry=0.002, probe_every=0.001, drain_limit=0.2, stop_limit=0.05)


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
