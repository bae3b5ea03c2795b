"""Walks a Markdown tree so that a platform's renderer only says how each thing looks there.

The parser knows CommonMark, tables and strikethrough; raw HTML is text, and so are links to
`javascript:` and the like.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from core.visible import visible

_UNSEEN = (
    "\\x7f-\\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U0010ffff"
)
"""Wherever one of these stands it is looked at more closely."""
_SAFE = f"[^\\x00-\\x1f\\\\`*_~<>&#|\\[\\]@:{_UNSEEN}]"
_PLAIN = re.compile(rf"[^\W\d_]{_SAFE}*(?<!\s)(?:\n{{1,2}}[^\W\d_]{_SAFE}*(?<!\s))*")
_HOST = re.compile(r"(?<![\w.-])(?:(?:[^\W_][\w-]*\.)+[^\W\d_][\w-]+|(?:\d{1,3}\.){3}\d{1,3})(?![\w-])")
_DOTS = str.maketrans("\u3002\uff0e\uff61\u2024", "....")
"""What browsers, or readers, take for a dot."""
FILES = frozenset(
    ("js", "json", "txt", "yaml", "yml", "html", "css", "xml", "csv", "pdf", "png", "jpg", "toml", "log", "sql")
)
"""Ends of file names that are no top-level domains."""
_parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def parse(markdown: str) -> SyntaxTreeNode:
    """The Markdown tree. Nesting deeper than the parser's limit stays text, so that no input is too deep to walk."""
    return SyntaxTreeNode(_parser.parse(markdown))


def defined(markdown: str) -> list[str]:
    """The targets of its link definitions, used or not."""
    env: dict[str, Any] = {}
    _parser.parse(markdown, env)
    return [str(each["href"]) for each in env.get("references", {}).values()]


def is_plain(markdown: str) -> bool:
    """Lines that begin with a letter and hold nothing that could be markup, an address or a mention anywhere: most
    answers are such sentences, and building a tree for them would be a fifth of what a message costs."""
    return _PLAIN.fullmatch(markdown) is not None


