"""The question of consent: what is shown is what is done, and only who was asked agrees."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from core.language.names import SPOKEN
from core.model.consent import (
    LARGEST,
    LASTS,
    Verdict,
    choices,
    decode,
    encode,
    is_too_large,
    opened,
    question,
    report,
    verdict,
)
from core.model.converse import Confirm
from core.model.port import ChatMessage, ToolCall

NOW = 1000.0


def asked(*calls, results=()):
    calls = calls or (ToolCall("c1", "order", '{"pizza": "Funghi", "size": 2}'),)
    return opened(Confirm(calls, (ChatMessage("assistant", "Let me see.", calls=calls), *results)), "p:ann", "en", NOW)


def judged(text, pending, *, account="p:ann", now=NOW + 1, language="en"):
    return verdict(text, account, pending, now, language)


def pressed(pending, answer="yes"):
    return f"consent:{pending.id}:{answer}"


def code_in(markdown):
    """The text of the one code block, and whatever else there is."""
    tokens = MarkdownIt().parse(markdown)
    (fence,) = [token for token in tokens if token.type == "fence"]
    return fence.content, "".join(token.content for token in tokens if token.type == "inline")


def test_the_question_shows_the_call_with_all_its_arguments():
    shown, around = code_in(question(asked(), "en"))
    assert shown == 'order\n  pizza: "Funghi"\n  size: 2\n'
    assert around.startswith("Shall I do this?")


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=200), max_size=30), st.text(min_size=1, max_size=20))
def test_no_argument_gets_out_of_the_question(arguments, name):
    shown, around = code_in(question(asked(ToolCall("c1", name, json.dumps(arguments))), "en"))
    assert around == "Shall I do this?"
    assert len(shown.splitlines()) == 1 + len(arguments)


def test_what_cannot_be_seen_is_written_out():
    shown, _ = code_in(question(asked(ToolCall("c1", "pay", json.dumps({"to": "Ann\u202e\u200b\nconfirm"}))), "en"))
    assert shown == 'pay\n  to: "Ann\\u202e\\u200b\\nconfirm"\n'


def test_a_long_argument_is_cut_where_everybody_sees_it():
    shown, _ = code_in(question(asked(ToolCall("c1", "mail", json.dumps({"text": "word " * 1000}))), "en"))
    assert "… (+" in shown
    assert len(shown) < 400


def test_no_argument_is_hidden_behind_others_or_inside_one():
    many = {f"name{n}": n for n in range(60)}
    nested = {"order": {"note": "x" * 900, "tip": 1000, "to": ["ann", {"cc": "eve"}], "gift": {}}}
    shown, _ = code_in(question(asked(ToolCall("c1", "order", json.dumps(many | nested))), "en"))
    assert all(f"  {name}: {n}\n" in shown for name, n in many.items())
    assert [line.partition(": ")[0] for line in shown.splitlines()[61:]] == [
        *("  order.note", "  order.tip", "  order.to.1", "  order.to.2.cc", "  order.gift"),
    ]
    assert '  order.to.2.cc: "eve"' in shown


def test_what_would_be_too_long_to_show_whole_is_not_asked_about():
    assert not is_too_large(asked(ToolCall("c1", "order", json.dumps({f"name{n}": n for n in range(60)}))))
    assert is_too_large(asked(ToolCall("c1", "order", json.dumps({f"name{n}": n for n in range(600)}))))


def test_many_calls_still_make_a_short_question():
    calls = [ToolCall(f"c{n}", "mail", json.dumps({"to": "x" * 500, "text": "y" * 500})) for n in range(8)]
    assert len(question(asked(*calls), "en")) < 1000


@pytest.mark.parametrize(("answer", "means"), [("yes", Verdict.AGREED), ("no", Verdict.REFUSED)])
def test_a_pressed_button_answers(answer, means):
    pending = asked()
    assert judged(pressed(pending, answer), pending) is means
    assert pressed(pending, answer) in {choice.value for choice in choices(pending, "de")}
    assert all(len(choice.value.encode()) <= 64 for choice in choices(pending, "de"))


@pytest.mark.parametrize(
    "word", ["yes", "Ja!", "sí", "Oui.", "sim", "да", "نعم", "हाँ", "好的", "はい", "OK", "ja, gerne", "jo"]
)
def test_a_typed_yes_counts_in_each_language(word):
    expected = Verdict.PASSED_OVER if "," in word else Verdict.AGREED
    assert judged(word, asked(), language="en") is expected


@pytest.mark.parametrize("word", ["no", "Nein", "no.", "non", "não", "нет", "لا", "नहीं", "不", "いいえ"])
def test_a_typed_no_counts_in_each_language(word):
    assert judged(word, asked(), language="en") is Verdict.REFUSED


def test_anything_else_is_no_consent():
    assert judged("yes, but with olives", asked()) is Verdict.PASSED_OVER
    assert judged("What does it cost?", asked()) is Verdict.PASSED_OVER


def test_nobody_else_can_agree():
    pending = asked()
    assert judged(pressed(pending), pending, account="p:ben") is Verdict.FOREIGN
    assert judged("yes", pending, account="p:ben") is Verdict.NONE


def test_an_old_question_is_not_answered_any_more():
    pending = asked()
    assert judged(pressed(pending), pending, now=NOW + LASTS) is Verdict.EXPIRED
    assert judged("yes", pending, now=NOW + LASTS) is Verdict.EXPIRED
    assert judged("What now?", pending, now=NOW + LASTS) is Verdict.PASSED_OVER


def test_a_press_for_another_question_answers_none():
    pending, other = asked(), asked()
    assert judged(pressed(other), pending) is Verdict.EXPIRED
    assert judged(pressed(other), None) is Verdict.EXPIRED


def test_without_a_question_yes_is_just_a_word():
    assert judged("yes", None) is Verdict.NONE
    assert judged("consent: what is that?", None) is Verdict.NONE


def test_what_is_stored_is_read_back_and_holds_no_word_twice():
    pending = asked(results=(ChatMessage("tool", "9.50", call_id="c0"),))
    assert decode(encode(pending)) == pending
    assert "Let me see" not in encode(pending)


@pytest.mark.parametrize("stored", ["", "{", "[]", '{"id": 1}', msgspec.json.encode({"id": "x"}).decode()])
def test_garbage_is_no_question(stored):
    assert decode(stored) is None


def test_long_results_are_cut_until_the_question_can_be_kept():
    results = tuple(ChatMessage("tool", "x" * 8000, call_id=f"r{n}") for n in range(7))
    assert len(encode(asked(results=results))) <= LARGEST
    assert is_too_large(asked(ToolCall("c1", "mail", json.dumps({"text": "x" * 20_000}))))


def test_the_report_tells_what_became_of_what_was_agreed_to_and_nothing_else():
    pending = asked()
    done = (
        ChatMessage("tool", "9.50", name="price", call_id="c0"),
        ChatMessage("tool", "ordered ```", name="order", call_id="c1"),
    )
    assert code_in(report(pending, done)) == ("order: ordered ```\n", "")


@pytest.mark.parametrize("language", SPOKEN)
def test_the_question_is_put_in_each_language(language):
    assert "order" in question(asked(), language)
    assert len({choice.label for choice in choices(asked(), language)}) == 2
