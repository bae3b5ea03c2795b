"""Embeddings by words: each word has a direction of its own, made from its letters, and a text is the sum of its words.

Texts that share words are alike, and the same text has the same vector on every machine. Meaning plays no part.
Shapes: https://platform.openai.com/docs/api-reference/embeddings/create."""

import base64
import hashlib
import math
import re
import struct
from collections import Counter
from functools import lru_cache
from typing import Any

from aiohttp import web

from simulators.openai.scripts import Exchange, Fault

MOST_TEXTS = 2048


def embeddings(exchange: Exchange, fault: Fault | None, dimensions: int) -> web.Response:
    """The answer, whole or with what the fault spoils in it."""
    texts = exchange.texts
    vectors = [vector(text, dimensions) for text in texts]
    match fault.kind if fault else None:
        case "cut":
            vectors = vectors[:-1]
        case "drip":
            vectors = [numbers[: dimensions - place] for place, numbers in enumerate(vectors)]
        case "garbage":
            return web.json_response({"data": "none"})
        case "bad json":
            return web.Response(text='{"data": [', content_type="application/json")
    as_numbers = exchange.body.get("encoding_format") != "base64"
    data: list[dict[str, Any]] = [
        {"object": "embedding", "index": place, "embedding": list(numbers) if as_numbers else _packed(numbers)}
        for place, numbers in enumerate(vectors)
    ]
    count = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return web.json_response(
        {"object": "list", "data": data[::-1], "model": exchange.body.get("model"), "usage": usage}
    )


def vector(text: str, dimensions: int) -> list[float]:
    """Of length 1. Long words count for more, and words that begin alike point in like directions."""
    total = [0.0] * dimensions
    weights: Counter[str] = Counter()
    for word in re.findall(r"\w+", text.casefold()) or ["?"]:
        for part in (word, word[:4]):
            weights[part] += min(len(word), 8) ** 2
    for part, weight in weights.items():
        for place, number in enumerate(_direction(part, dimensions)):
            total[place] += number * weight
    length = math.sqrt(sum(number * number for number in total)) or 1.0
    return [number / length for number in total]


@lru_cache(4096)
def _direction(word: str, dimensions: int) -> tuple[int, ...]:
    bits = hashlib.shake_128(word.encode(errors="surrogatepass")).digest(-(-dimensions // 8))
    return tuple(1 if bits[place // 8] >> place % 8 & 1 else -1 for place in range(dimensions))


def _packed(numbers: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