class Renderer:
    """Turns Markdown into a platform's own text; a platform overrides what it can show. The defaults are plain text.

    Methods get strings that are already rendered, except `text`, `code`, `fence`, `image` and `table`: they get
    literal text to escape."""

    bold = italic = struck = ""
    """The mark on both sides of such words; none where the platform cannot show it."""
    bullet = "•"

    def render(self, markdown: str) -> str:
        """Without what cannot be seen: a character that turns the direction of reading could make text say something
        else than it does."""
        if is_plain(markdown):
            return markdown
        seen = visible(markdown)
        return self.convert(seen if seen.strip() else markdown)

    def convert(self, markdown: str) -> str:
        """The same by way of the tree; what a platform does to the finished text goes round this."""
        return self._blocks(parse(markdown)).strip("\n")

    def text(self, literal: str) -> str:
        return literal

    def strong(self, inner: str) -> str:
        return self.marked(inner, self.bold)

    def emphasis(self, inner: str) -> str:
        return self.marked(inner, self.italic)

    def strike(self, inner: str) -> str:
        return self.marked(inner, self.struck)

    def marked(self, inner: str, mark: str) -> str:
        """Words between two of a mark."""
        return f"{mark}{inner}{mark}" if inner.strip() else inner

    def code(self, literal: str) -> str:
        return self.text(literal)

    def fence(self, literal: str, language: str) -> str:
        """A block of code; `literal` has no newline at its end."""
        return self.text(literal)

    def link(self, inner: str, href: str) -> str:
        return inner if inner == self.text(href) else f"{inner} ({self.text(href)})"

    def address(self, href: str) -> str:
        """Where a link leads, shown as it is."""
        return self.text(href)

    def image(self, alt: str, source: str) -> str:
        """Shown as a link: an image would be fetched by the reader's app, which tells its owner who read it."""
        return self._link(alt or source, self.text(alt or source), source)

    def heading(self, inner: str, level: int) -> str:
        return self.strong(inner)

    def paragraph(self, inner: str) -> str:
        return inner

    def quote(self, inner: str) -> str:
        return "\n".join(f"> {line}" for line in inner.split("\n"))

    def item(self, inner: str, marker: str) -> str:
        """One entry of a list; `marker` is the `bullet` or `1.`; further lines are moved in under the first."""
        return f"{marker} " + inner.replace("\n", "\n" + " " * (len(marker) + 1))

    def table(self, rows: list[list[str]]) -> str:
        """Cells as literal text, the header first."""
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return self.fence("\n".join(lines), "")

    def rule(self) -> str:
        return self.text("———")

    def _blocks(self, node: SyntaxTreeNode, between: str = "\n\n") -> str:
        return between.join(block for child in node.children if (block := self._block(child)))

    def _block(self, node: SyntaxTreeNode) -> str:
        match node.type:
            case "paragraph":
                return self.paragraph(self._inline(node.children[0]))
            case "heading":
                return self.heading(self._inline(node.children[0]), int(node.tag[1]))
            case "fence" | "code_block":
                words = node.info.split() if node.type == "fence" else []
                return self.fence(node.content.rstrip("\n"), words[0] if words else "")
            case "blockquote":
                return self.quote(self._blocks(node))
            case "bullet_list" | "ordered_list":
                return self._list(node)
            case "table":
                return self.table(
                    [[_plain(cell) for cell in row.children] for part in node.children for row in part.children]
                )
            case "hr":
                return self.rule()
            case _:
                return self.text(node.content)

    def _list(self, node: SyntaxTreeNode) -> str:
        first = int(node.attrs.get("start", 1))
        ordered = node.type == "ordered_list"
        return "\n".join(
            self.item(self._blocks(item, "\n"), f"{first + number}." if ordered else self.bullet)
            for number, item in enumerate(node.children)
        )

    def _inline(self, node: SyntaxTreeNode) -> str:
        return "".join(map(self._span, node.children))

    def _link(self, label: str, inner: str, href: str) -> str:
        return f"{inner} ({self.address(href)})" if _names_another(label, href) else self.link(inner, href)

    def _span(self, node: SyntaxTreeNode) -> str:
        match node.type:
            case "strong":
                return self.strong(self._inline(node))
            case "em":
                return self.emphasis(self._inline(node))
            case "s":
                return self.strike(self._inline(node))
            case "code_inline":
                return self.code(node.content)
            case "link":
                return self._link(_plain(node), self._inline(node), str(node.attrs["href"]))
            case "image":
                return self.image(_plain(node), str(node.attrs["src"]))
            case "softbreak" | "hardbreak":
                return "\n"
            case _:
                return self.text(node.content)


def remembered(renderer: Renderer) -> Callable[[str], str]:
    """Its `render`: a part is measured and then sent, and the second time costs nothing."""
    return lru_cache(maxsize=64)(renderer.render)


def apart(literal: str, ticks: int = 3) -> str:
    """Code in which so many backticks, which would end it, stand nowhere side by side."""
    return re.sub("`" * (ticks - 1) + "(?=`)", lambda found: found[0] + "\u200b", literal)


def utf16_units(text: str) -> int:
    """How long it is where an emoji counts as two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _names_another(label: str, href: str) -> bool:
    """Whether a link's words look like an address at another host than the one it leads to."""
    if label == href:
        return False
    words = unicodedata.normalize("NFKC", visible(label)).translate(_DOTS)
    target = _host(href)
    named = (host for host in _HOST.findall(words) if host.rpartition(".")[2].lower() not in FILES)
    return bool(target) and any(_ascii(host) != target for host in named)


def _host(href: str) -> str:
    try:
        address = urlsplit(href)
        host = address.hostname or ""
    except ValueError:
        return "?"  # certainly none that a label could name
    return _ascii(address.path.rpartition("@")[2] if address.scheme.lower() == "mailto" else host)


def _ascii(host: str) -> str:
    """As it is compared: `www.` alone is no other place."""
    host = host.lower().strip(".").removeprefix("www.")
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return host


def _plain(node: SyntaxTreeNode) -> str:
    """The words of a node, without any markup."""
    if node.children:
        return "".join(map(_plain, node.children))
    return " " if node.type in ("softbreak", "hardbreak") else node.content
