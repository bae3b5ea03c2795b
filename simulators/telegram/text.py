"""Text and its entities: found in what people type, checked in what bots send, shown as HTML.

Offsets and lengths count UTF-16 units (core.telegram.org/bots/api#messageentity)."""

import re
from collections.abc import Sequence
from html import escape
from html.parser import HTMLParser
from typing import Any

Entity = dict[str, Any]

# core.telegram.org/bots/api#formatting-options: no mention, command or link is found within these.
_LITERAL = ("code", "pre", "text_link", "text_mention")
_FOUND = {
    # A name counts only where no word goes before it.
    "mention": re.compile(r"(?<!\w)@[A-Za-z0-9_]{2,32}\b"),
    "bot_command": re.compile(r"(?<![\w/])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{2,32})?\b"),
    "url": re.compile(r"\bhttps?://\S+"),
}
_TAGS = {
    "bold": "b",
    "italic": "i",
    "underline": "u",
    "strikethrough": "s",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "expandable_blockquote": "blockquote",
}
# core.telegram.org/bots/api#html-style
_HTML = {tag: kind for kind, tag in _TAGS.items() if kind != "expandable_blockquote"} | {
    "strong": "bold",
    "em": "italic",
    "ins": "underline",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "a": "text_link",
}


class ParseError(ValueError):
    """The words that the Bot API has for it."""


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def find(text: str, known: Sequence[Entity] = ()) -> list[Entity]:
    """The entities of a text: those given, and names, commands and links that the server finds by itself."""
    found = list(known)
    taken = [(e["offset"], e["offset"] + e["length"]) for e in known if e["type"] in _LITERAL]
    for kind, pattern in _FOUND.items():
        for match in pattern.finditer(text):
            start, length = units(text[: match.start()]), units(match[0])
            if not any(start < stop and begin < start + length for begin, stop in taken):
                found.append({"type": kind, "offset": start, "length": length})
    return sorted(found, key=lambda e: (e["offset"], -e["length"]))


def check(text: str, entities: Sequence[Entity]) -> list[Entity]:
    """Entities as the server takes them. Raises ParseError where one does not fit the text."""
    total = units(text)
    inside = set()
    at = 0
    for char in text:
        at += 1
        if char > "\uffff":
            inside.add(at)
            at += 1
    for entity in entities:
        start, end = entity["offset"], entity["offset"] + entity["length"]
        if start < 0 or entity["length"] <= 0:
            raise ParseError(f"can't parse entities: wrong offset {start} or length {entity['length']}")
        if end > total:
            raise ParseError(
                f"entity beginning at UTF-16 offset {start} ends after the end of the text at UTF-16 offset {end}"
            )
        if start in inside or end in inside:
            raise ParseError(
                f"entity beginning at UTF-16 offset {start} ends in a middle of a UTF-16 symbol at UTF-16 offset {end}"
            )
    return sorted(entities, key=lambda e: (e["offset"], -e["length"]))


def parse_html(markup: str) -> tuple[str, list[Entity]]:
    """`parse_mode=HTML`. Raises ParseError as the server would refuse it."""
    parser = _Parser()
    parser.feed(markup)
    parser.close()
    if parser.open:
        raise ParseError(
            f"can't parse entities: Can't find end tag corresponding to start tag \"{parser.open[-1][0]}\""
        )
    return parser.text, parser.entities


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.entities: list[Entity] = []
        self.open: list[tuple[str, Entity]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _HTML:
            raise ParseError(f'can\'t parse entities: Unsupported start tag "{tag}" at byte offset {self.getpos()[1]}')
        entity = {"type": _HTML[tag], "offset": units(self.text)}
        if tag == "a":
            entity["url"] = dict(attrs).get("href") or ""
        self.open.append((tag, entity))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1][0] != tag:
            raise ParseError(f'can\'t parse entities: Unexpected end tag "{tag}"')
        _, entity = self.open.pop()
        entity["length"] = units(self.text) - entity["offset"]
        if entity["length"]:
            self.entities.append(entity)

    def handle_data(self, data: str) -> None:
        self.text += data


def to_html(text: str, entities: Sequence[Entity]) -> str:
    """What the app shows, as safe HTML; overlapping entities are closed and opened again."""
    raw = text.encode("utf-16-le", "surrogatepass")
    cuts = sorted({0, len(raw) // 2} | {e["offset"] for e in entities} | {e["offset"] + e["length"] for e in entities})
    out: list[str] = []
    stack: list[Entity] = []
    for start, end in zip(cuts, [*cuts[1:], cuts[-1]], strict=True):
        keep = next((i for i, e in enumerate(stack) if e["offset"] + e["length"] <= start), len(stack))
        again = [e for e in stack[keep:] if e["offset"] + e["length"] > start]
        out += [_close(e) for e in reversed(stack[keep:])]
        stack = stack[:keep]
        begun = sorted((e for e in entities if e["offset"] == start and e["length"] > 0), key=lambda e: -e["length"])
        for entity in [*again, *begun]:
            out.append(_open(entity, raw))
            stack.append(entity)
        piece = escape(raw[2 * start : 2 * end].decode("utf-16-le", "replace"))
        out.append(piece if any(e["type"] == "pre" for e in stack) else piece.replace("\n", "<br>"))
    return "".join(out)


def _open(entity: Entity, raw: bytes) -> str:
    kind = entity["type"]
    if kind in _TAGS:
        return f"<{_TAGS[kind]}>"
    url = entity.get("url", "")
    if kind == "url":
        url = raw[2 * entity["offset"] : 2 * (entity["offset"] + entity["length"])].decode("utf-16-le", "replace")
    if url.lower().startswith(("http://", "https://")):
        return f'<a href="{escape(url)}" rel="noreferrer noopener" target="_blank">'
    return f'<span class="{escape(kind)}">'


def _close(entity: Entity) -> str:
    kind = entity["type"]
    if kind in _TAGS:
        return f"</{_TAGS[kind]}>"
    url = entity.get("url", "http://" if kind == "url" else "")
    return "</a>" if url.lower().startswith(("http://", "https://")) else "</span>"
