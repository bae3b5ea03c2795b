"""mrkdwn as Slack's app shows it, in safe HTML.

https://docs.slack.dev/messaging/formatting-message-text
"""

import html
import re

_MARK, _END = "\ue000", "\ue001"
_TOKEN = re.compile(r"```(.+?)```|`([^`\n]+)`|<([^<>\n]+)>", re.DOTALL)
_PLACE = re.compile(f"{_MARK}(\\d+){_END}")
_STYLES = [
    # A marker opens at the edge of a word and closes at one, on the same line.
    (re.compile(rf"(?<![\w{mark}]){mark}(?=[^\s\u200b{mark}])([^\n]*?[^\s\n]){mark}(?![\w{mark}])"), tag)
    for mark, tag in ((r"\*", "b"), ("_", "i"), ("~", "s"))
]


def show(mrkdwn: str, names: dict[str, str]) -> str:
    """`names`: what an id is called. All text is escaped; only tags made here are tags."""
    kept: list[str] = []

    def keep(shown: str) -> str:
        kept.append(shown)
        return f"{_MARK}{len(kept) - 1}{_END}"

    def token(match: re.Match[str]) -> str:
        if match[1] is not None:
            return keep(f"<pre>{_escape(match[1].strip(chr(10)))}</pre>")
        if match[2] is not None:
            return keep(f"<code>{_escape(match[2])}</code>")
        return keep(_reference(match[3], names))

    text = _TOKEN.sub(token, mrkdwn.replace(_MARK, "").replace(_END, ""))
    text = _styled("\n".join(_quoted(text)))
    while _PLACE.search(text):
        text = _PLACE.sub(lambda match: kept[int(match[1])], text)
    return text


def _escape(text: str) -> str:
    """Slack's three entities are undone, then all is escaped for HTML."""
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return html.escape(text)


def _styled(text: str) -> str:
    for pattern, tag in _STYLES:
        text = pattern.sub(rf"<{tag}>\1</{tag}>", text)
    return text.replace("\n", "<br>")


def _quoted(text: str) -> list[str]:
    lines = []
    for line in text.split("\n"):
        quoted = re.match(r"(?:&gt;|>) ?", line)
        shown = _escape(line[quoted.end() :] if quoted else line)
        lines.append(f"<blockquote>{shown}</blockquote>" if quoted else shown)
    return lines


def _reference(inner: str, names: dict[str, str]) -> str:
    target, _, label = inner.partition("|")
    match target[:1]:
        case "@" | "#":
            return f"<mark>{target[0]}{_escape(label or names.get(target[1:], target[1:]))}</mark>"
        case "!":
            return f"<mark>@{_escape(target[1:])}</mark>"
    if not re.match(r"(?:https?://|mailto:|tel:)", target, re.IGNORECASE):
        return _escape(f"<{inner}>")
    return f'<a href="{_escape(target)}" rel="noopener noreferrer">{_styled(_escape(label or target))}</a>'
