import hypothesis
from hypothesis import given
from hypothesis import strategies as st

from core.conversation.cut import MARK, cut, level
from core.conversation.tokens import estimate


@hypothesis.settings(deadline=None)
@given(st.text(max_size=2000), st.integers(0, 300), st.sampled_from([len, estimate, lambda text: len(text.split())]))
def test_a_cut_text_fits_and_shows_where_it_was_cut(text, limit, count):
    shorter = cut(text, limit, count)
    assert count(shorter) <= limit
    if shorter != text and shorter:
        head, tail = shorter.split(MARK, 1) if text.count(MARK) == 0 else ("", "")
        assert text.startswith(head)
        assert text.endswith(tail)


def test_a_text_that_fits_stays_as_it_is():
    assert cut("as it is", 8, len) == "as it is"


def test_no_more_is_cut_than_needed():
    assert 90 <= estimate(cut("word " * 10_000, 100, estimate)) <= 100


def test_a_long_text_is_counted_only_a_few_times():
    asked = []
    cut("x y " * 30_000 + "漢字" * 10_000, 500, lambda text: asked.append(text) or estimate(text))
    assert sum(map(len, asked)) < 2 * 140_000


@hypothesis.settings(deadline=None)
@given(st.lists(st.integers(0, 100), max_size=8), st.integers(0, 500))
def test_a_level_lets_in_as_much_as_the_room_holds(sizes, room):
    capped = [min(size, level(sizes, room)) for size in sizes]
    assert sum(capped) <= room
    assert capped == sizes or sum(capped) > room - len(sizes)
