"""What somebody else wrote, as one line for a terminal."""

import unicodedata

_OBEYED = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


def line(text: str) -> str:
    """Without anything that a terminal obeys or that turns the text around: such signs are shown as spaces."""
    return "".join(" " if unicodedata.category(sign) in _OBEYED else sign for sign in text)
