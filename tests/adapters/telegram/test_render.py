"""Markdown as Telegram shows it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.telegram.render import plain, render
from simulators.telegram.text import check, find, to_html

PIECES = [
    *("**", "*", "_", "~~", "`", "```\n", "```py\n", "> ", "- ", "1. ", "# ", "\n", "\n\n", " ", "\r\n", "---\n"),
    *("[", "](https://x.org)", "](tg://user?id=1)", "](javascript:x)", "![", "https://y.org", "<b>"),
    *("@ann", "@", "ann", "a@b.org", "\\@", "&#64;", "😀", "é", "\x02", "\x031\x1f", "\x03", "\ud800"),
    "| a | b |\n|---|---|\n",
]
MARKDOWN = st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=60)


def html(markdown):
    rendered = render(markdown)
    return to_html(rendered.text, check(rendered.text, [_wire(e) for e in rendered.entities]))


def _wire(entity):
    return {"type": entity.type, "offset": entity.offset, "length": entity.length, "url": entity.url or ""}


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("plain & <simple>", "plain &amp; &lt;simple&gt;"),
        ("**b** *i* ~~s~~ `c`", "<b>b</b> <i>i</i> <s>s</s> <code>c</code>"),
        ("😀 **b**", "😀 <b>b</b>"),
        ("**a *b* c**", "<b>a <i>b</i> c</b>"),
        ("# Title\n\ntext", "<b>Title</b><br><br>text"),
        ("# **Title**", "<b>Title</b>"),
        ("**a `c` b**", "<b>a </b><code>c</code><b> b</b>"),
        ("- a\n- b", "• a<br>• b"),
        ("3. a\n4. b", "3. a<br>4. b"),
        ("> a\n>\n> > b", "<blockquote>a<br><br>b</blockquote>"),
        ("```py\nx = 1\n\ny\n```", "<pre>x = 1\n\ny</pre>"),
        ("| a | b |\n|---|---|\n| 1 | 22 |", "<pre>a  b\n-  --\n1  22</pre>"),
        ("[a](https://x.org)", '<a href="https://x.org" rel="noreferrer noopener" target="_blank">a</a>'),
        (
            "![secret](https://x.org/?q=1)",
            '<a href="https://x.org/?q=1" rel="noreferrer noopener" target="_blank">secret</a>',
        ),
        ("[a](tg://user?id=42)", "a (<code>tg://user?id=42</code>)"),
        ("<ann@x.org>", "ann@x.org"),
        ("[a]: https://x.org", "[a]: https://x.org"),
    ],
)
def test_markdown_looks_as_meant(markdown, shown):
    assert html(markdown) == shown


def test_a_code_block_keeps_its_language():
    (entity,) = render("```python\nx\n```").entities
    assert (entity.type, entity.language) == ("pre", "python")


@pytest.mark.parametrize(
    "text", ["@ann", "hi @ann!", "@**ann**", "\\@ann", "&#64;ann", "[@ann](https://x.org)", "`@`ann"]
)
def test_a_name_in_an_answer_notifies_nobody(text):
    assert mentions(render(text)) == []


def test_an_address_and_code_stay_as_they_are():
    assert render("write to ann@x.org or `@ann`").text == "write to ann@x.org or @ann"


def mentions(rendered):
    found = find(rendered.text, [_wire(e) for e in rendered.entities])
    return [e for e in found if e["type"] in ("mention", "text_mention") or e.get("url", "").startswith("tg:")]


@given(MARKDOWN)
@example("@\n@a")
@example("`@`a")
@example("**@**a")
def test_no_answer_can_mention_anybody(markdown):
    rendered = render(markdown)
    assert mentions(rendered) == []
    assert mentions(plain(rendered)) == []


@given(MARKDOWN)
def test_every_entity_stands_on_whole_characters_within_the_text(markdown):
    rendered = render(markdown)
    check(rendered.text, [_wire(e) for e in rendered.entities])
    assert rendered.text == rendered.text.strip()
    assert rendered.size == len(rendered.text.encode("utf-16-le")) // 2


@given(MARKDOWN)
def test_entities_nest_as_the_bot_api_asks(markdown):
    spans = [(e.offset, e.offset + e.length, e.type) for e in render(markdown).entities]
    for i, (start, end, kind) in enumerate(spans):
        for begin, stop, other in spans[i + 1 :]:
            assert stop <= start or begin >= end or (start <= begin and stop <= end)
            if begin < end and {kind, other} & {"code", "pre"}:
                assert kind == "blockquote"
