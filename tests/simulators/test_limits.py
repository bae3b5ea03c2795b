"""Limits are counted as the platforms count them; silence is the same everywhere."""

import asyncio

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.discord import DiscordSimulator
from simulators.limits import Limit, Meter
from simulators.slack import SlackSimulator
from simulators.telegram import TelegramSimulator
from simulators.twilio import TwilioSimulator


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


WINDOW, BUCKET = Limit(3, 10.0), Limit(3, 30.0, leaks=True)


def test_a_window_is_full_until_it_is_over():
    clock = Clock()
    meter = Meter(clock, enabled=True)
    assert [meter.take((WINDOW, "a")) for _ in range(4)] == [0, 0, 0, 10.0]
    clock.now += 4
    assert meter.take((WINDOW, "a")) == 6.0
    assert meter.take((WINDOW, "b")) == 0
    clock.now += 6
    assert [meter.take((WINDOW, "a")) for _ in range(4)] == [0, 0, 0, 10.0]


def test_a_bucket_leaks_drop_by_drop():
    clock = Clock()
    meter = Meter(clock, enabled=True)
    assert [meter.take((BUCKET, "a")) for _ in range(4)] == [0, 0, 0, 10.0]
    clock.now += 10
    assert [meter.take((BUCKET, "a")) for _ in range(2)] == [0, 10.0]


def test_a_call_that_one_limit_refuses_is_not_counted_by_another():
    meter = Meter(Clock(), enabled=True)
    for _ in range(4):
        meter.take((WINDOW, "a"), (Limit(100, 1.0), ""))
    assert meter.left(Limit(100, 1.0), "").calls == 97


def test_without_limits_nothing_is_refused():
    meter = Meter(Clock(), enabled=False)
    assert [meter.take((WINDOW, "a")) for _ in range(10)] == [0] * 10


@given(st.lists(st.floats(0, 5), max_size=60), st.sampled_from([WINDOW, BUCKET]))
def test_never_more_than_the_limit_and_its_burst_within_any_time(pauses, limit):
    clock = Clock()
    meter = Meter(clock, enabled=True)
    taken = []
    for pause in pauses:
        clock.now += pause
        wait = meter.take((limit, ""))
        assert wait >= 0
        if not wait:
            taken.append(clock.now)
    for start in taken:
        within = sum(start <= at < start + limit.seconds for at in taken)
        assert within <= 2 * limit.calls


LIVENESS = {
    "slack": "/api/auth.test",
    "telegram": f"/bot{TelegramSimulator.token}/getMe",
    "discord": "/api/v10/users/@me",
    "whatsapp": "/2010-04-01/Accounts/AC00000000000000000000000000000001.json",
}


@pytest.mark.parametrize("kind", [SlackSimulator, TelegramSimulator, DiscordSimulator, TwilioSimulator])
async def test_a_silent_platform_answers_no_call_and_does_again_when_it_speaks(kind):
    async with kind() as simulator, aiohttp.ClientSession() as http:
        simulator.faults.silent = True
        call = asyncio.create_task(http.get(simulator.url + LIVENESS[simulator.platform]))
        done, _ = await asyncio.wait([call], timeout=0.15)
        assert not done
        simulator.faults.silent = False
        async with asyncio.timeout(5), await call as answer:
            assert answer.status < 500
