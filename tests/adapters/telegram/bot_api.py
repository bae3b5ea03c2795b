"""The Bot API's own description of its methods and types, to hold calls and updates against."""

import json
from pathlib import Path
from typing import Any

PAYLOADS = Path(__file__).parents[1] / "payloads" / "telegram"
API = json.loads((PAYLOADS / "bot_api.json").read_text(encoding="utf-8"))
PRIMITIVES = {
    "Integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "Float": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "String": lambda v: isinstance(v, str),
    "Boolean": lambda v: isinstance(v, bool),
    "True": lambda v: v is True,
}


def load(name: str) -> Any:
    return json.loads((PAYLOADS / name).read_text(encoding="utf-8"))


def faults(value: Any, kind: str, at: str = "") -> list[str]:
    """Where a value is not of this type of the Bot API."""
    if kind.startswith("Array of "):
        if not isinstance(value, list):
            return [f"{at}: not a list"]
        return [f for i, item in enumerate(value) for f in faults(item, kind.removeprefix("Array of "), f"{at}[{i}]")]
    if kind in PRIMITIVES:
        return [] if PRIMITIVES[kind](value) else [f"{at}: {value!r} is no {kind}"]
    described = API["types"][kind]
    if "any" in described:
        return _best(value, described["any"], at)
    if not isinstance(value, dict):
        return [f"{at}: {value!r} is no {kind}"]
    return _fields(value, described["fields"], at or kind)


def call_faults(method: str, given: dict[str, Any]) -> list[str]:
    """What the Bot API does not know of this call, or misses in it."""
    return _fields(given, API["methods"][method]["fields"], method)


def _fields(given: dict[str, Any], known: dict[str, Any], at: str) -> list[str]:
    wrong = [f"{at}.{name} is missing" for name, field in known.items() if field["required"] and name not in given]
    for name, value in given.items():
        wrong += _best(value, known[name]["types"], f"{at}.{name}") if name in known else [f"{at}.{name} is unknown"]
    return wrong


def _best(value: Any, kinds: list[str], at: str) -> list[str]:
    return min((faults(value, kind, at) for kind in kinds), key=len)
