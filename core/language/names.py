"""Languages by their tags and names."""

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

DEFAULT = "en"

SPOKEN: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "en": ("English", "English"),
        "de": ("German", "Deutsch"),
        "es": ("Spanish", "Español"),
        "fr": ("French", "Français"),
        "pt": ("Portuguese", "Português"),
        "ru": ("Russian", "Русский"),
        "ar": ("Arabic", "العربية"),
        "hi": ("Hindi", "हिन्दी"),
        "zh": ("Chinese", "中文"),
        "ja": ("Japanese", "日本語"),
    }
)
"""Tag -> English and own name, of the languages that the hub itself speaks."""

_OTHERS = {
    "it": ("Italian", "Italiano"),
    "nl": ("Dutch", "Nederlands"),
    "pl": ("Polish", "Polski"),
    "tr": ("Turkish", "Türkçe"),
    "uk": ("Ukrainian", "Українська"),
    "el": ("Greek", "Ελληνικά"),
    "he": ("Hebrew", "עברית"),
    "fa": ("Persian", "فارسی"),
    "ur": ("Urdu", "اردو"),
    "bn": ("Bengali", "বাংলা"),
    "ta": ("Tamil", "தமிழ்"),
    "th": ("Thai", "ไทย"),
    "ko": ("Korean", "한국어"),
    "vi": ("Vietnamese", "Tiếng Việt"),
    "id": ("Indonesian", "Bahasa Indonesia"),
    "sv": ("Swedish", "Svenska"),
    "da": ("Danish", "Dansk"),
    "no": ("Norwegian", "Norsk"),
    "fi": ("Finnish", "Suomi"),
    "cs": ("Czech", "Čeština"),
    "ro": ("Romanian", "Română"),
    "hu": ("Hungarian", "Magyar"),
}
"""Languages that a model can answer in while the hub's own sentences stay English."""
_NAMES = {**SPOKEN, **_OTHERS}
_ALSO = {
    "hindi": "hi",
    "हिंदी": "hi",
    "mandarin": "zh",
    "汉语": "zh",
    "漢語": "zh",
    "普通话": "zh",
    "简体中文": "zh",
    "繁體中文": "zh",
    "عربي": "ar",
    "عربى": "ar",
    "castellano": "es",
    "brasileiro": "pt",
    "farsi": "fa",
    "nb": "no",
    "nn": "no",
    "iw": "he",
    "in": "id",
}
_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{1,8})*")


def base(tag: str) -> str:
    """The language of a tag without region and script: `pt` of `pt-BR` and `pt_BR`; '' where it is no tag."""
    match = _TAG.fullmatch(tag.strip())
    return _ALSO.get(match[1].lower(), match[1].lower()) if match else ""


def english_name(tag: str) -> str:
    return _NAMES.get(base(tag), ("English",))[0]


def own_name(tag: str) -> str:
    """What the language calls itself."""
    return _NAMES[base(tag)][1] if base(tag) in _NAMES else SPOKEN[DEFAULT][1]


def tag_of(name: str) -> str | None:
    """The tag of a language named in English, in its own words or by its tag; None when there is no such name."""
    wanted = _plain(name)
    for tag, names in _NAMES.items():
        if wanted in map(_plain, names):
            return tag
    if wanted in _ALSO:
        return _ALSO[wanted]
    return tag if (tag := base(name)) in _NAMES else None


def _plain(name: str) -> str:
    """Case and surrounding marks aside, and accents, which not every keyboard has."""
    decomposed = unicodedata.normalize("NFD", name.strip(" .!?'\"`<>").casefold())
    return "".join(char for char in decomposed if not "\u0300" <= char <= "\u036f")
