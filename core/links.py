"""Links against an allow-list: those to other hosts are shown as code that no app turns into a link or fetches."""

import re
import unicodedata
from collections.abc import Sequence

from markdown_it.tree import SyntaxTreeNode

from core.markdown import FILES, Renderer, defined, is_plain, parse

_ALLOWED_PORTS = {"http": "80", "https": "443"}
_URL = re.compile(r"(https?)://([^/?#]*)(?:[/?#]\S*)?", re.IGNORECASE)
_UNSURE = re.compile(r"[\\\s\x00-\x1f\x7f\[\]<>\"`{}|*]|://.*://")
"""Where one app ends an address and another goes on; and an address within the address, as of a redirection."""
_HOST = re.compile(r"((?:[^\W_]|[-.])+?)\.?(?::(\d{1,5}))?")
_HIGH = "\u00c0-\u1fff\u2c00-\u2dff\u3040-\ud7ff\uf900-\ufdff\ufe70-\ufeff"
"""Letters beyond ASCII with the marks that belong to them: to `re` some of these are no part of a word."""
_L = rf"[\w{_HIGH}\u2070-\u2bff\u2e80-\u2fff\uff10-\uffee\U00010000-\U0010ffff-]"
"""Of a host's name: some apps take even pictures."""
_TOP = rf"(?:[a-z]{{2,24}}|[{_HIGH}]{{2,24}}|xn--[a-z0-9-]{{1,59}})"
_END = r"(?![a-z0-9]|_+[^\W_])"
_BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_LOOKS_LIKE_LINK = re.compile(
    r"[a-z][a-z0-9+.-]{0,20}\s*:[/\\\uff0f\u2215]+(?:\[[^\s\]]*\])?[^\s<>()\[\]]*"  # any scheme
    r"|(?<!\w)(?:javascript|vbscript|data|file|blob|mailto|tel|sms|intent|about):\S+"
    r"|(?<![\w:])[/\\]{2}[^\s/\\][^\s<>()\[\]]*"  # without a scheme
    rf"|(?<![\w@.+-])[\w.+-]+@(?:{_L}+\.)+{_TOP}{_END}"  # mail
    rf"|(?<!{_L})(?<!{_L}\.)(?:{_L}+\.)+{_TOP}\.?(?::\d+)?{_END}(?:`|[/?#][^\s<>()\[\]]*)?"
    r"|(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?(?:[/?#][^\s<>()\[\]]*)"
    rf"|(?<![\w.])(?:{_BYTE}\.){{3}}{_BYTE}(?:\.?(?!\w|\.\w))(?::\d+)?",
    re.IGNORECASE,
)
_CLOSING = re.compile(r"[.,;:!?'\")\]}>*_~]+$")
_MOST_LOOKS = 8
"""Each look makes one address more plain; what still has some then was made for that."""
_SPECIAL = re.compile(r"[\\`*_\[\]<>~|#&!]")
_LINE_START = re.compile(r"^([ \t]*)(?:(?=[+=-])|(\d{1,9})(?=[.)]))", re.MULTILINE)
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)


def defanged(markdown: str, allowed: Sequence[str]) -> str:
    """The text with every link that is not allowed, in any way of writing one, as code: `hxxps://evil[.]example/x`.

    `allowed`: hosts, `docs.example.org`, `*.example.org` for all below one, `example.org:8443` with a port.
    Text without such a link is left exactly as it is."""
    if is_plain(markdown) and not _LOOKS_LIKE_LINK.search(markdown):
        return markdown
    hosts = frozenset(name for host in allowed for name in _names(host))
    if not _offends(parse(markdown), hosts) and all(is_allowed(target, hosts) for target in defined(markdown)):
        return markdown
    writer = _Writer(hosts)
    source, written = markdown, writer.convert(markdown)
    if not written.strip():  # nothing but definitions, which some would show as they are written
        return writer.paragraph(writer.text(markdown))
    for _ in range(_MOST_LOOKS):
        if not _offends(parse(written), hosts):
            return written
        # An address spread over several formats, or one that was none before what it touched was made plain.
        source = written = writer.paragraph(writer.text(Renderer().convert(source)))
    return writer.fence(Renderer().convert(written), "")


def is_allowed(url: str, hosts: frozenset[str]) -> bool:
    """Whether this is, beyond doubt, a web address at one of the hosts. What browsers read in two ways is not."""
    match = _URL.fullmatch(url)
    if match is None or _UNSURE.search(url):
        return False
    host = _HOST.fullmatch(match[2])  # no user, no percent signs, no brackets
    if host is None:
        return False
    name, port = _normal(host[1]), host[2] or ""
    if name != host[1].lower():  # another way to write the name, which not every app reads alike
        return False
    if port and port != _ALLOWED_PORTS[match[1].lower()]:
        return f"{name}:{port}" in hosts
    labels = name.split(".")
    below = ("*." + ".".join(labels[cut:]) for cut in range(1, len(labels)))
    return name in hosts or any(pattern in hosts for pattern in below)


