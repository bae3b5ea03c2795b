import pytest

from core.model.breaker import Admission, Breaker, State


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(window=30, calls=20, share=0.5, probe_every=5, now=clock)


def record(breaker: Breaker, good: int = 0, bad: int = 0) -> None:
    for _ in range(good):
        breaker.record(Admission.CALL, good=True)
    for _ in range(bad):
        breaker.record(Admission.CALL, good=False)


@pytest.mark.parametrize(
    ("good", "bad", "state"),
    [(0, 19, State.CLOSED), (0, 20, State.OPEN), (10, 10, State.OPEN), (11, 10, State.CLOSED), (100, 99, State.CLOSED)],
)
def test_it_opens_at_half_of_at_least_twenty(breaker, good, bad, state):
    record(breaker, good, bad)
    assert breaker.state is state


def test_failures_of_long_ago_do_not_count(breaker, clock):
    record(breaker, bad=19)
    clock.time += 32
    record(breaker, bad=1)
    assert breaker.admit() is Admission.CALL


def test_one_probe_every_five_seconds_asks_whether_it_is_back(breaker, clock):
    record(breaker, bad=20)
    admitted = []
    for _ in range(20):
        clock.time += 1
        admitted.append(breaker.admit())
    assert admitted.count(Admission.PROBE) == 4
    assert Admission.CALL not in admitted


def test_a_good_probe_closes_it_and_forgets_the_failures(breaker, clock):
    record(breaker, bad=20)
    clock.time += 5
    breaker.record(breaker.admit(), good=True)
    record(breaker, bad=19)
    assert breaker.state is State.CLOSED


def test_a_bad_probe_keeps_it_open(breaker, clock):
    record(breaker, bad=20)
    clock.time += 5
    breaker.record(breaker.admit(), good=False)
    assert breaker.state is State.OPEN
    assert breaker.admit() is None


def test_a_probe_that_was_given_up_makes_way_for_the_next(breaker, clock):
    record(breaker, bad=20)
    clock.time += 5
    breaker.admit()
    assert breaker.state is State.HALF_OPEN
    assert breaker.admit() is None
    clock.time += 5
    assert breaker.admit() is Admission.PROBE


def test_calls_that_were_under_way_when_it_opened_do_not_close_it(breaker):
    record(breaker, bad=20)
    record(breaker, good=50)
    assert breaker.state is State.OPEN
