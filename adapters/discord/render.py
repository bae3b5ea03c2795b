"""Answers -> Discord's own Markdown and request bodies: nothing in them notifies anybody. Pure.

https://docs.discord.com/developers/resources/message#create-message
"""

import re
from collections.abc import Sequence
from typing import Any

from markdown_it.tree import SyntaxTreeNode

from core.adapter import CommandSpec
from core.events import Choice, Part
from core.markdown import Renderer, apart, remembered

Body = dict[str, Any]

_SUPPRESS_EMBEDS = 1 << 2

_SPECIAL = re.compile(r"([\\*_~`|\[\]<])|(?m:^(\s*)([#>+-]))")
_URL = re.compile(r"(https?://[^\s<>]+)")
_CLOSING = re.compile(r"[.,;:!?'\")\]}*_~|`]+$")
_APART_BY = ("softbreak", "hardbreak")
_LIVE = re.compile(r"@(?=everyone|here)|<(?=[@#][!&]?\d)")
_APART = "\u200b"


class DiscordRenderer(Renderer):
    """https://support.discord.com/hc/en-us/articles/210298617"""

    bold, italic, struck, bullet = "**", "*", "~~", "-"

    def convert(self, markdown: str) -> str:
        """Mention-like text is taken apart last, so that no two neighbours can join into one."""
        return _LIVE.sub(lambda found: found[0] + _APART, super().convert(markdown)).strip()

    def text(self, literal: str) -> str:
        """A bare address stays as it is: a backslash in it would become part of the link."""
        pieces = _URL.split(literal)
        return "".join(_quiet(piece) if index % 2 else _escape(piece) for index, piece in enumerate(pieces))

    def _inline(self, node: SyntaxTreeNode) -> str:
        """An address that something touches is given an end: else what follows, be it code, became part of it."""
        after = [*(child.type for child in node.children[1:]), "softbreak"]
        return "".join(
            self._ended(child.content) if child.type == "text" and next_ not in _APART_BY else self._span(child)
            for child, next_ in zip(node.children, after, strict=True)
        )

    def _ended(self, literal: str) -> str:
        *before, last = _URL.split(literal)
        if not before or last:
            return self.text(literal)
        url = _CLOSING.sub("", before[-1])
        start = len(literal) - len(before[-1])
        return f"{self.text(literal[:start])}<{_quiet(url)}>{_escape(before[-1][len(url) :])}"

    def code(self, literal: str) -> str:
        if "`" not in literal:
            return f"`{literal}`"
        return f"`` {apart(literal, 2)} ``"

    def fence(self, literal: str, language: str) -> str:
        word = language if re.fullmatch(r"[\w+#.-]{1,20}", language) else ""
        return f"```{word}\n{apart(literal)}\n```"

    def link(self, inner: str, href: str) -> str:
        """A label with an address in it is shown beside the true one: Discord would refuse to make a link of it."""
        if not href.startswith(("http://", "https://")):
            return inner
        target = self.address(href)
        if not inner.strip() or inner in (href, self.text(href), target[1:-1]):
            return target
        if "://" in inner or "\n" in inner:
            return f"{inner} ({target})"
        return f"[{inner}]({target})"

    def address(self, href: str) -> str:
        if not href.startswith(("http://", "https://")):
            return super().address(href)
        return f"<{_quiet(href.replace('<', '%3C').replace('>', '%3E'))}>"

    def heading(self, inner: str, level: int) -> str:
        line = " ".join(inner.split("\n"))
        return f"{'#' * level} {line}" if level <= 3 else self.strong(line)

    def quote(self, inner: str) -> str:
        """Discord knows one level of quotes."""
        return "\n".join(line if line.startswith("> ") else f"> {line}" for line in inner.split("\n"))


render = remembered(DiscordRenderer())


def message(part: Part) -> Body:
    """What a message and an edit of it have in common."""
    return {
        "content": render(part.text),
        "components": _buttons(part.choices),
        "flags": _SUPPRESS_EMBEDS,
        "allowed_mentions": {"parse": [], "replied_user": False},
    }


def quoting(message_id: str) -> Body:
    return {"message_reference": {"message_id": message_id, "fail_if_not_exists": False}}


def command(spec: CommandSpec) -> Body:
    """https://docs.discord.com/developers/interactions/application-commands#application-command-object"""
    body: Body = {"name": spec.name, "description": spec.summary[:100] or spec.name}
    if spec.argument:
        name = re.sub(r"[^\w-]", "_", spec.argument.lower())[:32]
        body["options"] = [{"type": 3, "name": name, "description": spec.argument[:100]}]
    return body


def essence(commands: Sequence[Body]) -> list[tuple[str, ...]]:
    """What the commands say, to compare; ids, versions and defaults are Discord's own."""
    return sorted(
        (one["name"], one["description"], *(option["name"] for option in one.get("options", ()))) for one in commands
    )


def _buttons(choices: Sequence[Choice]) -> list[Body]:
    """Rows of five: https://docs.discord.com/developers/components/reference#action-row"""
    buttons = [
        {"type": 2, "style": 2, "label": choice.label[:80] or "…", "custom_id": choice.value[:100]}
        for choice in choices[:25]
    ]
    return [{"type": 1, "components": buttons[row : row + 5]} for row in range(0, len(buttons), 5)]


def _escape(literal: str) -> str:
    return _SPECIAL.sub(lambda found: f"{found[2] or ''}\\{found[1] or found[3]}", literal)


def _quiet(url: str) -> str:
    return url.replace("@", "%40")
