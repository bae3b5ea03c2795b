"""Whether an answer keeps to its personality: tone, rules that can be checked, introduction at first contact."""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from core.language.names import base
from core.persona.prose import pieces
from core.persona.settings import Constraint, Personality, Tone
from core.persona.words import CONTRACTIONS, EMOJI, FAMILIAR, LOOSE, any_of

Name = Literal[
    "slang",
    "emoji",
    "exclamation",
    "contraction",
    "familiar address",
    "forbidden word",
    "required word missing",
    "too long",
    "no question",
    "no introduction",
]

_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
_IDEOGRAPH = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_IDEOGRAPHS_A_WORD = 2
"""Chinese and Japanese put no blanks between words, which are about two characters long."""
_QUESTION_END = re.compile(r"[?？؟][\s*_~)\]\"'”’»」）]*\Z")
_STRICT: tuple[Tone, ...] = ("formal", "professional")
"""The tones of which an answer may fall short."""
_CALM = 1
"""Exclamation marks that a professional answer may have."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as the personality says."""

    name: Name
    """For the metrics."""
    hint: str
    """What to tell the model, so that it does better."""


def check(answer: str, personality: Personality, *, language: str, first_contact: bool) -> list[Finding]:
    """What is wrong with an answer (Markdown), in the order of this page; nothing if it is as it should be."""
    if not answer.strip():
        return []
    is_read = personality.tone in _STRICT or any(rule.max_words is not None for rule in personality.constraints)
    prose = "\n".join(piece.text for piece in pieces(answer)) if is_read else ""
    found = list(_tone(prose, personality, base(language)))
    for rule in personality.constraints:
        found += _rule(answer, prose, rule)
    if first_contact and personality.introduction and not _holds(answer, personality.name):
        found.append(Finding("no introduction", f"Introduce yourself by your name, {personality.name}."))
    return found


def repair_hint(findings: Sequence[Finding]) -> str:
    """What to tell the model for its one retry; '' when there is nothing to repair."""
    if not findings:
        return ""
    hints = "\n".join(f"- {hint}" for hint in dict.fromkeys(finding.hint for finding in findings))
    return f"Write your last answer again, with the same content, in the same language. Change only this:\n{hints}"


def _tone(prose: str, personality: Personality, language: str) -> Iterator[Finding]:
    tone = personality.tone
    if tone not in _STRICT:
        return
    if language in LOOSE and (word := _any("loose", language).search(prose)):
        yield Finding("slang", f"Use no slang such as '{word[0]}'.")
    if tone == "formal" and EMOJI.search(prose):
        yield Finding("emoji", "Use no emoji.")
    if prose.count("!") + prose.count("！") > (0 if tone == "formal" else _CALM):
        yield Finding("exclamation", "Use no exclamation marks.")
    if tone == "formal" and language in CONTRACTIONS and (word := _any("contracted", language).search(prose)):
        yield Finding("contraction", f"Write contractions such as '{word[0]}' in full.")
    if tone == "formal" and language in FAMILIAR and (word := _any("familiar", language).search(prose)):
        yield Finding("familiar address", f"Use the polite form of address, not '{word[0]}'.")


def _rule(answer: str, prose: str, rule: Constraint) -> Iterator[Finding]:
    for phrase in rule.forbid:
        if _holds(answer, phrase):
            yield Finding("forbidden word", f"Do not write '{phrase}': {rule.text}")
    if rule.require and not any(_holds(answer, phrase) for phrase in rule.require):
        choices = " or ".join(f"'{phrase}'" for phrase in rule.require)
        yield Finding("required word missing", f"Write {choices}: {rule.text}")
    if rule.max_words is not None and (count := _words(prose)) > rule.max_words:
        yield Finding("too long", f"Use at most {rule.max_words} words instead of {count}: {rule.text}")
    if rule.must_end_with_question and not _QUESTION_END.search(answer.rstrip()):
        yield Finding("no question", f"End with a question: {rule.text}")


def _words(prose: str) -> int:
    ideographs = len(_IDEOGRAPH.findall(prose))
    return len(_WORD.findall(_IDEOGRAPH.sub(" ", prose))) + -(-ideographs // _IDEOGRAPHS_A_WORD)


def _holds(text: str, phrase: str) -> bool:
    return _phrase(phrase).search(text) is not None


@functools.lru_cache(maxsize=1000)
def _phrase(phrase: str) -> re.Pattern[str]:
    """The phrase as whole words; one of ideographs anywhere, since these have no blanks around them."""
    words = r"[\s*_~]+".join(re.escape(word).replace("'", "['’]") for word in phrase.split())
    before = r"(?<!\w)" if phrase[:1].isalnum() and not _IDEOGRAPH.match(phrase[:1]) else ""
    after = r"(?!\w)" if phrase[-1:].isalnum() and not _IDEOGRAPH.match(phrase[-1:]) else ""
    return re.compile(before + words + after, re.IGNORECASE)


@functools.cache
def _any(kind: Literal["loose", "contracted", "familiar"], language: str) -> re.Pattern[str]:
    words: Mapping[str, Mapping[str, Iterable[str]]] = {
        "loose": LOOSE,
        "contracted": CONTRACTIONS,
        "familiar": FAMILIAR,
    }
    return any_of(words[kind][language])
