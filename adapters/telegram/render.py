"""Markdown as text and entities: nothing to escape, so nothing that the Bot API could fail to parse.

Offsets and lengths count UTF-16 units. While the tree is walked, spans are marked by control characters, which
no text keeps; the last step takes them out and measures."""

import re
from dataclasses import dataclass

import msgspec

from core.markdown import Renderer


class Entity(msgspec.Struct, frozen=True, omit_defaults=True):
    """As `MessageEntity` goes over the wire."""

    type: str
    offset: int
    length: int
    url: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    text: str
    entities: tuple[Entity, ...] = ()

    @property
    def size(self) -> int:
        return _units(self.text)


JOINER = "\u2060"
_STYLES = ("bold", "italic", "strikethrough")
_CODE = ("code", "pre")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_MARK = re.compile("\x02(\\d+)\x1f|\x03")
# At the end of a piece of text too: its name may follow in the next piece.
_NAME = re.compile(r"(?<![A-Za-z0-9])@(?=[A-Za-z0-9_]|$)", re.MULTILINE)


def render(markdown: str) -> Rendered:
    """What a reader sees of this Markdown. Names in it notify nobody."""
    walk = _Walk()
    rendered = _measured(walk.render(_CONTROL.sub("", markdown)), walk.spans)
    return rendered if rendered.text else Rendered(_hushed(_CONTROL.sub("", markdown).strip()))


def plain(rendered: Rendered) -> Rendered:
    """The same without entities; names were safe within code, and are no more."""
    return Rendered(_hushed(rendered.text))


def _hushed(text: str) -> str:
    return _NAME.sub("@" + JOINER, text)


class _Walk(Renderer):
    def __init__(self) -> None:
        self.spans: list[Entity] = []

    def _span_of(self, kind: str, inner: str, url: str | None = None, language: str | None = None) -> str:
        self.spans.append(Entity(kind, 0, 0, url, language))
        return f"\x02{len(self.spans) - 1}\x1f{inner}\x03"

    def text(self, literal: str) -> str:
        return _hushed(_CONTROL.sub("", literal))

    def strong(self, inner: str) -> str:
        return self._span_of("bold", inner)

    def emphasis(self, inner: str) -> str:
        return self._span_of("italic", inner)

    def strike(self, inner: str) -> str:
        return self._span_of("strikethrough", inner)

    def code(self, literal: str) -> str:
        literal = _CONTROL.sub("", literal)
        return self._span_of("code", literal) + (JOINER if literal.endswith("@") else "")

    def fence(self, literal: str, language: str) -> str:
        known = re.fullmatch(r"[\w+#.-]{1,32}", language)
        return self._span_of("pre", _CONTROL.sub("", literal), language=language if known else None)

    def quote(self, inner: str) -> str:
        return self._span_of("blockquote", inner)

    def link(self, inner: str, href: str) -> str:
        # A `tg://user` link would be a mention.
        if re.match(r"https?://", href, re.IGNORECASE):
            return self._span_of("text_link", inner, url=href)
        return inner if inner == self.text(href.removeprefix("mailto:")) else f"{inner} ({self.code(href)})"


@dataclass(slots=True)
class _Open:
    span: Entity | None
    """None: the same is open around it already, or may not stand here."""
    start: int


def _measured(marked: str, spans: list[Entity]) -> Rendered:
    pieces: list[str] = []
    entities: list[Entity] = []
    stack: list[_Open] = []
    at = last = 0

    def close(opened: _Open) -> None:
        if opened.span and at > opened.start:
            entities.append(
                msgspec.structs.replace(opened.span, offset=opened.start, length=at - opened.start),
            )

    def styles() -> list[_Open]:
        return [opened for opened in stack if opened.span and opened.span.type in _STYLES]

    for mark in _MARK.finditer(marked):
        pieces.append(marked[last : mark.start()])
        at += _units(pieces[-1])
        last = mark.end()
        if mark[1] is not None:
            span = spans[int(mark[1])]
            around = {opened.span.type for opened in stack if opened.span}
            if span.type in _CODE:
                for opened in styles():
                    close(opened)
            fits = span.type not in around and not (span.type in _CODE and "text_link" in around)
            stack.append(_Open(span if fits else None, at))
            continue
        closed = stack.pop()
        close(closed)
        if closed.span and closed.span.type in _CODE:
            for opened in styles():
                opened.start = at  # code bears no style: that goes on behind it
    pieces.append(marked[last:])
    return _trimmed("".join(pieces), entities)


def _trimmed(text: str, entities: list[Entity]) -> Rendered:
    """The Bot API takes white space off both ends; the offsets must know."""
    lead = len(text) - len(text.lstrip())
    text = text.strip()
    total = _units(text)
    kept = []
    for entity in entities:
        start, end = max(0, entity.offset - lead), min(total, entity.offset + entity.length - lead)
        if end > start:
            kept.append(msgspec.structs.replace(entity, offset=start, length=end - start))
    return Rendered(text, tuple(sorted(kept, key=lambda entity: (entity.offset, -entity.length))))


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
