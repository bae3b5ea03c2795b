"""`${VAR}`, `${VAR:-default}` and `${VAR:?message}` in a scalar, once and without recursion.

Own code on purpose: shell-like libraries also expand `$VAR` and the default itself, follow `${!VAR}` and write `:=`
back to the environment, so that a value from outside could name another variable.
"""

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$\$\{|\$\{(?P<body>[^}]*)\}?")
_BODY = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::(?P<how>[-?])(?P<word>.*))?", re.DOTALL)


def expand(text: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """The text with its variables filled in, and what is wrong with them; `$${` stands for a literal `${`."""
    faults: list[str] = []

    def fill(match: re.Match[str]) -> str:
        if match["body"] is None:
            return "${"
        variable = _BODY.fullmatch(match["body"])
        if variable is None or not match[0].endswith("}"):
            faults.append("this is no variable: write ${NAME}, ${NAME:-default} or ${NAME:?message}")
            return ""
        name, how, word = variable["name"], variable["how"], variable["word"]
        value = environ.get(name, "")
        if value or (how is None and name in environ):
            return value
        if how == "-":
            return word
        if how == "?":
            faults.append(f"{name}: {word or 'must be set'}")
        else:
            faults.append(f"the environment has no {name}: set it, or write ${{{name}:-}} where it may be missing")
        return ""

    return _VARIABLE.sub(fill, text), faults
