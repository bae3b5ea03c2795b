from hypothesis import example, given
from hypothesis import strategies as st

from core.markdown import Renderer, is_plain
from tests.adapters.test_contract import PLATFORMS  # noqa: F401 - the adapters' renderers are imported below

from adapters.discord.render import DiscordRenderer  # isort: skip
from adapters.slack.render import Mrkdwn  # isort: skip
from adapters.whatsapp.render import WhatsAppRenderer  # isort: skip

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


def test_dangerous_links_stay_text():
    assert "javascript" in Renderer().render("[x](javascript:alert)")
    assert Renderer().render("[x](javascript:alert)") == "[x](javascript:alert)"
