"""What can go wrong, by what to do next."""

import pytest

from core.errors import BadCredentials, NotReady, Throttled, Unavailable, Unconfirmed, Undeliverable, setting_up


@pytest.mark.parametrize("error", [Unavailable("away"), Unconfirmed("lost"), Throttled(1)])
def test_what_stops_a_start_for_now_is_tried_again(error):
    with pytest.raises(NotReady) as told, setting_up("Plain", ": look at PLAIN_SECRET"):
        raise error
    assert str(told.value) == f"Plain cannot be reached: {error}"


def test_what_is_refused_at_the_start_needs_an_admin_who_is_told_what_to_do():
    with (
        pytest.raises(BadCredentials, match=r"^forbidden: look at PLAIN_SECRET$"),
        setting_up("Plain", ": look at PLAIN_SECRET"),
    ):
        raise Undeliverable("forbidden")
