import itertools

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.conversation.context import LEAST, fit
from core.conversation.cut import MARK
from core.conversation.entry import Entry, content
from core.conversation.settings import ContextSettings
from core.conversation.summary import Summary
from core.conversation.tokens import PER_MESSAGE, estimate

STRATEGIES = ["window", "importance", "summarize", "auto"]
SYSTEM = "Be brief."


def words(text):
    return len(text.split())


def settings(strategy="window", **keys):
    return ContextSettings(strategy=strategy, **{"importance_above": 40, "summarize_above": 80, **keys})


def said(*texts):
    return [Entry("assistant" if at % 2 else "user", text) for at, text in enumerate(texts)]


def tool(unit, call, result):
    return [Entry("assistant", "", unit=unit, calls=call), Entry("tool", result, unit=unit)]


def texts(window):
    return [entry.text for entry in window.history]


def total(window, count):
    """What a window really holds, counted anew."""
    parts = [Entry("user", window.system), *window.history, window.newest, *window.since]
    if window.summary:
        parts.append(Entry("user", window.summary))
    return sum(PER_MESSAGE + count(entry.text) + count(entry.name) + count(entry.calls) for entry in parts)


plain = st.builds(
    Entry,
    role=st.sampled_from(["user", "assistant"]),
    text=st.one_of(
        st.sampled_from(["yes", "ok?", "remember this"]),
        st.text(max_size=60),
        st.integers(1, 60).map(lambda times: "word " * times),
    ),
    name=st.sampled_from(["", "Ada", "B" * 100]),
    pinned=st.booleans(),
)
in_unit = st.builds(
    Entry,
    role=st.sampled_from(["assistant", "tool"]),
    text=st.text(max_size=60),
    unit=st.sampled_from(["u1", "u2", "u3"]),
    calls=st.sampled_from(["", '{"a": 1}', '{"b": "' + "x" * 90 + '"}']),
)
histories = st.lists(st.one_of(plain, plain, in_unit), max_size=25)
long_texts = st.one_of(st.text(max_size=50), st.text(min_size=1, max_size=30).map(lambda text: text * 60))
newest_entries = st.builds(Entry, role=st.just("user"), text=long_texts, name=st.sampled_from(["", "Ada", "B" * 500]))
counts = st.sampled_from([estimate, len, words, lambda text: len(text.encode("utf-8", "surrogatepass"))])
budgets = st.integers(LEAST, 700)
summaries = st.none() | st.builds(Summary, text=st.text(max_size=300), upto=st.integers(0, 30))


@hypothesis.settings(deadline=None)
@given(long_texts, histories, newest_entries, budgets, st.sampled_from(STRATEGIES), counts, summaries, histories)
def test_whatever_the_history_the_budget_holds_and_the_turn_is_inside(
    system, history, newest, budget, strategy, count, summary, since
):
    window = fit(system, history, newest, budget, settings(strategy), count=count, summary=summary, since=since)
    assert total(window, count) == window.tokens <= budget
    assert [history[at] for at in window.kept] == list(window.history)
    assert list(window.kept) == sorted(set(window.kept))
    assert window.dropped == len(history) - len(window.history)
    for given_text, kept_text in ((system, window.system), (newest.text, window.newest.text)):
        assert kept_text == given_text or (window.is_cut and MARK in kept_text)


@hypothesis.settings(deadline=None)
@given(long_texts, histories, newest_entries, budgets, st.sampled_from(STRATEGIES), summaries, histories)
def test_a_tool_call_and_its_result_are_never_parted(system, history, newest, budget, strategy, summary, since):
    window = fit(system, history, newest, budget, settings(strategy), count=estimate, summary=summary, since=since)
    for before, after in ((history, window.history), (since, window.since)):
        for unit in {entry.unit for entry in after if entry.unit}:
            assert sum(entry.unit == unit for entry in after) == sum(entry.unit == unit for entry in before)
    called = {entry.unit for entry in window.history if entry.role == "assistant"}
    assert {entry.unit for entry in window.history if entry.role == "tool"} <= called


@hypothesis.settings(deadline=None)
@given(long_texts, histories, newest_entries, budgets, st.integers(0, 400))
def test_a_bigger_budget_never_drops_what_a_smaller_one_kept(system, history, newest, budget, more):
    small, large = (
        fit(system, history, newest, tokens, settings(), count=estimate) for tokens in (budget, budget + more)
    )
    assert set(small.kept) <= set(large.kept)


