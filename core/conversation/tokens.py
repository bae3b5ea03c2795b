"""How many tokens a text has, estimated from its characters: no vocabulary, no download.

A text is taken apart into classes of script. What a class costs in a common vocabulary stands here; how a given
model differs from that is learnt from the provider's `usage` (see `calibration.py`).
"""

import re
from collections import Counter
from collections.abc import Iterable
from math import ceil
from operator import mul
from typing import Final

Units = tuple[float, ...]
"""Tokens a text would have in the vocabulary that the weights below were fitted to, by class."""

CLASSES: Final = (
    "english",
    "latin",
    "cyrillic",
    "arabic",
    "indic",
    "han",
    "kana",
    "emoji",
    "digits",
    "marks",
    "messages",
)
"""english: words of English prose and of code; latin: of other languages in Latin letters; arabic: with Hebrew;
indic: with Greek, Thai and what is rarer; kana: with hangul; marks: punctuation and line breaks; messages: what
the provider wraps around each message."""

NOTHING: Final[Units] = (0.0,) * len(CLASSES)

PER_MESSAGE = 4
"""Tokens around a message: its role, its beginning and its end."""

# Least squares over prose, user interface texts, code, JSON and emoji in 30 languages, vocabulary o200k_base.
_ENGLISH_WORD, _ENGLISH_LETTER = 0.95, 0.10
_LATIN_WORD, _LATIN_LETTER, _LATIN_ACCENT = 0.80, 0.62, 0.65
_LONG = 7
"""Letters of a word from which on it falls into pieces."""
_THREE_DIGITS = 1.52
_MARK_RUN, _MARK, _LINE = 0.54, 0.24, 1.05
_TYPOGRAPHY = 0.95

_WORD = re.compile(r"[A-ZÀ-Þ]?[a-zß-ɏḀ-ỿ]+|[A-ZÀ-Þ]+")
_ACCENT = re.compile(r"[\x80-ɏḀ-ỿ]")

_ASCII = bytes(
    ord("0")
    if chr(code).isdigit()
    else ord("x")
    if chr(code).isalnum()
    else ord("\n")
    if code == 10
    else ord(" ")
    if code <= 32 or code == 127
    else ord(".")
    for code in range(128)
) + bytes(128)
"""ASCII code -> digit, letter, line break, space or mark."""

_SCRIPTS: Final = {
    "cyrillic": {0x04: 0.27},
    "arabic": {0x05: 0.42, **dict.fromkeys((0x06, 0x07, 0x08, 0xFB, 0xFC, 0xFD), 0.34)},
    "han": {**dict.fromkeys((*range(0x34, 0xA0), 0xF9, 0xFA), 0.69), 0xFF: 0.95},
    "kana": dict.fromkeys((0x11, *range(0x30, 0x34), *range(0xAC, 0xD8)), 0.62),
    "emoji": {**dict.fromkeys(range(0xD8, 0xDC), 1.92), **dict.fromkeys((*range(0x21, 0x30), 0xFE), 0.7)},
    "marks": {0x20: _TYPOGRAPHY},
    "indic": {0x03: 0.4, **dict.fromkeys(range(0x09, 0x10), 0.4)},
}
"""Class -> page of 256 code points -> tokens a character. A surrogate pair counts by its first half."""
_SKIPPED = {0x00, 0x01, 0x02, 0x1E, *range(0xDC, 0xE0)}
_RARE = 1.0
_LEVELS = sorted({(name, weight) for name, pages in _SCRIPTS.items() for weight in pages.values()})
_LEVEL = {level: number for number, level in enumerate(_LEVELS, 1)}
_RARE_LEVEL = len(_LEVELS) + 1


def _page_table() -> bytes:
    table = bytearray(0 if page in _SKIPPED else _RARE_LEVEL for page in range(256))
    for name, pages in _SCRIPTS.items():
        for page, weight in pages.items():
            table[page] = _LEVEL[name, weight]
    return bytes(table)


_PAGES = _page_table()
_AT = {name: at for at, name in enumerate(CLASSES)}

_ENGLISH_WORDS = (
    "the of and to that it for with you this are be have not or from your by at we can will has what if which how "
    "when but they my would there should about was is i"
)
_OTHER_WORDS = (
    "der die das und ist nicht ein eine einen zu den mit von auf für dem es sich auch wird im ich sie wir werden kann "
    "oder wie bei nach des zur zum sind dieser diese dieses bitte haben hat aber el la los las de que y en un una por "
    "con para se del al no su lo como más pero sus le ya este sí esta está les et du une est pour dans qui sur pas par "
    "plus ne vous ce avec cette nous au aux ou je votre il elle não os as da dos uma com na em ao são mas foi às das "
    "pelo pela você seu sua di che è non sono della nel alla gli delle het een van niet dat zijn voor met op te aan "
    "deze ook ik jij wordt kan się jest jak że po tym och att som är för inte av bir ve bu için ile yang untuk dengan "
    "ini tidak dari adalah och er ikke på af det"
)


