"""Markdown as Slack shows it, and what it may never do there."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.slack.render import Mrkdwn, blocks, render
from core.events import Choice
from simulators.slack.display import show

NASTY = st.text(
    st.sampled_from("<>!@#|&*_~`[]()\\\n :/ahttpschannelU1\u200b\ue000\ue001-+.\"'") | st.characters(), max_size=80
)
PIECES = """<!channel> <@U1> <#C1> [x]( !channel #C1 @U1 ) ** _ ` ``` | <https://a.b> ![ ]( https://a.b &lt; ~~ [x]"""
MARKDOWN = NASTY | st.lists(
    st.sampled_from([*PIECES.split(), " ", "\n", "\n\n", "\n> ", "\n- ", "\n[x]: !here\n", "hello "]), max_size=14
).map("".join)


@pytest.mark.parametrize(
    ("markdown", "mrkdwn"),
    [
        ("hello, world", "hello, world"),
        ("**bold** and *thin* and ~~gone~~", "*bold* and _thin_ and ~gone~"),
        ("# Title", "*Title*"),
        ("# A **bold** title", "*A bold title*"),
        ("a < b & c > d", "a &lt; b &amp; c &gt; d"),
        ("<!channel> <@U1> @here", "&lt;!channel&gt; &lt;@U1&gt; @here"),
        ("[docs](https://a.b/?x=1&y=2)", "<https://a.b/?x=1&amp;y=2|docs>"),
        ("[a|b](https://a.b/c|d)", "<https://a.b/c%7Cd|a¦b>"),
        ("<https://a.b>", "<https://a.b>"),
        ("[everyone](!channel)", "everyone (!channel)"),
        ("[general](#C1)", "general (#C1)"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("![cat](https://a.b/cat.png)", "<https://a.b/cat.png|cat>"),
        ("[![cat](https://a.b/cat.png)](https://c.d)", "<https://c.d|cat>"),
        ("`a < b`", "`a &lt; b`"),
        ("```py\nx = [1]\n```", "```\nx = [1]\n```"),
        ("- one\n- two\n  - three", "• one\n• two\n  • three"),
        ("1. one\n2. two", "1. one\n2. two"),
        ("> quoted", "> quoted"),
        ("|a|b|\n|-|-|\n|1|2|", "```\na  b\n-  -\n1  2\n```"),
        ("这是**重点**内容", "这是\u200b*重点*\u200b内容"),
        ("ls *.py ~/notes _x", "ls *.py ~/notes _x"),
        ("2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"),
    ],
)
def test_looks_in_slack(markdown: str, mrkdwn: str) -> None:
    assert render(markdown) == mrkdwn


@pytest.mark.parametrize("literal", [r"\*not bold\*", r"\_not thin\_", r"\~not gone\~", r"\`no code\`"])
def test_literal_signs_do_not_turn_into_formatting(literal: str) -> None:
    assert "<" not in show(render(literal), {})


@given(MARKDOWN)
@example("[x](<!channel>)")
@example("<https://a.b|<!channel>>")
@example("[\ue000<!here>](https://a.b)")
def test_no_markdown_can_notify_anybody(markdown: str) -> None:
    mrkdwn = render(markdown)
    assert not re.search(r"<[!@#]", mrkdwn)
    assert all(
        re.match(r"<(?:https?://|mailto:|tel:)[^<>]*>", mrkdwn[m.start() :], re.I) for m in re.finditer("<", mrkdwn)
    )
    assert "<mark>" not in show(mrkdwn, {})


@given(MARKDOWN)
def test_no_buttons_can_notify_anybody(markdown: str) -> None:
    for block in blocks(render(markdown), [Choice("<!channel>", "a")]):
        if block["type"] == "section":
            assert block["text"]["verbatim"] is True
            assert block["text"]["text"]
            assert not re.search(r"<[!@#]", block["text"]["text"])
        else:
            assert {button["text"]["type"] for button in block["elements"]} == {"plain_text"}


@given(st.text(st.sampled_from("abé ,.;:!?()%/-+='\"1中\u00a0\u3000")) | NASTY)
def test_the_short_way_for_plain_text_changes_nothing(text: str) -> None:
    assert render(text) == Mrkdwn().render(text)
