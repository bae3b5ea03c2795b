"""Exact counts instead of estimates, where the optional package `bpe-openai` is installed and knows the model."""

import re
import warnings
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

from core.conversation.calibration import Calibrations
from core.conversation.entry import Count
from core.errors import ConfigError

Counting = Literal["auto", "estimate", "exact"]

MISSING = (
    "needs the package 'bpe-openai', an extra: uv pip install --python .venv/bin/python 'bpe-openai>=0.1.4' "
    "(without uv: docs/operations.md, Extras)"
)

_DATE = re.compile(r"-\d{4}-\d\d-\d\d$")
"""Of a frozen version of a model."""
_REMEMBERED, _LONGEST = 2048, 4000
"""Texts whose counts are remembered, and the characters of the longest: a conversation's come again each turn."""


@lru_cache(maxsize=16)
def counter(model: str) -> Count | None:
    """How this model counts; None where that is not known. Loading it blocks for up to a second."""
    try:
        with warnings.catch_warnings():  # it opens its data by a function that Python 3.11 and 3.12 call deprecated
            warnings.simplefilter("ignore", DeprecationWarning)
            package = import_module("bpe_openai")
        encode = package.encoding_for_model(_version_of(model)).encode_ordinary
    except (ImportError, KeyError, RuntimeError):  # the last: a vocabulary that the package names and does not have
        return None

    def count(text: str) -> int:
        return len(encode(text.encode("utf-8", "replace").decode()))

    remembered = lru_cache(maxsize=_REMEMBERED)(count)
    return lambda text: remembered(text) if len(text) <= _LONGEST else count(text)


class Counts:
    """How each model counts: exactly where that is known, else as its calibration has it."""

    def __init__(self, calibrations: Calibrations, exact: Mapping[str, tuple[str, Count]] | None = None) -> None:
        """`exact`: model as the configuration calls it -> as its server calls it, and its count."""
        self._calibrations = calibrations
        self._exact = exact or {}

    def of(self, model: str) -> Count:
        """Once a turn. While another model stands in, its calibration counts."""
        served_as, count = self._exact.get(model, ("", None))
        answered = self._calibrations.answered(model)
        if count is None or (answered and _version_of(answered) != _version_of(served_as)):
            return self._calibrations.of(model).count
        return count


def counts(calibrations: Calibrations, counting: Counting, models: Iterable[tuple[str, str]]) -> Counts:
    """`models`: as the configuration calls each, and as its server does. Blocks for up to a second.

    Raises ConfigError where exact counts are asked for and cannot be had."""
    if counting == "estimate":
        return Counts(calibrations)
    if counting == "exact" and not _is_installed():
        raise ConfigError([f"context.count: exact {MISSING}"])
    found = {name: (served_as, count) for name, served_as in models if (count := counter(served_as))}
    if counting == "exact" and (unknown := [each for name, each in models if name not in found]):
        raise ConfigError(
            [f"context.count: exact: the vocabulary of '{each}' is not known; use auto" for each in unknown]
        )
    return Counts(calibrations, found)


def _is_installed() -> bool:
    try:
        return find_spec("bpe_openai") is not None
    except ValueError:  # blocked
        return False


@lru_cache(maxsize=64)
def _version_of(model: str) -> str:
    """The model of which this is a version."""
    return _DATE.sub("", model)