@hypothesis.settings(deadline=None)
@given(histories, budgets, st.sampled_from(STRATEGIES))
def test_equal_texts_are_not_confused(history, budget, strategy):
    same = [replace(entry, text="yes") for entry in history]
    window = fit(SYSTEM, same, Entry("user", "yes"), budget, settings(strategy), count=estimate)
    assert [same[at] for at in window.kept] == list(window.history)
    assert len(set(window.kept)) == len(window.history)


@hypothesis.settings(deadline=None)
@given(histories, newest_entries, budgets, st.sampled_from(STRATEGIES))
def test_counts_that_are_stored_give_the_same_window_and_nothing_is_counted_again(history, newest, budget, strategy):
    stored = [replace(entry, tokens=content(entry, estimate)) for entry in history]
    asked = []
    expected = fit(SYSTEM, history, newest, budget, settings(strategy), count=estimate)
    found = fit(
        SYSTEM, stored, newest, budget, settings(strategy), count=lambda text: asked.append(text) or estimate(text)
    )
    assert found.kept == expected.kept
    assert len(asked) < 40


def test_the_newest_messages_stay_in_their_order():
    window = fit(SYSTEM, said(*"abcdefgh"), Entry("user", "now"), LEAST, settings(messages=3), count=words)
    assert texts(window) == ["f", "g", "h"]
    assert window.dropped == 5


def test_no_message_is_counted_that_cannot_go_in():
    asked = []
    history = said(*["some words " * 20] * 200)
    window = fit(
        SYSTEM, history, Entry("user", "now"), 500, settings(), count=lambda text: asked.append(text) or estimate(text)
    )
    assert len(asked) <= len(window.history) + 4


def test_a_message_that_is_too_long_loses_its_middle_visibly():
    newest = Entry("user", "BEGIN " + "word " * 5000 + "END")
    window = fit(SYSTEM, said("a", "b"), newest, 200, settings(), count=estimate)
    assert window.system == SYSTEM
    assert window.newest.text.startswith("BEGIN word")
    assert window.newest.text.endswith("word END")
    assert MARK in window.newest.text
    assert 180 <= window.tokens <= 200


def test_no_history_goes_in_beside_something_that_was_left_out():
    newest = Entry("user", ": " * 60, name="B" * 500)
    window = fit("00" * 60, said("yes"), newest, 121, settings(), count=estimate)
    assert (window.is_cut, window.history) == (True, ())


def test_a_system_prompt_that_is_too_long_leaves_the_turn_a_quarter():
    window = fit("rule " * 5000, [], Entry("user", "word " * 5000), 400, settings(), count=estimate)
    assert estimate(window.newest.text) in range(80, 101)
    assert window.tokens in range(380, 401)


def test_a_short_question_stays_whole_under_a_system_prompt_that_is_too_long():
    window = fit("rule " * 5000, [], Entry("user", "what now?"), 400, settings(), count=estimate)
    assert window.newest.text == "what now?"


def test_a_huge_tool_result_is_cut_and_its_call_and_the_question_stay_whole():
    since = tool("u1", '{"name": "read", "arguments": {"path": "a.txt"}}', "line of text\n" * 5000)
    window = fit(
        SYSTEM, said("a", "b"), Entry("user", "what is in the file?"), 400, settings(), count=estimate, since=since
    )
    assert window.newest.text == "what is in the file?"
    assert window.since[0] == since[0]
    assert MARK in window.since[1].text


def test_a_call_whose_result_is_not_in_the_history_is_left_out():
    orphans = [
        Entry("tool", "42", unit="u0"),
        *said("a", "b"),
        Entry("assistant", "", unit="u9", calls='{"name": "x"}'),
    ]
    window = fit(SYSTEM, orphans, Entry("user", "now"), 1000, settings(), count=estimate)
    assert texts(window) == ["a", "b"]


def test_a_pinned_message_outlives_those_after_it():
    history = [Entry("user", "I am called Ada", pinned=True), *said(*["some talk " * 10] * 20)]
    for strategy in STRATEGIES:
        window = fit(SYSTEM, history, Entry("user", "who am I?"), 200, settings(strategy), count=estimate)
        assert window.kept[0] == 0
        assert window.kept[-1] == 20


def test_pinned_messages_leave_half_of_the_room_to_the_conversation():
    history = [*(Entry("user", "pinned words " * 10, pinned=True) for _ in range(30)), *said(*["talk"] * 10)]
    window = fit(SYSTEM, history, Entry("user", "now"), 400, settings(), count=estimate)
    assert texts(window)[-10:] == ["talk"] * 10
    assert "pinned words " * 10 in texts(window)


