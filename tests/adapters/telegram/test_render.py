"""Markdown as Telegram shows it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.telegram.render import measure, plain, render
from simulators.telegram.text import check, find, parse_html, to_html, units

PIECES = [
    *("**", "*", "_", "~~", "`", "```\n", "```py\n", "> ", "- ", "1. ", "# ", "\n", "\n\n", " ", "\r\n", "---\n"),
    *("[", "](https://x.org)", "](tg://user?id=1)", "](javascript:x)", "![", "https://y.org", "<b>"),
    *("@ann", "@", "ann", "a@b.org", "\\@", "&#64;", "😀", "é", "\x02", "\x031\x1f", "\x03", "\ud800"),
    "| a | b |\n|---|---|\n",
]
MARKDOWN = st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=60)


def shown(markdown):
    """As a reader's app shows it."""
    return to_html(*parse_html(render(markdown)))


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("plain & <simple>", "plain &amp; &lt;simple&gt;"),
        ("**b** *i* ~~s~~ `c`", "<b>b</b> <i>i</i> <s>s</s> <code>c</code>"),
        ("😀 **b**", "😀 <b>b</b>"),
        ("**a *b* c**", "<b>a <i>b</i> c</b>"),
        ("# Title\n\ntext", "<b>Title</b><br><br>text"),
        ("# *Title*", "<i><b>Title</b></i>"),
        ("**a `c` b**", "<b>a <code>c</code> b</b>"),
        ("- a\n- b", "• a<br>• b"),
        ("3. a\n4. b", "3. a<br>4. b"),
        ("> a\n>\n> - b", "<blockquote>a<br><br>• b</blockquote>"),
        ("```\nx = 1\n\ny\n```", "<pre>x = 1\n\ny</pre>"),
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
def test_markdown_looks_as_meant(markdown, expected):
    assert shown(markdown) == expected


def test_a_code_block_keeps_its_language():
    assert render("```python\nx\n```") == '<pre><code class="language-python">x</code></pre>'
    assert render('```"><b>\nx\n```') == "<pre>x</pre>"


@pytest.mark.parametrize(
    "text", ["@ann", "hi @ann!", "@**ann**", "\\@ann", "&#64;ann", "[@ann](https://x.org)", "`@`ann"]
)
def test_a_name_in_an_answer_notifies_nobody(text):
    assert mentions(*parse_html(render(text))) == []


def test_an_address_and_code_stay_as_they_are():
    assert render("write to ann@x.org or `@ann`") == "write to ann@x.org or <code>@ann</code>"


def mentions(text, entities=()):
    found = find(text, entities)
    return [e for e in found if e["type"] in ("mention", "text_mention") or e.get("url", "").startswith("tg:")]


@given(MARKDOWN)
@example("@\n@a")
@example("`@`a")
@example("**@**a")
def test_no_answer_can_mention_anybody(markdown):
    html = render(markdown)
    assert mentions(*parse_html(html)) == []
    assert mentions(plain(html)) == []


@pytest.mark.parametrize("hidden", ["\r", "&#13;", "\u202a", "\u200e"])
def test_no_invisible_character_hides_a_name(hidden):
    assert "@ann" not in plain(render(f"@{hidden}ann")).replace(hidden, "").replace("\r", "")


@given(MARKDOWN)
def test_every_answer_is_html_that_telegram_takes(markdown):
    text, entities = parse_html(render(markdown))
    check(text, entities)
    assert measure(markdown) == units(text.strip())
    assert bool(text.strip()) == bool(markdown.strip())
    assert all(entity["url"].startswith("http") for entity in entities if entity["type"] == "text_link")
