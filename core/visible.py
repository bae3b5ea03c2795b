"""Text without what cannot be seen. Pure."""

import re

BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
"""Every way to begin a new line."""
_HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0"  # fillers
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"  # zero width, direction, annotation
    # surrogates, no characters, and what has a meaning in private only: renderers mark places with it
    "\ud800-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a]"
    "|[\ufe00-\ufe0d]"  # variants of a letter that no text needs, but data can be hidden in
    "|(?<![\u3400-\u9fff\U00020000-\U0003ffff])[\U000e0100-\U000e01ef]"  # ideographs have such variants
    "|(?<=[\U000e0100-\U000e01ef])[\U000e0100-\U000e01ef]"
    "|(?:(?<=[\ufe0e\ufe0f\\s])|^)[\ufe0e\ufe0f]"  # text or emoji: once, and behind something
)
_TAGS = re.compile("(\U0001f3f4(?:\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074"
                   "|\U000e0077\U000e006c\U000e0073)\U000e007f))|[\U000e0000-\U000e007f]")  # fmt: skip
"""The flags of England, Scotland and Wales are spelt in tags; all other tags are text that only a machine reads."""
_JOINER = re.compile("[\u200c\u200d]")
_SUSPECT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e01ef]"
)
"""All that any of these looks for: a text with none of it, as most are, is as it should be."""
_JOINING = re.compile("[\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18aa\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc]")
"""Letters of scripts in which a joiner between two changes how they are written."""
_PICTURE = re.compile("[\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff\ufe0f]")
_DEPENDENT = re.compile("[\u200c\u200d\ufe0e\ufe0f\U000e0100-\U000e01ef]")
"""What stays or goes by what stands around it."""
_MOST_LOOKS = 8
"""What people write settles after two; a text that is made to settle a sign at a time would take minutes."""


def visible(text: str) -> str:
    """The text without control characters, and without what is invisible to a reader but not to a model.

    Joiners stay where a script or an emoji needs them."""
    if (text.isascii() and text.isprintable()) or not _SUSPECT.search(text):
        return text
    text = _HIDDEN.sub("", _TAGS.sub(lambda tag: tag[1] or "", BREAK.sub("\n", text)))
    text = _JOINER.sub(_needed, text)
    for _ in range(_MOST_LOOKS):
        again = _HIDDEN.sub("", _JOINER.sub(_needed, text))
        if again == text:
            return text
        text = again
    return _HIDDEN.sub("", _DEPENDENT.sub("", text))


def _needed(joiner: re.Match[str]) -> str:
    before, after = joiner.string[: joiner.start()][-1:], joiner.string[joiner.end() :][:1]
    if _JOINING.match(before) and (not after or not _JOINER.match(after)):
        return joiner[0]
    is_between_pictures = joiner[0] == "\u200d" and _PICTURE.match(before) and _PICTURE.match(after)
    return joiner[0] if is_between_pictures else ""