def plain(url: str) -> str:
    """An address that can be read and not followed."""
    url = re.sub(r"[\s\x00-\x1f\x7f]+", "", url).replace("`", "%60")
    scheme, colon, rest = url.partition(":")
    if colon and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme) and "." not in scheme:
        scheme = re.sub(r"^(h)tt", r"\1xx", re.sub(r"^(H)TT", r"\1XX", scheme))
        slashes = rest[: len(rest) - len(rest.lstrip("/\\"))]
        head = scheme + (":" if slashes else "[:]") + slashes
        rest = rest[len(slashes) :]
    else:
        head, rest = "", url
    end = re.search(r"[/?#]", rest.lstrip("/\\"))
    lead = len(rest) - len(rest.lstrip("/\\"))
    cut = lead + end.start() if end else len(rest)
    body = rest[:cut].replace(".", "[.]").replace("@", "[@]") + rest[cut:]
    return head + re.sub(r":(?=[/\\])", "[:]", body)


def _names(host: str) -> set[str]:
    """The host as it may be written: an international name also in its ASCII form."""
    name = _normal(host)
    if name.isascii() or any(char in name for char in "ßς\u200c\u200d"):  # these have two ASCII forms
        return {name}
    below, name = ("*.", name[2:]) if name.startswith("*.") else ("", name)
    try:
        return {below + name, below + name.encode("idna").decode()}
    except UnicodeError:
        return {below + name}


def _normal(host: str) -> str:
    return unicodedata.normalize("NFC", host).lower().removesuffix(".")


class _Writer(Renderer):
    """Writes the tree as Markdown again."""

    bold, italic, struck, bullet = "**", "*", "~~", "-"

    def __init__(self, hosts: frozenset[str]) -> None:
        self.hosts = hosts

    def text(self, literal: str) -> str:
        written: list[str] = []
        end = 0
        for match in _LOOKS_LIKE_LINK.finditer(literal):
            address = _CLOSING.sub("", match[0])
            if _may_stand(address, self.hosts):
                continue
            written += [_escaped(literal[end : match.start()]), f"`{plain(address)}`"]
            end = match.start() + len(address)
        return "".join([*written, _escaped(literal[end:])])

    def code(self, literal: str) -> str:
        ticks = "`" * (1 + max(map(len, re.findall("`+", literal)), default=0))
        pad = " " if literal.strip() and ("`" in (literal[0], literal[-1]) or literal[0] == literal[-1] == " ") else ""
        return f"{ticks}{pad}{literal}{pad}{ticks}"

    def fence(self, literal: str, language: str) -> str:
        sign = "~" if "`" in language else "`"
        mark = sign * max(3, 1 + max(map(len, re.findall(f"{sign}+", literal)), default=0))
        return f"{mark}{language}\n{literal}\n{mark}"

    def link(self, inner: str, href: str) -> str:
        if is_allowed(href, self.hosts):
            return f"[{inner}](<{href}>)"
        shown = self.address(href)
        return shown if inner in (shown, _escaped(href), "") else f"{inner} ({shown})"

    def address(self, href: str) -> str:
        if is_allowed(href, self.hosts):
            return f"<{href}>"
        return f"`{plain(href)}`" if href else ""

    def heading(self, inner: str, level: int) -> str:
        return f"{'#' * level} " + inner.replace("\n", " ")

    def quote(self, inner: str) -> str:
        return "\n".join(f"> {line}".rstrip() for line in inner.split("\n"))

    def table(self, rows: list[list[str]]) -> str:
        lines = ["| " + " | ".join(self.text(cell).replace("\n", " ") for cell in row) + " |" for row in rows]
        lines.insert(1, "|" + "---|" * len(rows[0]))
        return "\n".join(lines)

    def rule(self) -> str:
        return "---"

    def paragraph(self, inner: str) -> str:
        return _LINE_START.sub(lambda start: f"{start[2] or ''}\\", _INDENT.sub("", inner))


def _offends(node: SyntaxTreeNode, hosts: frozenset[str]) -> bool:
    """Whether there is a link that is not allowed, or text that an app would take for one."""
    match node.type:
        case "link" if not is_allowed(str(node.attrs["href"]), hosts):
            return True
        case "image" if not is_allowed(str(node.attrs["src"]), hosts):
            return True
        case "inline":
            for match in _LOOKS_LIKE_LINK.finditer(_visible(node)):
                if not _may_stand(_CLOSING.sub("", match[0]), hosts):
                    return True
    return any(_offends(child, hosts) for child in node.children)


def _may_stand(address: str, hosts: frozenset[str]) -> bool:
    if not address or (re.fullmatch(r"[\w.-]+", address) and address.rpartition(".")[2].lower() in FILES):
        return True
    return "@" not in address and is_allowed(address if "://" in address else f"https://{address}", hosts)


def _visible(node: SyntaxTreeNode) -> str:
    if node.type == "code_inline":
        return "` `"  # where an address touches it, not every app sees its end there
    if node.type in ("softbreak", "hardbreak"):
        return "\n"
    return "".join(map(_visible, node.children)) if node.children else node.content


def _escaped(literal: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", literal)
