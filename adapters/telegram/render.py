"""Markdown -> the HTML that the Bot API reads. Pure.

https://core.telegram.org/bots/api#html-style; tags that may not stand in one another are put right by the server
(`fix_entities` in tdlib's MessageEntity.cpp), so they nest here as they do in Markdown. Nor does the server look for
names in anything that touches code (`merge_entities` there).
"""

import re
from html import escape, unescape

from core.markdown import Renderer, remembered, utf16_units

_JOINER = "\u2060"
_NAME = re.compile(rf"(?<![A-Za-z0-9])@(?!{_JOINER})")
_TAG = re.compile("<[^>]*>")


class TelegramRenderer(Renderer):
    bold, italic, struck = "b", "i", "s"

    def convert(self, markdown: str) -> str:
        """Where nothing would be left to see, the Markdown itself is shown."""
        html = super().convert(markdown)
        return html if _shown(html) else self.text(markdown)

    def text(self, literal: str) -> str:
        """Names in it notify nobody."""
        return escape(_hushed(literal), quote=False)

    def marked(self, inner: str, mark: str) -> str:
        return f"<{mark}>{inner}</{mark}>"

    def code(self, literal: str) -> str:
        return f"<code>{escape(literal, quote=False)}</code>"

    def fence(self, literal: str, language: str) -> str:
        code = escape(literal, quote=False)
        if re.fullmatch(r"[\w+#.-]{1,32}", language):
            code = f'<code class="language-{language}">{code}</code>'
        return f"<pre>{code}</pre>"

    def quote(self, inner: str) -> str:
        return f"<blockquote>{inner}</blockquote>"

    def link(self, inner: str, href: str) -> str:
        """To the web only: one to `tg://user` would be a mention."""
        if re.match("https?://", href, re.IGNORECASE):
            return f'<a href="{escape(href)}">{inner}</a>'
        return inner if inner == self.text(href.removeprefix("mailto:")) else f"{inner} ({self.address(href)})"

    def address(self, href: str) -> str:
        return self.code(href)


render = remembered(TelegramRenderer())


def measure(markdown: str) -> int:
    """UTF-16 units that count towards the Bot API's limit: of what is shown."""
    return utf16_units(_shown(render(markdown)))


def plain(html: str) -> str:
    """The same without tags; names were safe within code, and are no more."""
    return _hushed(_shown(html))


def _shown(html: str) -> str:
    return unescape(_TAG.sub("", html)).strip()


def _hushed(text: str) -> str:
    return _NAME.sub("@" + _JOINER, text)
