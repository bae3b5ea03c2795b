"""Markdown as Discord shows it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.discord.render import message, render
from core.events import Choice, Part

LIVE = re.compile(r"@everyone|@here|<@[!&]?\d+>|<#\d+>")


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("**a** *b* ~~c~~ `d`", "**a** *b* ~~c~~ `d`"),
        ("snake_case \\*x\\*", "snake\\_case \\*x\\*"),
        ("# one\n\n#### four", "# one\n\n**four**"),
        ("- a\n- b\n  - c", "- a\n- b\n  - c"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("> a\n> > b", "> a\n> \n> b"),
        ("```py\nx\n```", "```py\nx\n```"),
        ("| a | bb |\n|---|---|\n| 1 | 2 |", "```\na  bb\n-  --\n1  2\n```"),
        ("[label](https://a.b/c_d)", "[label](<https://a.b/c_d>)"),
        ("<https://a.b>", "<https://a.b>"),
        ("[https://bank.example](https://evil.example)", "https://bank.example (<https://evil.example>)"),
        ("![alt](https://a.b/i.png)", "[alt](<https://a.b/i.png>)"),
        ("[x](javascript:alert(1))", "\\[x\\](javascript:alert(1))"),
        ("[x][1]\n\n[1]: https://a.b/?q=1", "[x](<https://a.b/?q=1>)"),
        ("see https://a.b/c_d", "see https://a.b/c_d"),
        ("a line\n\\# not a heading", "a line\n\\# not a heading"),
        ("<t:1:R> ||spoiler||", "\\<t:1:R> \\|\\|spoiler\\|\\|"),
    ],
)
def test_markdown_is_shown_as_discord_can(markdown, shown):
    assert render(markdown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "@everyone",
        "`@here`",
        "```\n<@1>\n```",
        "<@!2> <@&3> <#4>",
        "@![]()everyone",
        "@**everyone**",
        "https://a/@everyone",
    ],
)
def test_nothing_that_looks_like_a_mention_is_live(text):
    assert not LIVE.search(render(text))


_words = st.sampled_from(
    ["@", "everyone", "here", "<@1>", "<@&2>", "<#3>", "`", "```", "*", "_", "[", "](", ")", "![", "\n", "\\"]
)


@settings(deadline=None)
@given(st.lists(_words | st.text(max_size=4), max_size=12).map("".join))
def test_no_text_whatever_makes_a_live_mention_or_an_error(markdown):
    assert not LIVE.search(render(markdown))


@settings(deadline=None)
@given(st.text(alphabet="`ab\n", max_size=30))
def test_code_cannot_break_out_of_its_fence(literal):
    inner = render("~~~~~\n" + literal.replace("~", "") + "\n~~~~~").removeprefix("```").removesuffix("```")
    assert "```" not in inner


def test_buttons_stand_in_rows_of_five_and_no_preview_or_ping_is_asked_for():
    body = message(Part("hi", tuple(Choice(f"c{number}" * 50, str(number)) for number in range(30))))
    assert [len(row["components"]) for row in body["components"]] == [5, 5, 5, 5, 5]
    assert max(len(button["label"]) for row in body["components"] for button in row["components"]) == 80
    assert body["flags"] == 4
    assert body["allowed_mentions"] == {"parse": [], "replied_user": False}
