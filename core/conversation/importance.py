"""How much a message matters for answering the next one."""

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from unicodedata import normalize

from core.conversation.entry import Entry
from core.conversation.settings import LANGUAGES, Language

_MARKED: dict[Language, str] = {
    "en": "important|remember|must|never|always|deadline|urgent|allergic|allergy|prefer|decided|agreed|promise|budget|"
    "don't forget|my name|i live|i am called|order number",
    "de": "wichtig|merke|merken|muss|niemals|immer|frist|termin|dringend|allergisch|allergie|bevorzuge|entschieden|"
    "vereinbart|versprochen|budget|vergiss nicht|mein name|ich heiße|ich wohne|bestellnummer",
    "es": "importante|recuerda|recordar|debe|nunca|siempre|plazo|urgente|alérgico|alérgica|alergia|prefiero|decidido|"
    "acordado|presupuesto|no olvides|mi nombre|me llamo|vivo en|número de pedido",
    "fr": "important|importante|rappelle|souviens|doit|jamais|toujours|délai|échéance|urgent|allergique|allergie|"
    "préfère|décidé|convenu|budget|n'oublie pas|mon nom|je m'appelle|j'habite|numéro de commande",
    "pt": "importante|lembre|lembrar|deve|nunca|sempre|prazo|urgente|alérgico|alérgica|alergia|prefiro|decidido|"
    "combinado|orçamento|não esqueça|meu nome|me chamo|moro em|número do pedido",
    "ru": "важно|важный|запомни|помни|должен|должна|никогда|всегда|срок|срочно|аллергия|предпочитаю|решено|решили|"
    "договорились|бюджет|не забудь|меня зовут|моё имя|я живу|номер заказа",
    "ar": "مهم|المهم|هام|تذكر|يجب|أبدا|أبداً|دائما|دائماً|موعد|الموعد|عاجل|حساسية|أفضل|قررنا|اتفقنا|ميزانية|الميزانية|"
    "لا تنس|اسمي|أسكن|رقم الطلب",
    "hi": "ज़रूरी|जरूरी|महत्वपूर्ण|याद|हमेशा|अंतिम|तुरंत|एलर्जी|पसंद|फैसला|बजट|कभी नहीं|मत भूलना|मेरा नाम|मैं रहता|मैं रहती|ऑर्डर नंबर",
    "zh": "重要|记住|記住|必须|必須|一定要|绝不|从不|总是|截止|期限|"
    "紧急|緊急|过敏|過敏|更喜欢|决定|決定|预算|預算|"
    "别忘|我叫|我的名字|我住|订单号",
    "ja": "重要|大事|大切|覚えて|必ず|絶対|いつも|締め切り|締切|期限|"
    "緊急|至急|アレルギー|好み|"
    "決めました|決定|予算|忘れないで|私の名前|と申します|住んで|注文番号",
}
_UNSPACED = ("zh", "ja")
"""Written without spaces between words."""
_WORD = re.compile(r"[^\s.,;:!?…\"'()\[\]{}«»„“”‘’¿¡،؛؟।\-–—*_`]+")
_QUESTION = ("?", "？", "؟", "¿")
_LOOKED_AT = 2000
"""Characters of a message that are searched; who marks something says so early."""
_HALF_LIFE = 10
"""Messages after which recency is worth half."""


class Marks:
    """The words that make a message matter."""

    def __init__(self, languages: Collection[Language], own: Collection[str]) -> None:
        listed = [(_folded(phrase), language in _UNSPACED) for language in languages for phrase in _phrases(language)]
        listed += [(_folded(word.strip()), not word.isascii()) for word in own if word.strip()]
        self._words = frozenset(phrase for phrase, inside in listed if not inside and _WORD.fullmatch(phrase))
        self._phrases = tuple(phrase for phrase, inside in listed if inside or not _WORD.fullmatch(phrase))

    def are_in(self, text: str) -> bool:
        folded = _folded(text[:_LOOKED_AT])
        return not self._words.isdisjoint(_WORD.findall(folded)) or any(phrase in folded for phrase in self._phrases)


@lru_cache(maxsize=64)
def marks(languages: tuple[Language, ...] = LANGUAGES, own: tuple[str, ...] = ()) -> Marks:
    """Prepared once per settings."""
    return Marks(languages, own)


def scores(entries: Sequence[Entry], sizes: Sequence[int], marked: Marks) -> list[float]:
    """One number a message, the higher the more it matters; an answer matters about as much as its question."""
    found: list[float] = []
    asked = 0.0
    for at, (entry, tokens) in enumerate(zip(entries, sizes, strict=True)):
        own = 3 * 0.5 ** ((len(entries) - 1 - at) / _HALF_LIFE) + _length(tokens) + 2 * marked.are_in(entry.text)
        if entry.role == "user":
            asked = own = own + 0.3 + any(mark in entry.text for mark in _QUESTION)
        found.append(max(own, asked - 0.1))
    return found


def _phrases(language: Language) -> list[str]:
    return _MARKED[language].split("|")


def _folded(text: str) -> str:
    return normalize("NFC", text.casefold()).replace("’", "'")


def _length(tokens: int) -> float:
    """Thanks and okay say little; a very long message crowds out many others."""
    if tokens < 10:
        return -1.0
    return 0.5 if tokens < 300 else -0.5
