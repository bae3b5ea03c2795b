"""What goes into a prompt and what comes out of a model, made harmless. Pure text in, text out."""

import base64
import hashlib
import re
import unicodedata

import msgspec

from core.visible import BREAK, visible

MAX_INPUT = 16_000
"""Characters of one message."""
_LABEL = 80
"""Characters of a label or a speaker's name in a fence."""


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
    """What was wrong: leak | link | invisible."""


def checked(text: str, max_length: int = MAX_INPUT) -> Checked:
    """A message on its way in: without what cannot be seen, and cut where it is too long."""
    clean = visible(text)
    removed = 0 if clean is text else len(BREAK.sub("\n", text)) - len(clean)
    if len(clean) <= max_length:
        return Checked(clean, removed, False)
    return Checked(visible(clean[:max_length]), removed, True)


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


def shown(text: str, *, canary: str = "") -> Shown:
    """An answer on its way out: withheld if it gives the system prompt away."""
    if canary and leaks(text, canary):
        return Shown("", ("leak",))
    findings = []
    clean = visible(text)
    if clean != BREAK.sub("\n", text):
        findings.append("invisible")
    return Shown(clean, tuple(findings))


def _one_line(text: str) -> str:
    plain = re.sub(r"[\[\]|<>`\"\s]+", " ", visible(text)).strip()
    return plain[:_LABEL].strip()


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", visible(text)).casefold()))


def _base64(mark: str, shift: int) -> str:
    """What of the mark shows in base64, whatever stands before it: the characters that its bytes alone decide."""
    encoded = base64.b64encode(b"\0" * shift + mark.encode()).decode().rstrip("=")
    return encoded[(shift * 8 + 5) // 6 : -1]
