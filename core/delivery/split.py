"""Cuts Markdown into pieces that each fit, at the highest place of its tree that serves.

Between blocks first; then between the entries of a list, the blocks of a quotation, the rows of a table, the lines of
code; then after a sentence, between words, and at last anywhere. Whatever is cut is closed and opened again: bold
text, a fence with its language, a table with its header, a list with its numbers. What cannot be cut in its own form
is cut as plain text, so that nothing is ever lost.
"""

import re

from markdown_it.tree import SyntaxTreeNode

from core.delivery.cut import Fits, Piece, TooTight, cut, pack
from core.delivery.inline import Inline, words
from core.markdown import Renderer, parse

_SPACE = re.compile(r"\s")
_PROSE = ((re.compile(r"[.!?…]+[\"')\]”’»]*\s|[。！？]|\n"), 0.5), (_SPACE, 0.0))
_CODE = ((re.compile(r"\n"), 0.0), (_SPACE, 0.0))
_MARKER = re.compile(r"( *)(?:[-*+]|(\d{1,9})[.)])( *)")
_PREFIX = re.compile(r"[ \t]*(?:(?:[-*+>]|\d{1,9}[.)])[ \t]+)*")
_QUOTE = re.compile(r" {0,3}> ?")
_DEFINITION = re.compile(r" {0,3}\[((?:[^\[\]\\]|\\.)+)\]:")
_REFERENCE = re.compile(r"\[((?:[^\[\]\\]|\\.)+)\]")


def split(markdown: str, fits: Fits) -> list[str]:
    """The Markdown in pieces, in order, each of which `fits` (unless not even one character does).

    `fits` renders and measures as the platform does; it is asked about little more text than it lets through."""
    if not markdown.strip():
        return []
    if fits(markdown):
        return [markdown]
    text = markdown.replace("\r\n", "\n").replace("\r", "\n")
    splitter = _Splitter(_definitions(text))
    try:
        pieces = splitter.document(text, lambda piece: fits(splitter.defined(piece)))
    except TooTight:
        return [markdown]
    return [splitter.defined(piece.text) for piece in pieces]


class _Splitter:
    def __init__(self, definitions: dict[str, str]) -> None:
        self._definitions = definitions

    def defined(self, text: str) -> str:
        """The text after the definitions of those links in it that are defined elsewhere in the whole."""
        return self._needs(text) + text

    def document(self, text: str, fits: Fits) -> list[Piece]:
        lines = text.split("\n")
        blocks = self._blocks(text)
        spans = [(start, end) for start, end, _ in blocks]

        def source(first: int, last: int) -> str:
            return "\n".join(lines[spans[first][0] : spans[last - 1][1]]).rstrip("\n")

        def split_one(index: int) -> list[Piece]:
            return self._block(blocks[index][2], source(index, index + 1), fits)

        headings = [node.type == "heading" for _, _, node in blocks]
        return pack(_sizes(lines, spans), source, split_one, fits, headings=headings)

    def _block(self, node: SyntaxTreeNode, source: str, fits: Fits) -> list[Piece]:
        """One block that does not fit: in its own form if nothing gets lost by that, else as plain text."""
        try:
            pieces = self._in_form(node, source, fits)
            if "".join(self._visible(piece.text)[piece.again :] for piece in pieces) == self._visible(source):
                return pieces
        except TooTight:
            pass
        return _prose(Inline.of_text(_Plain().render(self.defined(source))), fits)

    def _in_form(self, node: SyntaxTreeNode, source: str, fits: Fits) -> list[Piece]:
        match node.type:
            case "paragraph":
                return _prose(Inline.of_node(node.children[0]), fits)
            case "heading":
                return _prose(Inline.of_node(node.children[0], "\n"), fits, f"{'#' * int(node.tag[1])} ")
            case "fence" | "code_block":
                return _code(node, fits)
            case "blockquote":
                inner = "\n".join(_QUOTE.sub("", _expand(line), count=1) for line in source.split("\n"))
                return [Piece(_quote(p), again) for p, again in self.document(inner, lambda s: fits(_quote(s)))]
            case "bullet_list" | "ordered_list":
                return self._list(node, source, fits)
            case "table":
                return self._table(node, source, fits)
            case _:
                raise TooTight

    def _list(self, node: SyntaxTreeNode, source: str, fits: Fits) -> list[Piece]:
        lines = [_expand(line) for line in source.split("\n")]
        offset = _span(node)[0]
        starts = [_span(item)[0] - offset for item in node.children]
        spans = list(zip(starts, [*starts[1:], len(lines)], strict=True))
        number = int(node.attrs.get("start", 1))

        def entries(first: int, last: int) -> str:
            begin, end = spans[first]
            renumbered = _renumber(lines[begin:end], number + first)
            return "\n".join(renumbered + lines[end : spans[last - 1][1]]).rstrip("\n")

        def split_one(index: int) -> list[Piece]:
            marker, inner = _entry(entries(index, index + 1))
            indent = "\n" + " " * len(marker)
            pieces = self.document(inner, lambda s: fits(marker + s.replace("\n", indent)))
            return [
                Piece(marker + piece.replace("\n", indent) if part == 0 else piece, again)
                for part, (piece, again) in enumerate(pieces)
            ]

        return pack(_sizes(lines, spans), entries, split_one, fits)

    def _table(self, node: SyntaxTreeNode, source: str, fits: Fits) -> list[Piece]:
        header, rows = source.split("\n")[:2], source.split("\n")[2:]
        head = len(self._visible("\n".join(header)))
        cells = [[words(cell) for cell in row.children] for part in node.children for row in part.children][1:]

        def some(first: int, last: int) -> str:
            return "\n".join(header + rows[first:last])

        def split_one(index: int) -> list[Piece]:
            return _prose(Inline.of_text("\n".join(cells[index])), fits)

        if len(rows) != len(cells) or not fits("\n".join(header)):
            raise TooTight
        pieces = pack(_sizes(rows, [(i, i + 1) for i in range(len(rows))]), some, split_one, fits, again=head)
        if pieces and pieces[0].again:
            return [pieces[0]._replace(again=0), *pieces[1:]]
        return [Piece("\n".join(header)), *pieces]

    def _blocks(self, text: str) -> list[tuple[int, int, SyntaxTreeNode]]:
        """First line, line after the last, and tree of each block of the text."""
        needed = self._needs(text)
        moved = needed.count("\n")
        tree = parse(needed + text)
        return [(start - moved, end - moved, node) for node in tree.children for start, end in [_span(node)]]

    def _needs(self, text: str) -> str:
        if not self._definitions:
            return ""
        labels = dict.fromkeys(_label(match[1]) for match in _REFERENCE.finditer(text))
        needed = [self._definitions[label] for label in labels if label in self._definitions]
        return "\n".join(needed) + "\n\n" if needed else ""

    def _visible(self, text: str) -> str:
        return "".join(_Plain().render(self.defined(text)).split())


