import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.conversation.tokens import CLASSES, NOTHING, PER_MESSAGE, estimate, measure, measure_prompt


def largest(text):
    """The class that most of a text's tokens are put down to."""
    units = measure(text)
    return CLASSES[units.index(max(units))]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("What is the name of the street that you live in?", "english"),
        ("Die Straße, in der ich wohne, ist nicht weit von hier.", "latin"),
        ("Как называется эта улица", "cyrillic"),
        ("ما اسم هذا الشارع", "arabic"),
        ("מה שם הרחוב הזה", "arabic"),
        ("इस सड़क का नाम क्या है", "indic"),
        ("Πώς λέγεται ο δρόμος", "indic"),
        ("这条街叫什么名字", "han"),
        ("このとおりのなまえはなんですか", "kana"),
        ("이 거리의 이름은 무엇입니까", "kana"),
        ("🎉🚀😀", "emoji"),
        ("0123456789 31415926", "digits"),
        ("{[()]}: <=> |||", "marks"),
    ],
)
def test_each_script_is_told_apart(text, name):
    assert largest(text) == name


def test_an_empty_text_has_no_tokens_and_any_other_at_least_one():
    assert estimate("") == 0
    assert estimate(" ") == estimate("\x00") == 1


def test_a_document_in_two_languages_lies_between_them():
    english, german = (
        "This is what the people say to you. " * 20,
        "Das ist nicht für die Menschen, und es wird auch nie. " * 20,
    )
    apart = estimate(english) + estimate(german)
    assert estimate(english + german) == pytest.approx(apart, rel=0.1)


def test_digits_are_counted_in_groups_of_three():
    assert measure("123") == measure("1")
    assert measure("1234") == measure("12 34") > measure("123")


def test_a_rare_character_costs_more_than_a_common_one():
    assert estimate("ᚠᚢᚦᚨᚱᚲ") > estimate("фывапр")
    assert estimate("𒀀𒀁𒀂") >= 3


def test_every_message_of_a_prompt_has_its_frame():
    assert measure_prompt([]) == NOTHING
    assert sum(measure_prompt(["", ""])) == 2 * PER_MESSAGE


@hypothesis.settings(deadline=None)
@given(st.text(st.characters(exclude_categories=[]), max_size=300))
def test_any_text_has_an_estimate_that_its_bytes_bound(text):
    assert 0 <= estimate(text) <= 3 * len(text.encode("utf-8", "surrogatepass")) + 1


@hypothesis.settings(deadline=None)
@given(st.text(max_size=200), st.integers(2, 5))
def test_a_text_that_is_repeated_costs_about_as_many_times_as_much(text, times):
    once, often = sum(measure(text + "\n")), sum(measure((text + "\n") * times))
    assert often <= 1.5 * times * once + 2
