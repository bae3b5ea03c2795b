"""Names where an answer comes from: tells the model how, and makes of its marks what a reader can follow."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from core.safety import fenced

_CODE = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,}).*?(?:^ {0,3}(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|(?<!`)(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`)",
    re.DOTALL | re.MULTILINE,
)
_NUMBERS = r"\^?\d{1,2}(?:\s*[,;]\s*\^?\d{1,2})*"
_MARK = re.compile(
    rf"(?<![ \t])[ \t]*(?<![\]\\])(?P<all>(?:\[{_NUMBERS}\](?:\([^()\s]*\)|(?!\())|【\d{{1,2}}[^】\n]{{0,40}}】)+)"
)
_NUMBER = re.compile(r"(?<=[\[\s,;^【])(\d{1,2})(?=\s*[\],;†:】])")
_GOES_ON = re.compile(r"[^\s\w]{0,9}\w")
_LISTED = re.compile(r"[ \t]*(?:[-*+] )?\[\^?\d{1,2}\]:?[ \t]")
"""A line of a list of sources."""
_LIST_TITLE = re.compile(
    r"[#*_ \t]*(sources?|references?|citations?|footnotes|quellen?|fuentes?|referencias|références|fontes?|referências|"
    r"источники?|المصادر|المراجع|स्रोत|来源|参考资料|参考|出典)[*_ \t]*[:：]?[*_ \t]*",
    re.IGNORECASE,
)
_SPECIAL = re.compile(r"([\\`*_\[\]<>])")


@dataclass(frozen=True, slots=True)
class Source:
    """Part of a document that an answer may stand on."""

    number: int
    """What the model names it by, from 1 on."""
    title: str
    """Its headings, outermost first."""
    file: str
    text: str
    url: str = ""
    """Where anybody can read it; empty where there is no such place."""


def told(sources: Sequence[Source]) -> str:
    """For the system prompt: the documents, and how to name them. Empty where there are none."""
    if not sources:
        return ""
    how = (
        "Answer from these documents where they fit. After what you take from one, put its number in square brackets, "
        "such as [1]. Name no number that is not among them, and list no sources at the end: that is done for you. "
        "What they do not say you do not know from them."
    )
    return "\n\n".join(
        [how, *(fenced(each.text, f"document {each.number}: {each.title}", each.file) for each in sources)]
    )


def cited(text: str, sources: Sequence[Source]) -> str:
    """The model's answer with a footnote for each source that it names: a link, or heading and file.

    Marks of sources that there are none of go, and so does a list of sources that the model made up itself. Code is
    left alone. Where all marks are true the result begins with `text`, so that it can go on in the same message."""
    known = {source.number: source for source in sources}
    body = _without_list(text, sources)
    used: dict[int, Source] = {}
    written: list[str] = []
    end = 0
    for code in _CODE.finditer(body):
        written += [_marked(body[end : code.start()], known, used), code[0]]
        end = code.end()
    written.append(_marked(body[end:], known, used))
    notes = [f"[{number}] {named(source)}" for number, source in sorted(used.items())]
    return "".join(written).rstrip() + "\n\n" + "\n".join(notes) if notes else "".join(written)


def named(source: Source) -> str:
    """Its title as a link; where it has no public address, its title and file."""
    title, file = (_SPECIAL.sub(r"\\\1", text) for text in (source.title, source.file))
    return f"[{title}]({source.url})" if source.url else f"*{title}* ({file})"


def address(place: str, anchor: str, addresses: Mapping[str, str]) -> str:
    """Where the document is published: by the longest beginning of its path that has an address; else empty.

    `{page}` in the address stands for the rest of the path without its ending; without it the rest is appended."""
    place = _plain(place)
    for prefix, base in sorted(addresses.items(), key=lambda entry: -len(entry[0])):
        start = _plain(prefix)
        if start not in ("", place) and not place.startswith(start if start.endswith("/") else start + "/"):
            continue
        rest = quote(place.removeprefix(start).lstrip("/"))
        if "{page}" in base:
            return base.replace("{page}", rest.rpartition(".")[0] or rest) + anchor
        return (base if not rest else base.rstrip("/") + "/" + rest) + anchor
    return ""


def _without_list(text: str, sources: Sequence[Source]) -> str:
    """Without a list of sources that ends it, and that list's title."""
    lines = text.rstrip().split("\n")
    end = len(lines)
    while end and (_LISTED.match(lines[end - 1]) or (end < len(lines) and not lines[end - 1].strip())):
        end -= 1
    listed = lines[end:]
    if not end or not listed:
        return text
    if _LIST_TITLE.fullmatch(lines[end - 1]):
        return "\n".join(lines[: end - 1]).rstrip() or text
    names = [name for source in sources for name in (source.file, source.title, source.title.split(" › ")[-1])]
    is_list = all(not line.strip() or "://" in line or any(name in line for name in names) for line in listed)
    return "\n".join(lines[:end]).rstrip() if is_list else text


def _marked(text: str, known: Mapping[int, Source], used: dict[int, Source]) -> str:
    def replaced(mark: re.Match[str]) -> str:
        numbers = [int(number) for number in _NUMBER.findall(mark["all"])]
        true = [number for number in dict.fromkeys(numbers) if number in known]
        used.update({number: known[number] for number in true})
        space = mark[0][: len(mark[0]) - len(mark["all"])]
        if true == numbers and all(f"[{number}]" in mark["all"] for number in true) and "(" not in mark["all"]:
            return mark[0]
        if true:
            return space + "".join(f"[{number}]" for number in true)
        # Two ends that would grow together could make a link that nobody has looked at.
        return " " if not text[: mark.start()][-1:].isspace() and _GOES_ON.match(text, mark.end()) else ""

    return _MARK.sub(replaced, text)


def _plain(path: str) -> str:
    return path.removeprefix("./")
