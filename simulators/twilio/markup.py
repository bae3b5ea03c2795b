"""How WhatsApp's app shows a message's markup: faq.whatsapp.com/539178204879377."""

import html
import re

_GAP = "\u200b"
_EDGE = rf"\s{_GAP}"
_INLINE = (("*", "strong"), ("_", "em"), ("~", "s"))


def to_html(text: str) -> str:
    """Safe HTML; a zero-width space counts as a space, and is not shown."""
    pieces = re.split(r"(```(?:(?!```).)+```)", html.escape(text), flags=re.DOTALL)
    shown = [f"<pre>{p[3:-3]}</pre>" if i % 2 else _lines(p) for i, p in enumerate(pieces)]
    return "".join(shown).replace(_GAP, "")


def _lines(text: str) -> str:
    return "<br>".join(map(_line, text.split("\n")))


def _line(line: str) -> str:
    if line.startswith("&gt; "):
        return f"<blockquote>{_spans(line[5:])}</blockquote>"
    return _spans(line)


def _spans(line: str) -> str:
    pieces = re.split(rf"(`(?![{_EDGE}])[^`]*[^`{_EDGE}]`)", line)
    return "".join(f"<code>{p[1:-1]}</code>" if i % 2 else _formatted(p) for i, p in enumerate(pieces))


def _formatted(text: str) -> str:
    for mark, tag in _INLINE:
        m = re.escape(mark)
        text = re.sub(
            rf"(?<![^\W_]){m}(?![{_EDGE}{m}])([^{m}]*?[^{m}{_EDGE}]){m}(?![^\W_])", rf"<{tag}>\1</{tag}>", text
        )
    return text
