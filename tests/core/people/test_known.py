"""What a process remembers of people between two looks at the store."""

import pytest

from core.people.known import Known

ANN, BOB, CAT = "red:ann", "blue:bob", "green:cat"


@pytest.fixture
def time():
    return [1000.0]


@pytest.fixture
def known(time):
    known = Known(size=2, life=60, clock=lambda: time[0])
    known.is_live.set()
    return known


def is_known(known, *accounts):
    return [known.get(account)[0] for account in accounts]


def test_it_is_kept_for_a_while(known, time):
    known.put(ANN, None, known.mark)
    time[0] += 59
    assert is_known(known, ANN, BOB) == [True, False]
    time[0] += 2
    assert is_known(known, ANN) == [False]


def test_it_is_bounded(known):
    for account in (ANN, BOB, ANN, CAT):
        known.put(account, None, known.mark)
    assert is_known(known, ANN, BOB, CAT) == [True, False, True]


@pytest.mark.parametrize("changed", [[ANN], [BOB], None])
def test_what_was_read_before_a_change_is_not_kept(known, changed):
    before = known.mark
    known.forget(changed)
    known.put(ANN, None, before)
    assert is_known(known, ANN) == [False]
    known.put(ANN, None, known.mark)
    assert is_known(known, ANN) == [True]
