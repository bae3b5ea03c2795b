"""Exact counts instead of estimates, where the optional package `bpe-openai` is installed and knows the model."""

import re
import warnings
from functools import lru_cache
from importlib import import_module

from core.context.entry import Count

_DATE = re.compile(r"-\d{4}-\d\d-\d\d$")
"""Of a frozen version of a model."""


@lru_cache(maxsize=16)
def counter(model: str) -> Count | None:
    """How this model counts; None where that is not known. Loading it blocks for up to a second."""
    try:
        with warnings.catch_warnings():  # it opens its data by a function that Python 3.11 and 3.12 call deprecated
            warnings.simplefilter("ignore", DeprecationWarning)
            package = import_module("bpe_openai")
        encode = package.encoding_for_model(_DATE.sub("", model)).encode_ordinary
    except (ImportError, KeyError, RuntimeError):  # the last: a vocabulary that the package names and does not have
        return None

    def count(text: str) -> int:
        return len(encode(text.encode("utf-8", "replace").decode()))

    return count
