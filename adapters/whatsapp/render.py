"""Markdown -> WhatsApp's own markup: `*bold* _italic_ ~strike~`, code in backticks, `> ` quotes. Pure.

WhatsApp has no escape character. A marker opens where no letter or digit stands before it and no space after it, and
formats when its twin closes the same line in mirror image. While the tree is walked, our own markers are private
characters, so that at the end they can be told from literal ones with their neighbours in sight: a zero-width space
makes our own work inside a word, and takes the effect from a literal one.
"""

import re

from core.markdown import Renderer, remembered

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
_CODE, _FENCE = "\ue006\ue007", "\ue008\ue009"
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


class WhatsAppRenderer(Renderer):
    bold, italic, struck = "\ue000\ue001", "\ue002\ue003", "\ue004\ue005"

    def convert(self, markdown: str) -> str:
        raw = super().convert(markdown)
        shown = raw.translate(_TO_MARKS)
        alone = frozenset(mark for mark in "*_~`" if shown.count(mark) < 2)
        return _TOKEN.sub(lambda token: _finish(token, alone), raw)

    def text(self, literal: str) -> str:
        return literal.translate(_PRIVATE)

    def marked(self, inner: str, mark: str) -> str:
        """Each line by itself, for no formatting runs on to the next; what is marked so already says no more."""
        lines = inner.replace(mark[0], "").replace(mark[1], "").split("\n")
        return "\n".join(
            line.replace(words, mark[0] + words + mark[1], 1) if (words := line.strip()) else line for line in lines
        )

    def code(self, literal: str) -> str:
        """Without blanks at its ends, where it would not be taken for code."""
        return _monospace(self.text(literal).replace("\n", " ").strip(), _FENCE if "`" in literal else _CODE)

    def fence(self, literal: str, language: str) -> str:
        return _monospace(self.text(literal), _FENCE)

    def quote(self, inner: str) -> str:
        return "\n".join(f"{_QUOTE} {line}" for line in inner.split("\n"))


to_whatsapp = remembered(WhatsAppRenderer())
"""The text of a message."""


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
    opens = "```" in text or (hugs_after and (works_in_words or not before.isalnum()))
    closes = hugs_before and (works_in_words or not after.isalnum())
    text = _TICKS.sub(lambda ticks: _GAP.join(ticks[0]), _BETWEEN.sub(_GAP, text))
    return _GAP * hugs_before + text + _GAP * hugs_after if opens or closes else text
