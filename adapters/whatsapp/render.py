"""Markdown -> WhatsApp's own markup: `*bold* _italic_ ~strike~`, code in backticks, `> ` quotes. Pure.

WhatsApp has no escape character. A marker opens where no letter or digit stands before it and no space after it, and
formats when its twin closes the same line in mirror image. While the tree is walked, our own markers are private
characters, so that at the end they can be told from literal ones with their neighbours in sight: a zero-width space
makes our own work inside a word, and takes the effect from a literal one.
"""

import re
from functools import lru_cache

from core.markdown import Renderer

_GAP = "\u200b"
_MARKS = {
    "\ue000": "*",
    "\ue001": "*",
    "\ue002": "_",
    "\ue003": "_",
    "\ue004": "~",
    "\ue005": "~",
    "\ue006": "`",
    "\ue007": "`",
    "\ue008": "```",
    "\ue009": "```",
    "\ue00a": ">",
}
_BOLD, _ITALIC, _STRIKE, _CODE, _FENCE = "\ue000\ue001", "\ue002\ue003", "\ue004\ue005", "\ue006\ue007", "\ue008\ue009"
_QUOTE = "\ue00a"
_TO_MARKS = str.maketrans(_MARKS)
_PRIVATE = str.maketrans("", "", "".join(_MARKS))
_TOKEN = re.compile(
    "(?P<code>\ue006[^\ue007]*\ue007|\ue008[^\ue009]*\ue009)"
    "|(?P<address>https?://[^\\s\ue000-\ue00a]+)"  # one character more would break it
    "|(?P<ours>[\ue000-\ue005\ue00a])"
    "|(?P<literal>[*_~`]+)"
    "|(?P<quote>^>(?= ))",
    re.MULTILINE,
)


_TICKS = re.compile("`{3,}")
_BETWEEN = re.compile(r"(?<=(.))(?!\1|$)")
"""Between two different characters."""


@lru_cache(maxsize=128)  # a message is measured, and a moment later sent
def to_whatsapp(markdown: str) -> str:
    """The text of a message."""
    return _renderer.render(markdown)


class WhatsAppRenderer(Renderer):
    def convert(self, markdown: str) -> str:
        raw = super().convert(markdown)
        shown = raw.translate(_TO_MARKS)
        alone = frozenset(mark for mark in "*_~`" if shown.count(mark) < 2)
        return _TOKEN.sub(lambda token: _finish(token, alone), raw)

    def text(self, literal: str) -> str:
        return literal.translate(_PRIVATE)

    def strong(self, inner: str) -> str:
        return _wrap(inner, _BOLD)

    def emphasis(self, inner: str) -> str:
        return _wrap(inner, _ITALIC)

    def strike(self, inner: str) -> str:
        return _wrap(inner, _STRIKE)

    def code(self, literal: str) -> str:
        return _monospace(self.text(literal).replace("\n", " "), _FENCE if "`" in literal else _CODE)

    def fence(self, literal: str, language: str) -> str:
        return _monospace(self.text(literal), _FENCE)

    def quote(self, inner: str) -> str:
        return "\n".join(f"{_QUOTE} {line}" for line in inner.split("\n"))


_renderer = WhatsAppRenderer()


def _wrap(inner: str, marks: str) -> str:
    """Mark each line, for no formatting runs on to the next; what is marked in the same way already says no more."""
    inner = inner.replace(marks[0], "").replace(marks[1], "")
    return "\n".join(_wrap_line(line, marks) for line in inner.split("\n"))


def _wrap_line(line: str, marks: str) -> str:
    words = line.strip()
    return line.replace(words, marks[0] + words + marks[1], 1) if words else line


def _monospace(literal: str, marks: str) -> str:
    if not literal.strip():
        return literal
    literal = _TICKS.sub(lambda ticks: _GAP.join(ticks[0]), literal)
    before = _GAP if literal[0] == "`" else ""
    after = _GAP if literal[-1] == "`" else ""
    return marks[0] + before + literal + after + marks[1]


def _finish(token: re.Match[str], alone: frozenset[str]) -> str:
    raw, start, end = token.string, token.start(), token.end()
    before, after = raw[start - 1 : start] or "\n", raw[end : end + 1] or "\n"
    kind, text = token.lastgroup, token[0]
    if kind == "address":
        return text
    if kind == "quote":
        return _GAP + text
    if kind == "code":
        marked = text.translate(_TO_MARKS)
        return _GAP * before.isalnum() + marked + _GAP * after.isalnum()
    if kind == "ours":
        if text == _QUOTE:
            return ">"
        opens = text in "\ue000\ue002\ue004"
        split_before = opens and before.isalnum()
        split_after = not opens and (after.isalnum() or ord(after) == ord(text) - 1)
        return _GAP * split_before + _MARKS[text] + _GAP * split_after
    if alone.issuperset(text) and len(text) == 1:
        return text
    hugs_before = not (before.isspace() or before in "\ue000\ue002\ue004")
    hugs_after = not (after.isspace() or after in "\ue001\ue003\ue005")
    works_in_words = "`" in text or len(text) > 1
    opens = hugs_after and (works_in_words or not before.isalnum())
    closes = hugs_before and (works_in_words or not after.isalnum())
    text = _BETWEEN.sub(_GAP, text)
    return _GAP * hugs_before + text + _GAP * hugs_after if opens or closes else text
