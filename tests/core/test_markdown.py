import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.markdown import Renderer, apart, is_plain, remembered, utf16_units
from tests.adapters.test_contract import PLATFORMS  # noqa: F401 - the adapters' renderers are imported below

from adapters.discord.render import DiscordRenderer  # isort: skip
from adapters.slack.render import Mrkdwn  # isort: skip
from adapters.telegram.render import TelegramRenderer  # isort: skip
from adapters.whatsapp.render import WhatsAppRenderer  # isort: skip

EVERYWHERE = (Renderer(), DiscordRenderer(), Mrkdwn(), TelegramRenderer(), WhatsAppRenderer())

SENTENCES = st.text(alphabet="ab Z.,!?()'-+=1\n", min_size=1, max_size=60)


@given(SENTENCES | st.text())
@example("a\n===")
@example("a\n\nb")
def test_text_that_is_taken_for_plain_looks_the_same_by_way_of_the_tree(text):
    for renderer in (Renderer(), DiscordRenderer(), Mrkdwn(), WhatsAppRenderer()):
        if is_plain(text):
            assert renderer.convert(text) == text


def test_most_sentences_are_plain_and_anything_that_could_be_markup_is_not():
    assert is_plain("Hello there, how are you?\nI am well.\n\nReally!")
    for text in (
        "*a*",
        "- a",
        "1. a",
        "a `b`",
        "a [b](c)",
        "a @b",
        "http://a.b",
        "a\n# b",
        "a\n\n\nb",
        "a  \nb",
        "a <b",
    ):
        assert not is_plain(text), text


@given(st.text())
def test_no_text_breaks_the_walk(text):
    Renderer().render(text)


def test_a_document_in_plain_text():
    document = "# Title\n\n- a *b*\n  - c\n\n1. one\n2. two\n\n> quoted\n\n| a | b |\n|---|---|\n| 1 | 22 |\n\n![i](http://e.x/i.png)"
    assert Renderer().render(document) == (
        "Title\n\n• a b\n  • c\n\n1. one\n2. two\n\n> quoted\n\na  b\n-  --\n1  22\n\ni (http://e.x/i.png)"
    )


def test_a_platform_that_formats_by_marks_only_names_them():
    class Marked(Renderer):
        bold, italic, struck, bullet = "+", "/", "-", "*"

    assert Marked().render("# Title\n\n- **a** *b*\n- ~~c~~ **![]()**") == "+Title+\n\n* +a+ /b/\n* -c- "


def test_what_is_measured_and_then_sent_is_rendered_once():
    class Counting(Renderer):
        walks = 0

        def convert(self, markdown):
            self.walks += 1
            return super().convert(markdown)

    renderer = Counting()
    render = remembered(renderer)
    assert (render("**a**"), render("**a**"), render("*b*")) == ("a", "a", "b")
    assert renderer.walks == 2


@given(st.text("a`", max_size=20), st.integers(2, 4))
def test_backticks_are_kept_apart_and_nothing_else_is_changed(literal, ticks):
    code = apart(literal, ticks)
    assert "`" * ticks not in code
    assert code.replace("\u200b", "") == literal


@given(st.text(st.characters(codec="utf-8")))
def test_an_emoji_counts_as_two_units(text):
    assert utf16_units(text) == sum(1 + (char > "\uffff") for char in text)


def test_dangerous_links_stay_text():
    assert "javascript" in Renderer().render("[x](javascript:alert)")
    assert Renderer().render("[x](javascript:alert)") == "[x](javascript:alert)"


@pytest.mark.parametrize("renderer", EVERYWHERE, ids=lambda renderer: type(renderer).__name__)
@pytest.mark.parametrize(
    "markdown",
    [
        "[bank.example](https://evil.example/x)",
        "[https://bank.example/login](https://evil.example/x)",
        "[Go to www.bank.example now](https://evil.example/x)",
        "[**bank**.example](https://evil.example/x)",
        "[bank\uff0eexample](https://evil.example/x)",
        "[ba\u200bnk.example](https://evil.example/x)",
        "[bank.example](https://bank.example.evil.example/x)",
        "[bank.example](https://bank.example@evil.example/x)",
        "[me@bank.example](https://evil.example/x)",
        "[192.168.0.1](https://evil.example/x)",
        "![bank.example](https://evil.example/x)",
        "[bank.example][1]\n\n[1]: https://evil.example/x",
    ],
)
def test_a_link_that_looks_like_another_one_is_shown_with_its_address(renderer, markdown):
    shown = renderer.render(markdown)
    label, _, address = shown.rpartition(" (")
    assert "evil.example/x" in address
    assert "evil" not in label
    assert "](" not in shown
    assert "href" not in shown


@pytest.mark.parametrize(
    "markdown",
    [
        "[the documents](https://docs.example/x)",
        "[docs.example](https://docs.example/x)",
        "[docs.example](https://www.docs.example/x)",
        "[DOCS.example](https://docs.example/x)",
        "[b\u00fccher.example](https://xn--bcher-kva.example/)",
        "[hub.yaml](https://docs.example/x)",
        "[version 1.2, e.g.](https://docs.example/x)",
    ],
)
def test_an_honest_link_stays_one(markdown):
    assert Mrkdwn().render(markdown).count("|") == 1
    assert "](<" in DiscordRenderer().render(markdown)
    assert "<a href" in TelegramRenderer().render(markdown)


@pytest.mark.parametrize("renderer", EVERYWHERE, ids=lambda renderer: type(renderer).__name__)
@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\u200f", "\u2067", "\x1b", "\U000e0041"])
def test_nothing_that_cannot_be_seen_turns_an_answer_round(renderer, hidden):
    for markdown in (f"Pay to{hidden}Ann", f"*a*{hidden}", f"`a{hidden}b`", f"```\na{hidden}b\n```"):
        assert hidden not in renderer.render(markdown)


@pytest.mark.parametrize("ticks", range(3, 12))
def test_no_code_block_can_be_left_from_inside(ticks):
    literal = f"a{'`' * ticks}*b*{'`' * ticks}"
    fence = "`" * (ticks + 1)
    for renderer in (DiscordRenderer(), Mrkdwn(), WhatsAppRenderer()):
        shown = renderer.render(f"{fence}\n{literal}\n{fence}")
        assert shown.count("```") == 2
        assert shown.startswith("```")
        assert shown.endswith("```")


@given(st.text("a`\n *_", max_size=30), st.integers(4, 9))
def test_no_backticks_anywhere_in_a_block_end_it(inside, ticks):
    for renderer in (DiscordRenderer(), Mrkdwn(), WhatsAppRenderer()):
        literal = re.sub("`" * ticks + "+", "`", inside).strip()
        shown = renderer.render(f"{'`' * ticks}\n{literal}\n{'`' * ticks}")
        if literal:
            assert shown.count("```") == 2
