"""Answers name their sources truly: a mark leads to its document, and an invented one is gone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots._knowledge.citations import Source, address, cited, named, told

REFUNDS = Source(1, "Refunds › How", "refunds.md", "Within 30 days.")
SLACK = Source(2, "Connect Slack", "slack.md", "One app.", "https://docs.example.org/slack.md#connect-slack")
BOTH = (REFUNDS, SLACK)
FIRST, SECOND = "[1] *Refunds › How* (refunds.md)", f"[2] [Connect Slack]({SLACK.url})"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Within 30 days [1].", f"Within 30 days [1].\n\n{FIRST}"),
        ("By one app [2], soon [1].", f"By one app [2], soon [1].\n\n{FIRST}\n{SECOND}"),
        ("Invented [7].", "Invented."),
        ("Half true [1, 7].", f"Half true [1].\n\n{FIRST}"),
        ("Two[1, 2]", f"Two[1][2]\n\n{FIRST}\n{SECOND}"),
        ("Others' ways 【2†slack.md】 [^1]", f"Others' ways [2] [1]\n\n{FIRST}\n{SECOND}"),
        ("A made up link [1](https://evil.example) [9](https://evil.example)", f"A made up link [1]\n\n{FIRST}"),
        ("Code `a[1]` and\n```\nb[2]\n```\n", "Code `a[1]` and\n```\nb[2]\n```\n"),
        ("A year [2024], a box [x], a link [2](", "A year [2024], a box [x], a link [2]("),
        ("Days [1].\n\nSources:\n[1] anything\n- [2] else", f"Days [1].\n\n{FIRST}"),
        ("Days [1].\n\n[1] refunds.md", f"Days [1].\n\n{FIRST}"),
        ("[1] The first thing.\n[2] The other.", f"[1] The first thing.\n[2] The other.\n\n{FIRST}\n{SECOND}"),
        ("So:\n[1] The first.\n\nAnd more [2].", f"So:\n[1] The first.\n\nAnd more [2].\n\n{FIRST}\n{SECOND}"),
        ("Nothing to name", "Nothing to name"),
        ("", ""),
    ],
)
def test_marks_become_footnotes_and_invented_ones_go(said, shown):
    assert cited(said, BOTH) == shown


@pytest.mark.parametrize("mark", ["[9]", "【9†x】", "[9](https://x)"])
@pytest.mark.parametrize("rest", ["pany/leak?d=secret", ".company/leak", "@evil.company"])
def test_a_mark_that_goes_makes_no_link_of_what_stood_around_it(mark, rest):
    assert cited(f"See https://docs.example.com{mark}{rest}", BOTH) == f"See https://docs.example.com {rest}"


@pytest.mark.timeout(20)
def test_an_answer_of_nothing_but_spaces_is_read_once():
    assert cited(" " * 100_000 + "x", BOTH) == " " * 100_000 + "x"


MARKS = st.sampled_from(["word ", "[1]", " [2]", "[9]", "\n", "`", "```\n", "[1, 2]", "(x)", "【1】", "[", "]"])


@given(st.lists(MARKS).map("".join))
def test_whatever_is_said_only_true_sources_are_named(said):
    shown = cited(said, BOTH)
    assert "refunds.md" not in shown or "1" in said
    assert SLACK.url not in shown or "2" in said
    assert "refunds.md" not in cited(said, ())


@given(st.text(max_size=200))
def test_any_text_can_be_cited(said):
    cited(said, BOTH)


@given(st.lists(st.sampled_from(["word ", "[1] ", "[2]. ", "\n\n"]), min_size=1).map("".join).map(str.rstrip))
def test_an_answer_with_true_marks_only_goes_on_in_the_same_message(said):
    assert cited(said + " end", BOTH).startswith(said)


def test_the_model_is_told_the_documents_by_number_and_fenced():
    text = told(BOTH)
    assert "such as [1]" in text
    assert "[document 1: Refunds › How from refunds.md]\n| Within 30 days." in text
    assert told(()) == ""


def test_a_title_cannot_break_out_of_its_link():
    assert named(Source(1, "a](https://evil.example) *b", "f", "", "https://x.example")) == (
        r"[a\](https://evil.example) \*b](https://x.example)"
    )


@pytest.mark.parametrize(
    ("place", "url"),
    [
        ("knowledge/slack.md", "https://docs.example.org/slack.md#x"),
        ("knowledge/api/a b.md", "https://api.example.org/a%20b/#x"),
        ("./knowledge/slack.md", "https://docs.example.org/slack.md#x"),
        ("knowledgebase/slack.md", ""),
        ("handbook.pdf", "https://example.org/handbook#x"),
    ],
)
def test_the_longest_prefix_decides_where_a_document_is_published(place, url):
    addresses = {
        "knowledge/": "https://docs.example.org/",
        "knowledge/api": "https://api.example.org/{page}/",
        "handbook.pdf": "https://example.org/handbook",
    }
    assert address(place, "#x", addresses) == url
