"""Which passages mean about the same as a question, by their vectors, and one ranking out of two.

Vectors are compared by the signs of their numbers first, as one long integer each: a microsecond for ten passages and
no library needed. What comes out best is then compared exactly."""

import math
import operator
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from core.model.vectors import Vector

T = TypeVar("T", bound=Hashable)

_EXACTLY = 40
"""Passages that are compared number by number."""
_FAR_OUT = 2.5
"""Standard deviations above the others' likeness from which on a passage stands out."""
_FEW = 12
"""So few passages have no telling average: the likest one stands out."""
_EVEN = 60
"""How much the places at the top of a ranking differ; the usual value."""


@dataclass(frozen=True, slots=True)
class Near:
    key: bytes
    likeness: float
    """-1 to 1."""
    stands_out: bool
    """It is nearer to the question than chance would have it."""


class Nearness:
    """Immutable: vectors by what they belong to."""

    def __init__(self, vectors: Mapping[bytes, Vector]) -> None:
        self._keys = list(vectors)
        self._vectors = list(vectors.values())
        self._signs = [_signs(vector) for vector in self._vectors]

    def __len__(self) -> int:
        return len(self._keys)

    def search(self, question: Vector, most: int) -> list[Near]:
        """The nearest, best first. Vectors of another length than the question's are passed over."""
        bits = len(question)
        asked = _signs(question)
        apart = [
            ((asked ^ signs).bit_count(), place)
            for place, signs in enumerate(self._signs)
            if len(self._vectors[place]) == bits
        ]
        if not apart:
            return []
        mean = sum(distance for distance, _ in apart) / len(apart)
        spread = math.sqrt(sum((distance - mean) ** 2 for distance, _ in apart) / len(apart))
        edge = mean - _FAR_OUT * spread
        nearest = sorted(apart)[: max(most, _EXACTLY)]
        ranked = sorted(
            ((sum(map(operator.mul, question, self._vectors[place])), distance, place) for distance, place in nearest),
            reverse=True,
        )
        return [
            Near(self._keys[place], likeness, rank == 0 if len(apart) <= _FEW else distance < edge)
            for rank, (likeness, distance, place) in enumerate(ranked[:most])
        ]


def fused(*rankings: Sequence[T]) -> list[T]:
    """One ranking: what is far up in several goes first (reciprocal rank fusion).

    Places are comparable where scores are not: BM25 has no upper end, and the likeness of two texts that have
    nothing in common differs from model to model. Nothing has to be tuned, and with one ranking it stays as it is."""
    scores: dict[T, float] = {}
    for ranking in rankings:
        for place, each in enumerate(ranking):
            scores[each] = scores.get(each, 0.0) + 1 / (_EVEN + place)
    return sorted(scores, key=lambda each: -scores[each])


def _signs(vector: Vector) -> int:
    return int("".join("1" if number > 0 else "0" for number in vector) or "0", 2)
