"""Markdown -> Slack's mrkdwn. Pure.

https://docs.slack.dev/messaging/formatting-message-text
"""

import re
from collections.abc import Sequence
from typing import Any

from core.events import Choice
from core.markdown import Renderer, apart, remembered

_OPEN, _CLOSE = "\ue000", "\ue001"
"""Stand around each formatted piece until the end: only then it is known what is next to it."""
_ZERO_WIDTH = "\u200b"
_GRAVE = "ˋ"
"""Looks like a backtick."""
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", _OPEN: None, _CLOSE: None})
_TEXT_ESCAPES = _ESCAPES | str.maketrans({"`": _GRAVE})
_URL_ESCAPES = _ESCAPES | str.maketrans({"<": "%3C", ">": "%3E", "|": "%7C", " ": "%20"})
_OPENING = re.compile(r"[*_~](?<!\w.)(?=\S)")
_BESIDE_WORDS = re.compile(r"(?<=[^\W_])\ue000|\ue001(?=[^\W_])")
_MARKUP = re.compile(r"<(?:[^|>]*\|)?([^>]*)>")
_LINKABLE = re.compile(r"(?:https?://|mailto:|tel:)\S", re.IGNORECASE)


class Mrkdwn(Renderer):
    bold, italic, struck = "*", "_", "~"

    def convert(self, markdown: str) -> str:
        text = _BESIDE_WORDS.sub(_ZERO_WIDTH, super().convert(markdown))
        return text.replace(_OPEN, "").replace(_CLOSE, "")

    def text(self, literal: str) -> str:
        """`&`, `<` and `>` escaped, which leaves no way to mention anybody; a zero-width space after what would open
        formatting, since mrkdwn has no other escape, and none at all for backticks. A sign that stands alone (`*.py`)
        opens nothing, and stays as it can be copied."""
        safe = _OPENING.sub(lambda sign: sign[0] + _ZERO_WIDTH * (literal.count(sign[0]) > 1), literal)
        return safe.translate(_TEXT_ESCAPES)

    def marked(self, inner: str, mark: str) -> str:
        """Formatting ends at the end of a line, and does not nest in itself."""
        lines = inner.replace(_OPEN + mark, "").replace(mark + _CLOSE, "").split("\n")
        return "\n".join(f"{_OPEN}{mark}{line}{mark}{_CLOSE}" if line.strip() else line for line in lines)

    def code(self, literal: str) -> str:
        return f"{_OPEN}`{literal.translate(_TEXT_ESCAPES)}`{_CLOSE}"

    def fence(self, literal: str, language: str) -> str:
        return f"```\n{apart(literal).translate(_ESCAPES)}\n```"

    def link(self, inner: str, href: str) -> str:
        """`<url|label>`, for web and mail addresses only: `<!channel|…>` and `<#C1|…>` would be mentions."""
        if not _LINKABLE.match(href):
            return super().link(inner, href)
        label = _MARKUP.sub(r"\1", inner).replace("\n", " ").replace("|", "¦")
        if label in ("", self.text(href)):
            return self.address(href)
        return f"<{href.translate(_URL_ESCAPES)}|{label}>"

    def address(self, href: str) -> str:
        return f"<{href.translate(_URL_ESCAPES)}>" if _LINKABLE.match(href) else super().address(href)


render = remembered(Mrkdwn())


def blocks(mrkdwn: str, choices: Sequence[Choice]) -> list[dict[str, Any]]:
    """The text and its buttons. https://docs.slack.dev/reference/block-kit/blocks/actions-block

    `verbatim`: without it Slack turns bare names into mentions."""
    text = {"type": "section", "text": {"type": "mrkdwn", "text": mrkdwn, "verbatim": True}}
    buttons = [
        {
            "type": "button",
            "action_id": f"choice_{number}",
            "text": {"type": "plain_text", "text": (choice.label or choice.value)[:75], "emoji": False},
            "value": choice.value,
        }
        for number, choice in enumerate(choices)
    ]
    return [*([text] if mrkdwn.strip() else []), {"type": "actions", "elements": buttons}]
