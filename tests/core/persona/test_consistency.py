import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.persona.consistency import check, repair_hint
from core.persona.settings import Constraint, Personality
from core.persona.tone import adjust


def names(answer, tone="formal", language="en", first_contact=False, **keys):
    rule = Constraint(text="The rule.", **keys)
    personality = Personality(name="Ada", role="x", tone=tone, introduction="I am Ada.", constraints=(rule,))
    return [finding.name for finding in check(answer, personality, language=language, first_contact=first_contact)]


@pytest.mark.parametrize(
    ("answer", "language", "found"),
    [
        ("You are gonna like it.", "en", ["slang"]),
        ("Well done 🎉", "en", ["emoji"]),
        ("Well done!", "en", ["exclamation"]),
        ("It isn’t there.", "en", ["contraction"]),
        ("Wie geht es dir?", "de", ["familiar address"]),
        ("你好！", "zh", ["exclamation"]),
        ("Do not write `don't!` or “gonna”.", "en", []),
        ("> dude, don't!", "en", []),
        ("Done ✅", "en", []),
        ("", "en", []),
    ],
)
def test_a_formal_answer_is_held_against_its_tone(answer, language, found):
    assert names(answer, language=language) == found


def test_a_casual_answer_may_say_all_that():
    assert names("Dude, it isn't!! 🎉", tone="casual") == []
    assert names("Great! It isn't 🎉", tone="professional") == []


@pytest.mark.parametrize(
    ("answer", "keys", "found"),
    [
        ("We **guarantee**\nit.", {"forbid": ["guarantee it"]}, ["forbidden word"]),
        ("We guaranteed it.", {"forbid": ["guarantee"]}, []),
        ("我们保证退款", {"forbid": ["保证"]}, ["forbidden word"]),
        ("Ask a lawyer.", {"require": ["lawyer", "notary"]}, []),
        ("Ask somebody.", {"require": ["lawyer", "notary"]}, ["required word missing"]),
        ("one two three", {"max_words": 3}, []),
        ("one two three four", {"max_words": 3}, ["too long"]),
        ("one `two three four`", {"max_words": 1}, []),
        ("我们保证退款", {"max_words": 3}, []),
        ("Is it so?", {"must_end_with_question": True}, []),
        ("**Is it so?**", {"must_end_with_question": True}, []),
        ("お元気ですか？", {"must_end_with_question": True}, []),
        ("Is it? It is.", {"must_end_with_question": True}, ["no question"]),
    ],
)
def test_a_rule_with_a_form_that_can_be_checked_is_checked(answer, keys, found):
    assert names(answer, **keys) == found


def test_at_first_contact_it_says_its_name():
    assert names("How may I help?", first_contact=True) == ["no introduction"]
    assert names("I am Ada. How may I help?", first_contact=True) == []


def test_the_hint_names_each_fault_once_and_nothing_else():
    personality = Personality(name="Ada", role="x", tone="formal", constraints=({"text": "No.", "forbid": ["a", "b"]},))
    hint = repair_hint(check("a b don't", personality, language="en", first_contact=False))
    assert hint.splitlines()[1:] == [
        "- Write contractions such as 'don't' in full.",
        "- Do not write 'a': No.",
        "- Do not write 'b': No.",
    ]
    assert repair_hint([]) == ""


@given(st.lists(st.sampled_from(["don't", "gonna", "it isn't", "Yeah", "!", "🎉", "Hi", ",", " ", "a"]), max_size=9))
def test_what_the_tone_can_change_is_no_finding_afterwards(words):
    text = adjust(" ".join(words), "formal", "en")
    if text != " ".join(words):
        assert not {"contraction", "emoji"} & set(names(text))


@given(st.text())
def test_no_answer_is_too_odd_to_check(answer):
    names(answer, forbid=["x"], max_words=3, must_end_with_question=True, first_contact=True)
