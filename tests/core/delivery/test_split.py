"""Long answers are cut where a reader would cut them, and nothing gets lost."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.delivery.split import split
from core.markdown import Renderer, parse


class Words(Renderer):
    """What is read, without bullets, numbers and frames; tables without their headers."""

    def quote(self, inner):
        return inner

    def item(self, inner, marker):
        return inner

    def table(self, rows):
        return " ".join(cell for row in rows[1:] for cell in row)


def read(*pieces):
    return "".join("".join(Words().render(piece) for piece in pieces).split())


def utf16(markdown):
    return len(Renderer().render(markdown).encode("utf-16-le", "surrogatepass")) // 2


def within(limit):
    return lambda markdown: utf16(markdown) <= limit


SNIPPETS = st.sampled_from(
    [
        *(
            "one",
            "Wörter. 句子。",
            "👩\u200d👩\u200d👧 👍🏽 🇩🇪🇫🇷",
            "e\u0301",
            "snake_case",
            "l" + "o" * 64 + "ng",
            "a * b",
        ),
        *("**bold words. And more**", "*em _deep_*", "~~gone~~", "`co de`", "``a`b``", "***both***", "\\*no\\*"),
        *("[l i](http://x.test/a_b?c&d)", "<http://x.test>", "![pic](http://x.test/p.png)", "&amp;", "\\\n"),
        *("3. x", "- y", "# z", "> q", "=", "+", "1)", "`", "**", "\\", "_a"),
    ]
)
INLINE = st.lists(SNIPPETS, min_size=1, max_size=25).map(" ".join)


def nested(block):
    indented = block.map(lambda text: text.replace("\n", "\n   "))
    return st.one_of(
        st.lists(indented, min_size=1, max_size=5).map(lambda items: "\n".join(f"-  {item}" for item in items)),
        st.lists(indented, min_size=1, max_size=5).map(lambda items: "\n".join(f"1. {item}" for item in items)),
        st.lists(block, min_size=1, max_size=4).map(
            lambda blocks: "\n".join(f"> {line}" for line in "\n\n".join(blocks).split("\n"))
        ),
    )


LEAVES = st.one_of(
    INLINE,
    INLINE.map(lambda text: "## " + text.replace("\n", " ")),
    st.lists(INLINE, max_size=8).map(lambda lines: "```py\n" + "\n".join(lines) + "\n```"),
    st.just("    indented code\n    and more of it, *unchanged*"),
    st.just("---"),
    st.just("see [the guide][g] and [g]"),
    st.lists(st.tuples(INLINE, INLINE), max_size=6).map(
        lambda rows: (
            "| head | two |\n|---|---|\n"
            + "\n".join(f"| {' | '.join(cell.replace(chr(10), ' ') for cell in row)} |" for row in rows)
        )
    ),
)
DOCUMENTS = st.lists(st.one_of(LEAVES, st.recursive(LEAVES, nested, max_leaves=8)), min_size=1, max_size=6).map(
    lambda blocks: "\n\n".join(blocks) + "\n\n[g]: http://x.test/guide\n"
)


@settings(deadline=None)
@given(DOCUMENTS, st.integers(30, 400))
def test_every_piece_fits_and_together_they_say_the_same(markdown, limit):
    pieces = split(markdown, within(limit))
    assert all(utf16(piece) <= limit for piece in pieces)
    said = read(*pieces).replace("headtwo", "")
    assert said == read(markdown).replace("headtwo", "")


@settings(deadline=None)
@given(
    st.text(st.sampled_from(list("ab.*_`~[]()<>#>+-=1!&;\\\"' \n\t\r\u00a0é\u0301👍\u200d:/")), max_size=300),
    st.integers(20, 60),
)
@example("> a\n===\n" + "b " * 20, 20)
@example("- > a\nb " + "c " * 20, 20)
@example("```\n" + "[a]\n" * 30, 20)
def test_text_that_is_markdown_by_accident_is_not_lost(markdown, limit):
    pieces = split(markdown, within(limit))
    assert all(utf16(piece) <= limit for piece in pieces)
    assert read(*pieces) == read(markdown)


def test_what_fits_is_left_as_it_is():
    assert split("* as  it\tis\r\n", within(100)) == ["* as  it\tis\r\n"]


@pytest.mark.parametrize("nothing", ["", " \n\t "])
def test_nothing_makes_no_piece(nothing):
    assert split(nothing, within(10)) == []


def test_blocks_stay_whole_and_share_a_piece_where_they_can():
    assert split("First one.\n\nSecond one.\n\nThird one.", within(25)) == ["First one.\n\nSecond one.", "Third one."]


def test_a_heading_stays_with_what_it_stands_over():
    assert split("Some text.\n\n# Head\n\nMore text.", within(20)) == ["Some text.", "# Head\n\nMore text."]


def test_sentences_come_before_words_and_words_before_letters():
    assert split("This is one. This is two.", within(20)) == ["This is one.", "This is two."]
    assert split("one two three four", within(9)) == ["one two", "three", "four"]
    assert split("see abcdefghijkl", within(12)) == ["see", "abcdefghijkl"]
    assert split("x" * 25, within(10)) == ["x" * 10, "x" * 10, "x" * 5]


def test_formatting_is_closed_and_opened_again():
    assert split("**one two *three four***", within(10)) == ["**one two**", "***three four***"]
    assert split("say `one two three`", within(10)) == ["say `one`", "`two three`"]


def test_a_link_is_never_cut():
    pieces = split("word " * 5 + "[two words](http://x.test/long/path)" + " word" * 5, within(45))
    assert any("[two words](http://x.test/long/path)" in piece for piece in pieces)


def test_a_link_too_long_for_any_piece_costs_its_surroundings_no_formatting():
    pieces = split(f"**bold** words [x](http://x.test/{'a' * 60})", within(30))
    assert pieces[0].startswith("**bold**")
    assert "a" * 60 in "".join(pieces)


def test_an_entry_is_not_taken_into_the_list_inside_the_one_before():
    assert split("- one two three\n  - sub\n- next", within(16)) == ["- one two three", "- sub", "- next"]


def test_a_list_keeps_its_numbers():
    pieces = split("".join(f"1. entry {n}\n" for n in range(9, 13)), within(30))
    assert pieces == ["1. entry 9\n1. entry 10", "3. entry 11\n1. entry 12"]


def test_a_long_entry_goes_on_without_a_second_bullet():
    assert split("- one two three four\n- five", within(14)) == ["- one two", "three four", "- five"]


def test_each_piece_of_a_quotation_is_one():
    assert split("> one two three\n>\n> four five", within(18)) == ["> one two three", "> four five"]


def test_code_is_fenced_in_each_piece_with_its_language():
    pieces = split("```py\nfirst()\n\n    second()\nthird()\n```", within(20))
    assert pieces == ["```py\nfirst()\n```", "```py\n    second()\n```", "```py\nthird()\n```"] or pieces == [
        "```py\nfirst()\n```",
        "```py\n    second()\nthird()\n```",
    ]


def test_code_that_holds_a_fence_gets_a_longer_one():
    pieces = split("````\n```\none\n```\ntwo\n````", within(9))
    assert all(len(parse(piece).children) == 1 and piece.startswith("````") for piece in pieces)


def test_every_piece_of_a_table_has_its_header():
    pieces = split("| n | m |\n|---|---|\n" + "".join(f"| {n} | x |\n" for n in range(9)), within(35))
    assert len(pieces) > 1
    assert all(parse(piece).children[0].type == "table" for piece in pieces)
    assert [n for piece in pieces for n in re.findall(r"\d", piece)] == list("012345678")


def test_a_link_finds_its_definition_in_every_piece():
    pieces = split("see [one][a]\n\nand [two][A]\n\n[a]: http://x.test\n", within(25))
    assert len(pieces) == 2
    assert all("(http://x.test)" in Renderer().render(piece) for piece in pieces)


@pytest.mark.parametrize("sign", ["e\u0301", "👩\u200d👩\u200d👧", "👍🏽", "🇩🇪"])
def test_what_is_one_sign_to_the_reader_stays_one(sign):
    pieces = split("x" + sign * 3, within(10))
    assert "".join(pieces) == "x" + sign * 3
    assert all(re.fullmatch(f"x?({sign})*", piece) for piece in pieces)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 1_000_000,
        "word " * 200_000,
        "a\n\n" + "e\u0301" * 500_000,
        "**" + "a " * 500_000 + "b**",
        "```\n" + "code line\n" * 100_000,
        "> > - " + "deep " * 200_000,
        "One. **Two** three.\n\n" * 5_000,
        "- item\n" * 10_000,
        "> q\n" * 10_000,
        "|a|b|\n|-|-|\n" + "|c|d|\n" * 10_000,
    ],
    ids=lambda text: text[:8],
)
def test_a_megabyte_is_cut_by_asking_about_little_more_than_a_megabyte(text):
    asked: list[int] = []

    def fits(markdown):
        asked.append(len(markdown))
        return len(markdown) <= 4000

    pieces = split(text, fits)
    assert len(pieces) < len(text) / 1500
    assert len(asked) < 12 * len(pieces) + 50
    assert sum(asked) < 12 * len(text)
