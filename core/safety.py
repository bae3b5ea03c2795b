"""What goes into a prompt and what comes out of a model, made harmless. Pure text in, text out."""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence

import msgspec

from core.links import defanged

MAX_INPUT = 16_000
"""Characters of one message."""
_LABEL = 80
"""Characters of a label or a speaker's name in a fence."""

_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0"  # fillers
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"  # zero width, direction, annotation
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a]"
    "|[\ufe00-\ufe0d]"  # variants of a letter that no text needs, but data can be hidden in
    "|(?<![\u3400-\u9fff\U00020000-\U0003ffff])[\U000e0100-\U000e01ef]"  # ideographs have such variants
    "|(?<=[\U000e0100-\U000e01ef])[\U000e0100-\U000e01ef]"
    "|(?:(?<=[\ufe0e\ufe0f\\s])|^)[\ufe0e\ufe0f]"  # text or emoji: once, and behind something
)
_TAGS = re.compile("(\U0001f3f4(?:\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074"
                   "|\U000e0077\U000e006c\U000e0073)\U000e007f))|[\U000e0000-\U000e007f]")  # fmt: skip
"""The flags of England, Scotland and Wales are spelt in tags; all other tags are text that only a machine reads."""
_JOINER = re.compile("[\u200c\u200d]")
_JOINING = re.compile("[\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18aa\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc]")
"""Letters of scripts in which a joiner between two changes how they are written."""
_PICTURE = re.compile("[\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff\ufe0f]")


class Checked(msgspec.Struct, frozen=True):
    """What a user sent, as the bot may read it."""

    text: str
    removed: int
    """Characters that cannot be seen, taken out."""
    is_too_long: bool


class Shown(msgspec.Struct, frozen=True):
    """What a model said, as a user may see it."""

    text: str
    """Empty where all of it is withheld."""
    findings: tuple[str, ...] = ()
    """What was wrong: leak | secret | link | invisible."""


def checked(text: str, max_length: int = MAX_INPUT) -> Checked:
    """A message on its way in: without what cannot be seen, and cut where it is too long."""
    clean = visible(text)
    removed = len(_BREAK.sub("\n", text)) - len(clean)
    return Checked(visible(clean[:max_length]), removed, len(clean) > max_length)


def visible(text: str) -> str:
    """The text without control characters, and without what is invisible to a reader but not to a model.

    Joiners stay where a script or an emoji needs them."""
    if text.isascii() and text.isprintable():
        return text
    text = _HIDDEN.sub("", _TAGS.sub(lambda tag: tag[1] or "", _BREAK.sub("\n", text)))
    text = _JOINER.sub(_needed, text)
    while (again := _HIDDEN.sub("", _JOINER.sub(_needed, text))) != text:
        text = again
    return text


def fenced(text: str, label: str, speaker: str) -> str:
    """Text that somebody else wrote, for a prompt: labelled, and every line of it marked.

    No line of the content can begin like the fence's own, so nothing in it can close the fence."""
    what, who = _one_line(label) or "text", _one_line(speaker) or "unknown"
    lines = visible(text).split("\n")
    return "\n".join([f"[{what} from {who}]", *(f"| {line}".rstrip() for line in lines), f"[end of {what}]"])


def canary(seed: str) -> str:
    """A mark for a system prompt that occurs nowhere else; the same seed gives the same one."""
    return "ref-" + hashlib.blake2b(seed.encode(), digest_size=10, person=b"canary").hexdigest()


def leaks(text: str, canary: str) -> bool:
    """Whether the mark is in the text: as it is, spaced out, backwards, or in base64 or hexadecimal."""
    mark = _bare(canary.removeprefix("ref-"))
    bare = _bare(text)
    if not mark:
        return False
    if mark in bare or mark[::-1] in bare or mark.encode().hex() in bare:
        return True
    encoded = re.sub(r"[^A-Za-z0-9+/]", "", text.replace("-", "+").replace("_", "/"))
    return any(_base64(mark, shift) in encoded for shift in range(3))


def shown(
    text: str, *, canary: str = "", redact: Callable[[str], str] | None = None, links: Sequence[str] | None = None
) -> Shown:
    """An answer on its way out: withheld if it gives the system prompt away, without secrets, links that are not
    allowed made plain. `redact`: takes secrets out (`core.log.Redact`); `links`: hosts; None allows all."""
    if canary and leaks(text, canary):
        return Shown("", ("leak",))
    findings = []
    clean = visible(text)
    if clean != _BREAK.sub("\n", text):
        findings.append("invisible")
    if redact is not None and (hidden := redact(clean)) != clean:
        clean = hidden
        findings.append("secret")
    if links is not None and (plain := defanged(clean, links)) != clean:
        clean = plain
        findings.append("link")
    return Shown(clean, tuple(findings))


def _needed(joiner: re.Match[str]) -> str:
    before, after = joiner.string[: joiner.start()][-1:], joiner.string[joiner.end() :][:1]
    if _JOINING.match(before) and (not after or not _JOINER.match(after)):
        return joiner[0]
    is_between_pictures = joiner[0] == "\u200d" and _PICTURE.match(before) and _PICTURE.match(after)
    return joiner[0] if is_between_pictures else ""


def _one_line(text: str) -> str:
    plain = re.sub(r"[\[\]|<>`\"\s]+", " ", visible(text)).strip()
    return plain[:_LABEL].strip()


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", visible(text)).casefold()))


def _base64(mark: str, shift: int) -> str:
    """What of the mark shows in base64, whatever stands before it: the characters that its bytes alone decide."""
    encoded = base64.b64encode(b"\0" * shift + mark.encode()).decode().rstrip("=")
    return encoded[(shift * 8 + 5) // 6 : -1]
