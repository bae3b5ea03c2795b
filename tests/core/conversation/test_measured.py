"""What was measured once is not measured again."""

from hypothesis import given
from hypothesis import strategies as st

from core.conversation import tokens
from core.conversation.tokens import Measured


@given(st.lists(st.text(max_size=40), max_size=40))
def test_a_text_measures_the_same_whatever_was_measured_before(texts):
    measured = Measured(most=3)
    assert [measured(text) for text in texts] == [tokens._measure(text) for text in texts]


def test_a_text_seen_lately_is_not_measured_again():
    measured = Measured()
    assert measured("so it is") is measured("so " + "it is")


def test_what_is_kept_is_bounded_and_the_newest_stay():
    measured = Measured(most=10)
    first = measured("message 0")
    for number in range(1, 15):
        measured(f"message {number}")
    assert len(measured) <= 20
    assert measured("message 0") is first


def test_long_past_texts_are_forgotten():
    measured = Measured(most=10)
    first = measured("message 0")
    for number in range(1, 40):
        measured(f"message {number}")
    assert measured("message 0") is not first