def test_a_pinned_message_that_finds_room_never_pushes_out_an_older_one():
    history = [*(Entry("user", "word " * length, pinned=True) for length in (10, 40)), *said(*["talk"] * 40)]
    kept = [
        set(fit(SYSTEM, history, Entry("user", "now"), tokens, settings(), count=words).kept)
        for tokens in range(LEAST, 200)
    ]
    assert all(small <= large for small, large in itertools.pairwise(kept))
    assert {0, 1} <= kept[-1]


@pytest.mark.parametrize(
    "marked",
    [
        "Please remember: I am allergic to nuts.",
        "Wichtig: ich bin gegen Nüsse allergisch.",
        "Je m’appelle Ada et je viens demain.",
        "Le de\u0301lai est court cette fois.",
        "Recuerda que soy alérgica.",
        "Lembre que tenho alergia.",
        "Запомни: у меня аллергия.",
        "تذكر أن لدي حساسية.",
        "याद रखना, मुझे एलर्जी है।",
        "请记住我对坚果过敏",
        "覚えてください、ナッツアレルギーです",
    ],
)
def test_importance_keeps_what_is_marked_in_any_language(marked):
    history = said(
        *["Some small talk about the weather and more."] * 20, marked, "Fine.", *["More small talk about it."] * 40
    )
    window = fit(SYSTEM, history, Entry("user", "now"), 300, settings("importance"), count=estimate)
    assert marked in texts(window)
    assert window.kept[-1] == len(history) - 1


def test_importance_looks_only_for_the_languages_that_are_set_and_for_words_of_ones_own():
    history = said(
        "Wichtig ist mir das hier sehr",
        "Good",
        "The zebra-house stays in the garden",
        "Good",
        *["small talk of ours"] * 60,
    )
    keys = {"languages": ("en",), "marked_words": ("Zebra-House",)}
    window = fit(SYSTEM, history, Entry("user", "now"), 250, settings("importance", **keys), count=estimate)
    assert "The zebra-house stays in the garden" in texts(window)
    assert "Wichtig ist mir das hier sehr" not in texts(window)


def test_importance_prefers_a_question_and_its_answer_to_small_talk():
    history = said(
        *["ok"] * 10,
        "Which port does the server use by default?",
        "It is 8080, as the page says.",
        *["well well, I see what you mean"] * 30,
    )
    window = fit(SYSTEM, history, Entry("user", "now"), 200, settings("importance"), count=estimate)
    assert {10, 11} <= set(window.kept)


def test_a_summary_stands_for_what_it_covers_and_the_rest_follows():
    history = said(*"abcdefgh")
    summary = Summary("They spoke of a to e.", upto=105)
    window = fit(
        SYSTEM, history, Entry("user", "now"), 1000, settings("summarize"), count=estimate, summary=summary, first=100
    )
    assert texts(window) == ["f", "g", "h"]
    assert "They spoke of a to e." in window.summary


def test_without_a_summary_the_newest_messages_fill_the_window():
    history = said(*"abcdefgh")
    window = fit(SYSTEM, history, Entry("user", "now"), 1000, settings("summarize"), count=estimate)
    assert texts(window) == list("abcdefgh")


def test_a_summary_of_a_session_that_is_over_is_not_used():
    window = fit(
        SYSTEM,
        said("a"),
        Entry("user", "now"),
        1000,
        settings("summarize"),
        count=estimate,
        summary=Summary("old secret", 40),
    )
    assert "old secret" not in window.summary
    assert texts(window) == ["a"]


def test_a_summary_never_takes_more_than_half_of_the_room():
    window = fit(
        SYSTEM,
        said("a"),
        Entry("user", "now"),
        200,
        settings("summarize"),
        count=estimate,
        summary=Summary("fact " * 900, 1),
    )
    assert MARK in window.summary
    assert estimate(window.summary) <= 100


@pytest.mark.parametrize(("length", "is_summarised", "gaps"), [(3, False, False), (7, False, True), (40, True, False)])
def test_auto_goes_by_the_size_of_the_history(length, is_summarised, gaps):
    question = "Which number did I say?"
    history = said(*[question if at == 0 else "fine then" for at in range(length)])
    keys = settings("auto", importance_above=30, summarize_above=100, messages=4)
    window = fit(SYSTEM, history, Entry("user", "now"), 500, keys, count=estimate, summary=Summary("Numbers.", 1))
    assert bool(window.summary) == is_summarised
    assert (0 in window.kept and len(window.kept) < length) == gaps


def test_a_budget_below_the_least_is_refused():
    with pytest.raises(ValueError, match="at least 64"):
        fit("", [], Entry("user", ""), LEAST - 1, settings(), count=estimate)
