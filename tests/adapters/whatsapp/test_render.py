"""Markdown becomes WhatsApp's markup, and is read as it was meant."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.whatsapp.render import WhatsAppRenderer, to_whatsapp
from core.visible import visible
from simulators.twilio.markup import to_html

GAP = "\u200b"


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("plain, as it is: 2 + 2 = 4", "plain, as it is: 2 + 2 = 4"),
        ("**bold** *it* ~~no~~ `x_y_` ***all***", "*bold* _it_ ~no~ `x_y_` _*all*_"),
        ("# Head **x**", "*Head x*"),
        ("**two\nlines**", "*two*\n*lines*"),
        ("in**side**out", f"in{GAP}*side*{GAP}out"),
        ("> said\n> **loud**", "> said\n> *loud*"),
        ("- one\n- two\n  1. deep", "• one\n• two\n  1. deep"),
        ("```py\na*b*c\n```", "```a*b*c```"),
        (
            "[label](https://example.com/_a_) <https://example.com>",
            "label (https://example.com/_a_) https://example.com",
        ),
        ("![alt](https://example.com/i.png)", "alt (https://example.com/i.png)"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("|a|b|\n|-|-|\n|1|*2*|", "```a  b\n-  -\n1  2```"),
        ("`` a`b ``", "```a`b```"),
        ("snake_case, my_name, 2 * 3 * 4", "snake_case, my_name, 2 * 3 * 4"),
        (r"5 €\*", "5 €*"),
        (r"\*not bold\*", f"*{GAP}not bold{GAP}*"),
        (r"\> no quote", f"{GAP}> no quote"),
        ("", ""),
    ],
)
def test_it_looks_as_it_should(markdown, shown):
    assert to_whatsapp(markdown) == shown


def literally(text: str) -> str:
    """Markdown that means this text and nothing else."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


WORDS = st.text(st.sampled_from("ab1é *_~`>-."), min_size=1, max_size=30).map(str.strip).filter(bool)


@given(WORDS)
def test_literal_text_is_never_formatted(text):
    shown = to_html(to_whatsapp(literally(text)))
    assert html.unescape(shown) == re.sub(GAP, "", to_whatsapp(literally(text)))
    assert html.unescape(shown).split() == text.split()


LETTERS = st.text(st.sampled_from("abé1"), min_size=1, max_size=8)
KINDS = {"**": "strong", "*": "em", "~~": "s", "`": "code"}


@given(
    st.sampled_from(list(KINDS)),
    LETTERS,
    st.sampled_from(["", " ", "a ", "(", "x * y "]),
    st.sampled_from(["", " b", ".", ")", " _"]),
)
def test_what_is_marked_is_shown_so_wherever_it_stands(mark, word, before, after):
    shown = to_html(to_whatsapp(f"{literally(before)}{mark}{word}{mark}{literally(after)}"))
    assert f"<{KINDS[mark]}>{word}</{KINDS[mark]}>" in shown


@given(st.text(st.sampled_from("aZé1 .,!?:;'()-=+/\n\t@%{}\\_*~`<>&#|[]\ue000\u00a0"), max_size=60))
def test_plain_text_takes_a_shorter_way_to_the_same_end(text):
    seen = visible(text)
    assert to_whatsapp(text) == WhatsAppRenderer().convert(seen if seen.strip() else text)


@given(st.text(max_size=200))
def test_any_text_can_be_rendered_and_leaves_none_of_our_private_marks(text):
    assert not re.search("[\ue000-\ue00a]", to_whatsapp(text))


@given(st.text(st.sampled_from("ab *_~`>#-[]()!\n|"), max_size=80))
def test_no_text_becomes_anything_but_safe_html(text):
    tags = set(re.findall(r"<[^>]*>", to_html(to_whatsapp(text + "<b onclick=x>"))))
    names = ("strong", "em", "s", "code", "pre", "blockquote")
    assert tags <= {"<br>", *(f"<{name}>" for name in names), *(f"</{name}>" for name in names)}
