"""HTML as Markdown: headings, lists, tables, code and links stay readable; scripts, styles and navigation go."""

import re
from html.parser import HTMLParser

from bots._knowledge.passages import escaped

_DROPPED = frozenset(
    "script style nav footer aside noscript template svg math button iframe object select".split()  # noqa: SIM905
)
_BLOCKS = frozenset(
    """p div section header form blockquote dl dt dd figure figcaption address details summary hr body""".split()  # noqa: SIM905
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CELLS = frozenset(("td", "th"))
_DEEPEST = 6
"""Levels of lists that are told apart."""


def to_markdown(html: str) -> str:
    """The page's main part where it names one, else all of its body. Headed by its title where it has no heading."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.flush()
    text = "\n".join(reader.main or reader.body)
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    title = " ".join("".join(reader.title).split())
    if title and not re.search(r"^#", text, re.MULTILINE):
        text = f"# {escaped(title)}\n\n{text}"
    return text


class _Reader(HTMLParser):
    """Collects lines. Nothing in it calls itself: a page may be nested as deep as it likes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.main: list[str] = []
        self.body: list[str] = []
        self._line: list[str] = []
        self._prefix = ""
        self._dropping = ""
        self._depth = 0
        self._mains = 0
        self._in_title = False
        self._code = 0
        self._lists: list[int | None] = []
        """Open lists: the number of the last item, or None where they have none."""
        self._row: list[str] | None = None
        self._rows = 0
        self._links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._dropping:
            self._depth += tag == self._dropping
            return
        match tag:
            case _ if tag in _DROPPED:
                self._dropping, self._depth = tag, 1
            case "title":
                self._in_title = True
            case "main" | "article":
                self.flush()
                self._mains += 1
            case "br":
                self._line.append("\n" if self._code else " " if self._row is not None else "\\\n")
            case "pre":
                self.flush()
                self._code += 1
            case "code" if not self._code:
                self._line.append("\0")
            case "a" if not self._code:
                target = dict(attrs).get("href") or ""
                self._links.append(target if re.fullmatch(r"https?://[^\s<>()]+", target) else "")
                self._line.append("[" if self._links[-1] else "")
            case "ul" | "ol":
                self.flush()
                self._lists.append(0 if tag == "ol" else None)
            case "li":
                self.flush()
                self._prefix = self._item()
            case "table":
                self.flush()
                self._rows = 0
            case "tr":
                self.flush()
                self._row = []
            case _ if tag in _CELLS:
                self._cell()
            case _ if tag in _HEADINGS:
                self.flush()
                self._prefix = "#" * _HEADINGS[tag] + " "
            case _ if tag in _BLOCKS and self._row is None:
                self.flush()

    def handle_endtag(self, tag: str) -> None:
        if self._dropping:
            self._depth -= tag == self._dropping
            if self._depth == 0 or tag in ("body", "html"):
                self._dropping = ""
            return
        match tag:
            case "title":
                self._in_title = False
            case "main" | "article":
                self.flush()
                self._mains = max(0, self._mains - 1)
            case "pre":
                self._end_code()
            case "code" if not self._code:
                self._line.append("\0")
            case "a" if self._links:
                target = self._links.pop()
                self._line.append(f"]({target})" if target else "")
            case "ul" | "ol":
                self.flush()
                self._lists = self._lists[:-1]
                if not self._lists:
                    self._out("")
            case _ if tag in _CELLS:
                self._cell()
            case "tr" if self._row is not None:
                self._end_row()
            case "table":
                self._end_row()
                self._out("")
            case "li":
                self.flush()
            case _ if (tag in _BLOCKS or tag in _HEADINGS) and self._row is None:
                self.flush()

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._dropping:
            self._line.append(data if self._code else _written(data))

    def flush(self) -> None:
        """End the paragraph."""
        if self._code:
            return
        text = re.sub(r"[ \t\n\r\f]+", " ", "".join(self._line).replace("\\\n", "\1")).strip()
        self._line.clear()
        if self._row is not None:
            self._row.append(text) if text else None
            return
        prefix, self._prefix = self._prefix, ""
        if not text.strip("\0\1 "):
            return
        text = re.sub("\0([^\0]*)\0", lambda code: f"`{_unwritten(code[1])}`" if code[1].strip() else "", text)
        self._out(prefix + text.replace("\0", "").replace("\1", "\\\n" if not prefix else " "))
        if not self._lists:
            self._out("")

    def _out(self, line: str) -> None:
        self.body.append(line)
        if self._mains:
            self.main.append(line)

    def _item(self) -> str:
        if not self._lists:
            return "- "
        number = self._lists[-1]
        indent = "   " * (min(len(self._lists), _DEEPEST) - 1)
        if number is None:
            return indent + "- "
        self._lists[-1] = number + 1
        return f"{indent}{number + 1}. "

    def _end_code(self) -> None:
        if self._code != 1:
            self._code = max(0, self._code - 1)
            return
        self._code = 0
        code = "".join(self._line).strip("\n")
        self._line.clear()
        fence = "`" * max([3, *(len(ticks) + 1 for ticks in re.findall("`+", code))])
        for line in ("", fence, *code.split("\n"), fence, ""):
            self._out(line)

    def _cell(self) -> None:
        """End the cell before and begin another."""
        if self._row is not None:
            text = " ".join("".join(self._line).replace("\\\n", " ").split()).replace("|", "\\|")
            self._line.clear()
            if text:
                self._row.append(re.sub("\0([^\0]*)\0", lambda code: f"`{_unwritten(code[1])}`", text))

    def _end_row(self) -> None:
        self._cell()
        row, self._row = self._row, None
        if not row:
            return
        if not self._rows:
            self._out("")
        self._out("| " + " | ".join(cell.replace("\0", "") for cell in row) + " |")
        if not self._rows:
            self._out("|" + " --- |" * len(row))
        self._rows += 1


def _written(data: str) -> str:
    """Escaped, with the spaces at its ends kept."""
    return re.sub(r"\S(?:.*\S)?", lambda inner: escaped(inner[0]), data.replace("\0", ""), flags=re.DOTALL)


def _unwritten(text: str) -> str:
    return re.sub(r"\\([^\n])", r"\1", text).replace("`", "'").strip()
