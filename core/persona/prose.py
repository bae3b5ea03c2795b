"""Finds a text's prose: what may be reworded without touching code, links, quotations, tables or addresses."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from markdown_it.tree import SyntaxTreeNode

from core.markdown import is_plain, parse

_QUOTED = re.compile(
    r'"[^"]*(?:"|$)|„[^“”]*(?:[“”]|$)|“[^”]*(?:”|$)|«[^»]*(?:»|$)|»[^«]*(?:«|$)|「[^」]*(?:」|$)|‘[^’]*(?:’(?!\w)|$)'
    r"|(?<!\w)'(?:[^']|(?<=\w)'(?=\w))*'(?!\w)"
)
_ADDRESS = re.compile(r"(?<!\S)\S*(?:[/@\\=#<>{}]|(?<=\w)[._:](?=\w))\S*")
"""A word that is more than a word: an address, a path, a name in code, a mention."""
_GAP = re.compile(r"[\s>*_~\[\]!#+\-\\0-9.)]*")
"""What may stand between two pieces of visible text: marks of formatting, of lists and of line breaks."""
_TAIL = re.compile(r"[*_~\s]*\](?:\((?:\\.|[^()\\]|\([^()]*\))*\)|\[[^\]]*\])?", re.DOTALL)
_OBJECT = "\ufffc"


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of prose, and where it is in the source."""

    start: int
    text: str
    opens: bool
    """Nothing stands before it in the whole text."""


def pieces(markdown: str) -> list[Piece]:
    """The prose, in order. What cannot be found again in the source for certain is left out."""
    return list(_found(markdown, None if is_plain(markdown) else parse(markdown)))


def reworded(markdown: str, reword: Callable[[Piece], str]) -> str:
    """The text with each piece of prose reworded; unchanged if that would change anything else in it."""
    tree = None if is_plain(markdown) else parse(markdown)
    edits = [(piece, new) for piece in _found(markdown, tree) if (new := reword(piece)) != piece.text]
    if not edits:
        return markdown
    done: list[str] = []
    end = 0
    for piece, new in edits:
        done += [markdown[end : piece.start], new]
        end = piece.start + len(piece.text)
    text = "".join([*done, markdown[end:]])
    return text if kept(text) == kept(markdown, tree) else markdown


def kept(markdown: str, tree: SyntaxTreeNode | None = None) -> list[str]:
    """Everything that is not prose, in order: structure, code, links, quotations, tables and addresses."""
    found: list[str] = []
    for node in (parse(markdown) if tree is None else tree).children:
        _keep(node, found)
    return found


def _found(markdown: str, tree: SyntaxTreeNode | None) -> Iterator[Piece]:
    """`tree`: None for text that is nothing but paragraphs."""
    if tree is None:
        start = 0
        for paragraph in markdown.split("\n\n"):
            yield from _unquoted([(start, paragraph, True)], opens=start == 0)
            start += len(paragraph) + 2
        return
    if "\r" in markdown:  # the parser counts lines otherwise
        return
    lines = [0]
    for line in markdown.split("\n"):
        lines.append(lines[-1] + len(line) + 1)
    opens = True
    for inline in _inlines(tree):
        begin, end = inline.map or (0, 0)
        spans: list[tuple[int, str, bool]] = []
        if _place(inline, markdown[: lines[end]], lines[begin], spans, is_prose=True) is not None:
            yield from _unquoted(spans, opens=opens)
        opens = False


def _inlines(node: SyntaxTreeNode) -> Iterator[SyntaxTreeNode]:
    for child in node.children:
        if child.type == "inline":
            yield child
        elif child.type not in ("blockquote", "table", "image"):
            yield from _inlines(child)


def _place(
    node: SyntaxTreeNode, source: str, at: int, spans: list[tuple[int, str, bool]], *, is_prose: bool
) -> int | None:
    """Add where each visible piece of the node stands; the place after it, or None where one is not found."""
    for child in node.children:
        gap = _GAP.match(source, at)
        end = gap.end() if gap else at
        match child.type:
            case "softbreak" | "hardbreak":
                spans.append((at, "\n", False))
            case "strong" | "em" | "s":
                inner = _place(child, source, at, spans, is_prose=is_prose)
                if inner is None:
                    return None
                at = inner
            case "code_inline":
                ticks = re.compile(r"`+").match(source, end)
                close = re.compile(rf"(?<!`){ticks[0]}(?!`)").search(source, ticks.end()) if ticks else None
                if close is None:
                    return None
                at = close.end()
                spans.append((at, _OBJECT, False))
            case "link" if child.markup == "autolink":
                at = source.find(">", end) + 1
                spans.append((at, _OBJECT, False))
                if at == 0:
                    return None
            case "link":
                inner = _place(child, source, at, spans, is_prose=False)
                tail = _TAIL.match(source, inner) if inner is not None else None
                if tail is None:
                    return None
                at = tail.end()
            case "text":
                place = source.find(child.content, at)
                if place < 0 or place > end:
                    return None
                at = place + len(child.content)
                spans.append((place, child.content, is_prose))
            case _:
                return None
    return at


def _unquoted(spans: list[tuple[int, str, bool]], *, opens: bool) -> Iterator[Piece]:
    """The prose among these without quotations, which may go over several, and without addresses."""
    visible = "".join(text for _, text, _ in spans)
    taken = [match.span() for pattern in (_QUOTED, _ADDRESS) for match in pattern.finditer(visible)]
    offset = 0
    for start, text, is_prose in spans:
        if is_prose:
            free = offset
            inside = sorted(span for span in taken if span[1] > offset and span[0] < offset + len(text))
            for begin, end in [*inside, (offset + len(text), 0)]:
                if begin > free:
                    yield Piece(start + free - offset, visible[free:begin], opens and not visible[:free].strip())
                free = max(free, end)
        offset += len(text)


def _keep(node: SyntaxTreeNode, found: list[str]) -> None:
    match node.type:
        case "inline":
            visible = "".join(_visible(node))
            found += [match[0] for pattern in (_QUOTED, _ADDRESS) for match in pattern.finditer(visible)]
        case "text":
            return
        case "fence" | "code_block" | "code_inline":
            found.append(f"{node.type} {node.content}")
            return
        case "blockquote" | "table" | "link" | "image":
            found.append(f"{sorted(node.attrs.items())} {''.join(_visible(node))}")
    found.append(node.type)
    for child in node.children:
        _keep(child, found)
    found.append("end")


def _visible(node: SyntaxTreeNode) -> Iterator[str]:
    for child in node.children:
        if child.type == "code_inline":
            yield _OBJECT
        elif child.type in ("softbreak", "hardbreak"):
            yield "\n"
        elif child.children:
            yield from _visible(child)
        else:
            yield child.content