class _Plain(Renderer):
    """What is read, without bullets, numbers and frames."""

    def quote(self, inner: str) -> str:
        return inner

    def item(self, inner: str, marker: str) -> str:
        return inner

    def table(self, rows: list[list[str]]) -> str:
        return "\n".join(cell for row in rows for cell in row)


def _prose(inline: Inline, fits: Fits, lead: str = "") -> list[Piece]:
    def form(start: int, end: int) -> str:
        piece = inline.markdown(start, end)
        return lead + (piece.replace("\n", " ") if lead else piece) if piece else ""

    inline.loosen(lambda link: fits(lead + link))
    return cut(inline.text, form, fits, _PROSE)


def _code(node: SyntaxTreeNode, fits: Fits) -> list[Piece]:
    text = node.content.rstrip("\n")
    info = node.info if node.type == "fence" else ""
    sign = "~" if "`" in info else "`"
    mark = max(("`" * 3, *re.findall(f"{sign}+", text)), key=len)
    mark = sign * (len(mark) + (mark in text))

    def form(start: int, end: int) -> str:
        piece = text[start:end].strip("\n")
        return f"{mark}{info}\n{piece}\n{mark}" if piece.strip() else ""

    return cut(text, form, fits, _CODE)


def _definitions(text: str) -> dict[str, str]:
    """Label -> source of the link definitions outside of all blocks."""
    if "]:" not in text:
        return {}
    lines = text.split("\n")
    for node in parse(text).children:
        start, end = _span(node)
        lines[start:end] = [""] * (end - start)
    found: dict[str, str] = {}
    label = ""
    for line in lines:
        if match := _DEFINITION.match(line):
            label = _label(match[1])
            if label not in found:
                found[label] = line
                continue
            label = ""
        elif label and line.strip():
            found[label] += "\n" + line
    return found


def _label(written: str) -> str:
    return " ".join(written.split()).casefold()


def _span(node: SyntaxTreeNode) -> tuple[int, int]:
    return node.map or (0, 0)


def _sizes(lines: list[str], spans: list[tuple[int, int]]) -> list[int]:
    """Characters up to the start of the first unit, then up to the end of each."""
    sizes = [0]
    for start, end in spans:
        sizes.append(sizes[-1] + sum(len(line) + 1 for line in lines[start:end]))
    return sizes


def _expand(line: str) -> str:
    """Tabs before the text as spaces, so that columns can be counted."""
    lead = _PREFIX.match(line)
    return lead.group().expandtabs(4) + line[lead.end() :] if lead else line


def _quote(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _entry(source: str) -> tuple[str, str]:
    """A list entry's marker, and its content moved to the left margin."""
    lines = source.split("\n")
    marker = _MARKER.match(lines[0])
    if marker is None:
        raise TooTight
    sign = marker.group()[: marker.end() - len(marker[3])]
    empty = marker.end() == len(lines[0])
    width = len(sign) + (1 if empty or len(marker[3]) > 4 else len(marker[3]))
    rest = [line[min(width, len(line) - len(line.lstrip(" "))) :] for line in lines[1:]]
    return sign + " " * (width - len(sign)), "\n".join([lines[0][width:], *rest])


def _renumber(lines: list[str], number: int) -> list[str]:
    """The entry under this number, its further lines moved along; a bullet stays."""
    marker = _MARKER.match(lines[0])
    if marker is None or not marker[2] or number > 999_999_999:
        return lines
    moved = len(str(number)) - len(marker[2])
    first = f"{marker[1]}{number}{lines[0][marker.end(2) :]}"
    pad = " " * moved
    return [first, *(pad + line if moved > 0 and line.startswith(" ") else _dedent(line, -moved) for line in lines[1:])]


def _dedent(line: str, width: int) -> str:
    return line[width:] if width > 0 and line[:width].isspace() else line
