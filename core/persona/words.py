"""The words of a tone, by language: what is loose, what it is called in full, how one greets."""

import re
from collections.abc import Iterable

from core.persona.settings import Tone

_NEGATED = ("is", "are", "was", "were", "do", "does", "did", "have", "has", "had", "could", "should", "would", "need")

CONTRACTIONS: dict[str, dict[str, str]] = {
    "en": {
        **{f"{verb}n't": f"{verb} not" for verb in _NEGATED},
        "can't": "cannot",
        "won't": "will not",
        "let's": "let us",
        "i'm": "I am",
        "i'll": "I will",
        "i've": "I have",
        **{f"{who}'re": f"{who} are" for who in ("you", "we", "they")},
        **{f"{who}'ll": f"{who} will" for who in ("you", "we", "they", "he", "she", "it", "that", "there")},
        **{f"{who}'ve": f"{who} have" for who in ("you", "we", "they")},
    },
    "de": {
        "geht's": "geht es",
        "gibt's": "gibt es",
        "gab's": "gab es",
        "ist's": "ist es",
        "war's": "war es",
        "hab's": "habe es",
        "wenn's": "wenn es",
        "macht's": "macht es",
    },
}
"""Contraction -> what it stands for, where there is no doubt about it ("he'd" could be two things)."""

SLANG: dict[str, dict[str, str]] = {
    "en": {
        "gonna": "going to",
        "wanna": "want to",
        "lemme": "let me",
        "gimme": "give me",
        "dunno": "do not know",
        "yeah": "yes",
        "yep": "yes",
        "yup": "yes",
        "nope": "no",
        "thx": "thank you",
        "pls": "please",
        "plz": "please",
        "btw": "by the way",
        "cuz": "because",
        "tbh": "to be honest",
    },
    "de": {
        "nix": "nichts",
        "sowas": "so etwas",
        "vllt": "vielleicht",
        "vlt": "vielleicht",
        "jup": "ja",
        "nö": "nein",
        "thx": "danke",
        "aufm": "auf dem",
        "nochmal": "noch einmal",
    },
}
"""Slang -> the plain word in its place."""

LOOSE: dict[str, tuple[str, ...]] = {
    "en": (
        *SLANG["en"],
        "gotta",
        "kinda",
        "sorta",
        "ain't",
        "lol",
        "lmao",
        "omg",
        "wtf",
        "dude",
        "bro",
        "y'all",
        "nah",
    ),
    "de": (*SLANG["de"], "krass", "geil", "alter", "digga", "mega", "lol", "omg", "boah", "nee"),
}
"""Slang that can be told, whether or not there is one word for it."""

FAMILIAR: dict[str, tuple[str, ...]] = {
    "de": ("du", "dir", "dich", "dein", "deine", "deinen", "deinem", "deiner", "euch", "euer", "eure"),
    "fr": ("tu", "toi", "ton", "tes"),
    "es": ("tú", "contigo", "vosotros"),
}
"""Words of the familiar address, which a formal text does not use."""

INFORMAL: dict[str, str] = {
    "en": "hi there|hey there|hi|hey|hiya|howdy",
    "de": "hi|hey|hallöchen|moin moin|moin|servus",
}
COURTEOUS: dict[str, str] = {"en": "hello there|hello", "de": "hallo"}
STIFF: dict[str, str] = {"en": "good day|dear sir or madam", "de": "guten tag|sehr geehrte damen und herren"}
GREETINGS: dict[str, dict[Tone, str]] = {
    "en": {"formal": "Good day", "professional": "Hello", "friendly": "Hello", "casual": "Hi"},
    "de": {"formal": "Guten Tag", "professional": "Guten Tag", "friendly": "Hallo", "casual": "Hallo"},
}

EMOJI = re.compile(
    "[\U0001f600-\U0001f64f\U0001f910-\U0001f92f\U0001f970-\U0001f97a\U0001fae0-\U0001faf8\U0001f44a-\U0001f450"
    "\U0001f389\U0001f38a\U0001f680\U0001f4aa\U0001f493-\U0001f49f\U0001f525\u2639-\u263b\u2728\u2764]"
    "[\ufe0f\U0001f3fb-\U0001f3ff]*"
)
"""Those that show a feeling; ticks, crosses, flags and the like say something and are no matter of tone."""


def any_of(words: Iterable[str]) -> re.Pattern[str]:
    """Any of these as whole words, whatever their case, with either apostrophe."""
    longest_first = sorted(words, key=len, reverse=True)
    either = "|".join(re.escape(word).replace("'", "['’]") for word in longest_first)
    return re.compile(rf"(?<![\w'’-])(?:{either})(?![\w'’-])", re.IGNORECASE)
