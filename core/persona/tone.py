"""Brings a finished text nearer to a tone by changing single words: sure things only, and in prose only.

English and German; text in other languages is left as it is."""

import functools
import re
from collections.abc import Mapping

from core.language.names import base
from core.persona.prose import Piece, reworded
from core.persona.settings import Tone
from core.persona.words import CONTRACTIONS, COURTEOUS, EMOJI, GREETINGS, INFORMAL, SLANG, STIFF, any_of

LONGEST = 50_000
"""Characters; a longer text is left as it is."""

_SLANG = {language: any_of(words) for language, words in SLANG.items()}
_CONTRACTED = {language: any_of(words) for language, words in CONTRACTIONS.items()}
_PARTICIPLE = r"(?:\w+(?:ed|en)|been|got|gone|done|come|become|made|had|begun|run|lost|left|kept|sent|put|set|built)"
_ADVERB = r"(?:\s+(?:just|already|always|never|ever|not|also|only|really|now|all|long))*"
_HAS = re.compile(r"(?<![\w'’-])(it|that|there|he|she)['’]s(?=\s+been\b)", re.IGNORECASE)
_IS = re.compile(
    rf"(?<![\w'’-])(it|that|there|here|what|where)['’]s(?=\s)(?!{_ADVERB}\s+{_PARTICIPLE}\b)", re.IGNORECASE
)
_ASKED = re.compile(
    r"((?:^|[.?!,;:]\s+|\b(?:why|how|what|when|where|who)\s+))"
    r"(is|are|was|were|do|does|did|have|has|had|could|should|would|ca|wo)n['’]t\s+(I|you|we|they|he|she|it)\b",
    re.IGNORECASE,
)
"""Don't you … ?"""
_MARKS = re.compile(r"(?:(?<=[^\W\d_])|(?<=\)))[!?]*![!?]*(?=\s|$)")
_LEADING_MARKS = re.compile(r"^[!?]*![!?]*(?=\s|$)")
"""Behind bold text, code or a link."""


def adjust(markdown: str, tone: Tone, language: str) -> str:
    """The text in this tone. The same again changes nothing more; each change adds at most 16 characters."""
    spoken = base(language)
    if spoken not in GREETINGS or len(markdown) > LONGEST:
        return markdown
    whole = Piece(0, markdown.replace("_", " "), opens=True)
    if "!" not in markdown and _toned(whole, tone, spoken) == whole.text:  # most answers, and no tree is needed
        return markdown
    return reworded(markdown, lambda piece: _toned(piece, tone, spoken))


def _toned(piece: Piece, tone: Tone, language: str) -> str:
    text = piece.text
    if tone == "formal":
        text = _without_emoji(text, piece)
    if tone in ("formal", "professional"):
        text = _SLANG[language].sub(lambda word: _instead(word, SLANG[language]), text)
    if tone == "formal":
        text = _in_full(text, language)
    if piece.opens:
        text = _greeted(text, tone, language)
    return _calm(text, tone, piece)


def _without_emoji(text: str, piece: Piece) -> str:
    plain = re.sub(rf"(?<![ \t])[ \t]*(?:{EMOJI.pattern})+", "", text)
    return plain if plain == text or not piece.opens else plain.lstrip()


def _in_full(text: str, language: str) -> str:
    if language == "en":
        text = _ASKED.sub(_question, text)
        text = _HAS.sub(lambda said: f"{said[1]} {_like(said[0], 'has')}", text)
        text = _IS.sub(lambda said: f"{said[1]} {_like(said[0], 'is')}", text)
    return _CONTRACTED[language].sub(lambda word: _instead(word, CONTRACTIONS[language]), text)


def _question(said: re.Match[str]) -> str:
    verb = {"ca": "can", "wo": "will"}.get(said[2].lower(), said[2].lower())
    return f"{said[1]}{verb.capitalize() if said[2][0].isupper() else verb} {said[3]} not"


def _instead(word: re.Match[str], words: Mapping[str, str]) -> str:
    new = words[word[0].lower().replace("’", "'")]
    return new[0].upper() + new[1:] if word[0][0].isupper() else new


def _like(said: str, word: str) -> str:
    return word.upper() if said.isupper() else word


def _greeted(text: str, tone: Tone, language: str) -> str:
    return _greeting(tone, language).sub(rf"\1{GREETINGS[language][tone]}", text, count=1)


@functools.cache
def _greeting(tone: Tone, language: str) -> re.Pattern[str]:
    """A greeting at the very beginning that does not go with the tone."""
    foreign = {
        "formal": f"{INFORMAL[language]}|{COURTEOUS[language]}",
        "professional": INFORMAL[language],
        "friendly": STIFF[language],
        "casual": STIFF[language],
    }[tone]
    # Followed by at most a name: "Hello World prints a line" is no greeting.
    name = r"(?:\s(?!(?i:world))[^\W\d_a-zäöü][^\W\d_]*)?"
    return re.compile(rf"\A(\s*)(?i:{foreign})(?={name}(?:[,!.]|\s*\Z))")


def _calm(text: str, tone: Tone, piece: Piece) -> str:
    strict = tone in ("formal", "professional")

    def quieter(marks: re.Match[str]) -> str:
        if "?" in marks[0]:
            return "?"
        return "." if strict else "!"

    text = _MARKS.sub(quieter, text)
    return text if piece.opens else _LEADING_MARKS.sub(quieter, text)