def _either_case(words: str) -> frozenset[str]:
    return frozenset(words.split()) | {word.capitalize() for word in words.split()}


_ENGLISH = _either_case(_ENGLISH_WORDS)
_OTHER = _either_case(_OTHER_WORDS)


class Measured:
    """What texts measure, kept by their hash: a conversation's messages are measured again with each turn, and keeping
    the texts themselves would cost the memory that they have. Of two generations the older is dropped when the younger
    is full. Two texts of one hash come once in a hundred million years of messages, and then a guess is off."""

    def __init__(self, most: int = 10_000) -> None:
        """`most`: texts of a generation, about 300 bytes each."""
        self._most = most
        self._young: dict[int, Units] = {}
        self._old: dict[int, Units] = {}

    def __call__(self, text: str) -> Units:
        key = hash(text)
        if (units := self._young.get(key)) is not None:
            return units
        units = self._old.get(key) or _measure(text)
        if len(self._young) >= self._most:
            self._young, self._old = {}, self._young
        self._young[key] = units
        return units

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


def _measure(text: str) -> Units:
    units = [0.0] * len(CLASSES)
    accents = 0 if text.isascii() else len(_ACCENT.findall(text))
    units[_AT["english"]], units[_AT["latin"]] = _latin(_WORD.findall(text), accents)
    units[_AT["digits"]], units[_AT["marks"]] = _ascii(text)
    if not text.isascii():
        pages = text.encode("utf-16-le", "surrogatepass")[1::2].translate(_PAGES, b"\0")
        for (name, weight), level in _LEVEL.items():
            units[_AT[name]] += weight * pages.count(level)
        units[_AT["indic"]] += _RARE * pages.count(_RARE_LEVEL)
    return tuple(units)


def _latin(words: list[str], accents: int) -> tuple[float, float]:
    """Words in Latin letters, shared out between English and the rest by the little words that each has."""
    count = len(words)
    if not count:
        return 0.0, _LATIN_ACCENT * accents
    long = sum((length - _LONG) * times for length, times in Counter(map(len, words)).items() if length > _LONG)
    other = sum(map(_OTHER.__contains__, words)) + accents / 2
    # Words that say nothing speak for English a little: identifiers, names, most of the world's text.
    share = other / (other + sum(map(_ENGLISH.__contains__, words)) + count / 50)
    english = (1 - share) * (_ENGLISH_WORD * count + _ENGLISH_LETTER * long)
    return english, share * (_LATIN_WORD * count + _LATIN_LETTER * long) + _LATIN_ACCENT * accents


def _ascii(text: str) -> tuple[float, float]:
    """Digits in groups of three; marks by run and by character, line breaks by run."""
    kinds = b"x" + text.encode("ascii", "ignore").translate(_ASCII)
    threes = kinds.replace(b"000", b"3")
    groups = threes.count(b"3") + threes.translate(_NOT_DIGIT).count(b" 0")
    marks = kinds.translate(_NOT_MARK)
    lines = kinds.translate(_NOT_LINE, b" ").count(b" \n")  # blank lines and indentation belong to the break
    return _THREE_DIGITS * groups, _MARK_RUN * marks.count(b" .") + _MARK * marks.count(b".") + _LINE * lines


def _only(kind: bytes) -> bytes:
    return bytes(code if code == kind[0] else 32 for code in range(256))


_NOT_DIGIT, _NOT_MARK, _NOT_LINE = _only(b"0"), _only(b"."), _only(b"\n")


measure = Measured()
"""The units of a text, without what surrounds it as a message. Linear in its length, at the first time."""


def measure_prompt(texts: Iterable[str]) -> Units:
    """The units of a whole prompt, one text a message: what `Calibration.observe` compares with the bill."""
    measured = [measure(text) for text in texts]
    *sums, _ = map(sum, zip(NOTHING, *measured, strict=True))
    return (*sums, float(PER_MESSAGE * len(measured)))


def estimate(text: str, factors: Units | None = None) -> int:
    """Tokens of a text, without what surrounds it as a message; `factors` are a model's, by class."""
    if not text:
        return 0
    units = measure(text)
    return max(1, ceil(sum(map(mul, units, factors) if factors else units)))
