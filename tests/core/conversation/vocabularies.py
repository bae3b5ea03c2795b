"""Real tokenizers, whose vocabularies lie in the package itself."""

import functools
import warnings

with warnings.catch_warnings():  # it opens its data by a function that Python 3.11 and 3.12 call deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from bpe_openai import get_encoding

NAMES = ["o200k_base", "cl100k_base", "voyage3_base"]


encoding = functools.cache(get_encoding)


@functools.cache
def tokens(vocabulary, text):
    """Tokens of a text, exactly."""
    return len(encoding(vocabulary).encode_ordinary(text))


def billed(vocabulary, prompt):
    """`usage.prompt_tokens` as a provider reports it: four tokens around each message, and three to begin."""
    return sum(tokens(vocabulary, text) + 4 for text in prompt) + 3
