"""Cuts a document into passages: a heading and what stands under it, in pieces that can be searched and shown."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from urllib.parse import quote

import msgspec
from markdown_it import MarkdownIt
from markdown_it.token import Token

_LONGEST = 2000
"""Characters of a passage's text; longer ones go on in another. Servers of embeddings take about as much."""
_LONGEST_BLOCK = 6000
"""Characters of a paragraph, table or piece of code that stays whole."""
_FRONT_MATTER = re.compile(r"\A---\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_MARKS = re.compile(r"([\\`*_\[\]<])")
_LINE_MARKS = re.compile(r"^[ \t]*(#|>|=|\||~~~)", re.MULTILINE)
_parse = MarkdownIt("commonmark").enable("table").parse


class Passage(msgspec.Struct, frozen=True):
    """Part of a document, in Markdown."""

    path: tuple[str, ...]
    """The headings above it and its own, outermost first."""
    body: str
    anchor: str = ""
    """What follows the document's address to lead here: `#refunds`, `#page=3`."""
    continues: bool = False
    """It goes on with what stands before it, under the same heading."""


def of_markdown(text: str, file: str) -> list[Passage]:
    """By headings; `file` names what stands before the first one. A heading with nothing under it has no passage."""
    text = _FRONT_MATTER.sub("", text, count=1)
    lines = text.splitlines(keepends=True)
    tokens = _parse(text)
    headings = [
        (token.map[0], token.map[1], int(token.tag[1]), _visible(tokens[index + 1]))
        for index, token in enumerate(tokens)
        if token.type == "heading_open" and token.level == 0 and token.map
    ]
    name = title(file)
    if not headings or "".join(lines[: headings[0][0]]).strip():
        headings.insert(0, (0, 0, 1, name))
    ends = [*(begin for begin, *_ in headings[1:]), len(lines)]
    found: list[Passage] = []
    above: list[tuple[int, str]] = []
    for (start, begin, level, heading), end in zip(headings, ends, strict=True):
        above = [*(pair for pair in above if pair[0] < level), (level, heading or name)]
        path = tuple(each for _, each in above)
        anchor = f"#{_slug(heading)}" if start != begin else ""
        found += _cut(path, "".join(lines[begin:end]).strip(), anchor)
    paths = [passage.path for passage in found]
    return [
        passage
        for place, passage in enumerate(found)
        if passage.body or any(path[: len(passage.path)] == passage.path for path in paths[place + 1 : place + 2])
    ]


def of_text(text: str, file: str) -> list[Passage]:
    """By paragraphs, a few in each passage."""
    return _cut((title(file),), escaped(text.strip()), "")


def of_pages(pages: Sequence[tuple[str, str]], file: str) -> list[Passage]:
    """By pages: each its chapter, where that is known, and its text."""
    name = title(file)
    found: list[Passage] = []
    for number, (chapter, text) in enumerate(pages, 1):
        label = f"{chapter}, p. {number}" if chapter else f"p. {number}"
        if body := escaped(text.strip()):
            found += _cut((name, label), body, f"#page={number}")
    return found


def title(file: str) -> str:
    """What a document is called that does not say it: `house-rules.md` is House rules."""
    stem = PurePath(file).stem
    return stem.replace("-", " ").replace("_", " ").strip().capitalize() or file


def escaped(text: str) -> str:
    """Plain text as Markdown that shows it."""
    flat = "\n".join(line.strip() for line in text.splitlines())
    return _LINE_MARKS.sub(r"\\\1", _MARKS.sub(r"\\\1", flat))


def blocks(markdown: str) -> list[str]:
    """Paragraphs, lists, tables and pieces of code, each whole."""
    lines = markdown.splitlines()
    spans = [token.map for token in _parse(markdown) if token.level == 0 and token.map and token.nesting >= 0]
    return ["\n".join(lines[start:end]).rstrip() for start, end in spans]


def _cut(path: tuple[str, ...], body: str, anchor: str) -> list[Passage]:
    if len(body) <= _LONGEST:
        return [Passage(path, body, anchor)]
    pieces: list[list[str]] = [[]]
    for block in _bearable(blocks(body)):
        if pieces[-1] and sum(map(len, pieces[-1])) + len(block) > _LONGEST:
            pieces.append([])
        pieces[-1].append(block)
    return [Passage(path, "\n\n".join(piece), anchor, place > 0) for place, piece in enumerate(pieces)]


def _bearable(whole: Sequence[str]) -> Iterator[str]:
    """Blocks; one of monstrous length is cut, between lines where it has any."""
    for block in whole:
        left = block
        while len(left) > _LONGEST_BLOCK:
            end = left.rfind("\n", 1, _LONGEST) + 1 or left.rfind(" ", 1, _LONGEST) + 1 or _LONGEST
            yield left[:end].rstrip()
            left = left[end:]
        yield left


def _visible(inline: Token) -> str:
    """A heading's words without its marks."""
    parts = [child.content for child in inline.children or () if child.type in ("text", "code_inline")]
    return "".join(parts).strip() or inline.content.strip()


def _slug(heading: str) -> str:
    """As GitHub and most makers of documentation sites name a heading's place."""
    return quote(re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-"))
