"""Tells the language of a text by its script, and among languages that share one, by their small words and endings.

No model and no tables: enough for ten words of chat. What is too short or too mixed to tell stays untold."""

import re
from collections import Counter
from functools import lru_cache

from core.language.names import DEFAULT, base

LONGEST = 2000
"""Characters that are looked at."""
_LEAST = 1.0
"""The score from which on a language may be named."""
_AHEAD = 1.3
"""How many times the next best score the best must be."""
_LATIN = {
    "en": """the and you is am are what how can i to of it in my this that not do does for with on have has please help
        thanks thank hello hi hey when where why who which would could should will want need get was were be been your
        we they he she me but if or from there know about just an at as all some tell show make good morning any
        isn't don't doesn't can't i'm it's i've like works work more new use see now its our their right wrong
        by more page name number list enter value date time please no yes only between contain contains first every""",
    "de": """der die das und ist ich nicht du sie ein eine einen mit für auf wie was wo warum wann kann können bitte
        danke hallo mein meine dein von zu im in den dem des es wir ihr haben habe hat sind war noch auch aber oder
        wenn dass mir mich dich sich nur noch schon sehr gut guten tag morgen abend ja nein kein keine hilfe brauche
        möchte gibt geht funktioniert bei nach aus um werden wird wurde mehr über an am als diese dieser mal
        passwort konto seite vergessen bestellung rechnung einfach welche welcher alle""",
    "es": """el la los las de que y en un una por para con no es está son cómo qué dónde cuándo puedo puede puedes mi
        me te se lo gracias hola buenos días buenas tardes noches favor necesito quiero tengo tiene hay pero como más
        muy ya sí al del su sus este esta esto también porque ayuda ser estoy estás hacer cuál cuánto quién o si ha
        he le les nos todo nada ahora
        a otra otro otros sin sobre hasta desde entre donde cuando fue eres usted ustedes error contraseña cuenta cada
        dos mismo debe ser vez cualquier nombre página correo""",
    "fr": """le la les de des un une et est je vous tu il elle nous ne pas que qui quoi comment où quand pourquoi
        pour avec dans sur mon ma mes votre vos ce cette c'est j'ai bonjour bonsoir salut merci s'il plaît peux peut
        pouvez puis suis êtes sont ai avez avoir être faire fait aide besoin veux voudrais mais ou au aux du en y a
        plus très oui non si tout bien n'est qu'est quel quelle
        par sans entre depuis quand où leur leurs cet ces autre deux même doit être chaque nom mot page été""",
    "pt": """o a os as de que e em um uma por para com não é está são como onde quando posso pode você vocês meu minha
        me te se obrigado obrigada olá oi bom dia boa tarde noite favor preciso quero tenho tem há mas mais muito já
        sim ao do da dos das no na nos nas seu sua este esta isso isto também porque ajuda ser estou fazer qual quanto
        quem ou se eu ele ela nós foi pelo pela até
        outro outra sem sobre entre desde quando onde fui você deve mesmo cada nome página senha conta valor ou""",
    "it": """il lo la gli i le di che e in un una per con non è sono come dove quando posso può mio mia mi ti si grazie
        ciao buongiorno favore ho ha abbiamo ma più molto già sì al del della nel questo questa anche perché aiuto
        vorrei voglio cosa chi quanto se da ci sei siamo
        a i un una ed o su alla dei delle nella dal tra fra ancora altro altra tuo tua tuoi hai essere stato deve
        nome pagina parola valore ogni tutti se prego""",
    "nl": """de het een en is ik niet je jij u met voor op hoe wat waar waarom wanneer kan kunnen alstublieft bedankt
        hallo mijn van te in dat die dit wij zijn heb heeft was nog ook maar of als mij me zich goed goede ja nee geen
        hulp nodig wil gaat bij naar uit om wordt er aan
        deze geen bij mijn tussen naam pagina waarde andere alle""",
    "id": "yang dan di ke dari ini itu tidak saya anda apa bagaimana untuk dengan bisa ada akan sudah terima kasih",
    "tr": "ve bir bu için ne nasıl mı mi ben sen değil var yok çok teşekkürler merhaba lütfen nerede neden ile daha",
    "pl": "i w nie na się że jest to jak co dla mam mnie czy proszę dziękuję cześć gdzie kiedy jestem może z do po",
    "sv": "och att det är jag inte du en ett som på för med hur vad kan tack hej var har vi om till av den",
}
_ENDINGS = {
    "en": r"ing|tion|ly|ness|ment|n't|ould|ught",
    "de": r"ung|ungen|lich|liche|keit|heit|isch|schaft|eren|ieren|chen|icht",
    "es": r"ción|ciones|miento|dad|ando|iendo|aría|ería|illo|ñ\w*",
    "fr": r"eaux?|tion|ement|euse|eux|oir|ais|ait|aient|ez|ée|ées|és",
    "pt": r"ção|ções|são|sões|mento|dade|ando|endo|agem|inho|inha|lh\w*|nh\w*",
    "it": r"zione|zioni|mente|ità|ando|endo|ato|ata|ati|ere|zz\w*|cc\w*",
    "nl": r"ij\w*|lijk|heid|en|aar|oe\w*",
}
_LETTERS = {
    "de": "ßäöü",
    "es": "ñ¿¡",
    "fr": "œèêëùûîïÿ",
    "pt": "ãõ",
    "it": "ìò",
    "tr": "ğışİ",
    "pl": "ąęłńśźż",
    "sv": "å",
}
_SCRIPTS = (
    ("ja", "\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d"),
    ("zh", "\u3400-\u4dbf\u4e00-\u9fff"),
    ("ru", "\u0400-\u04ff"),
    ("ar", "\u0620-\u064a\u066e-\u06d3\u06fa-\u06ff"),
    ("hi", "\u0904-\u0939\u093e-\u094d\u0958-\u0961"),
    ("ko", "\uac00-\ud7a3\u1100-\u11ff"),
    ("th", "\u0e01-\u0e3a"),
    ("he", "\u05d0-\u05ea"),
    ("el", "\u0370-\u03ff"),
    ("bn", "\u0985-\u09e3"),
    ("ta", "\u0b85-\u0bd0"),
)
_BY_SCRIPT = [(tag, re.compile(f"[{letters}]")) for tag, letters in _SCRIPTS]
_LATIN_LETTER = re.compile(r"[A-Za-z\u00aa-\u024f\u1e00-\u1eff]")
_NEIGHBOURS = {
    "ru": (("uk", re.compile("[іїєґІЇЄҐ]")),),
    "ar": (("ur", re.compile("[ٹڈڑےں]")), ("fa", re.compile("[پچژگ]"))),
}
_IDEOGRAPHS = 3
"""How many letters of an alphabet one ideograph counts for."""

_NO_PROSE = re.compile(r"```.*?(?:```|\Z)|`[^`]*`|\S*(?:://|@|\w[/\\.]\w)\S*|<[^>]*>", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_WORDS = {language: frozenset(words.split()) for language, words in _LATIN.items()}
_SHARED = Counter(word for words in _WORDS.values() for word in words)
_ENDING = {
    language: re.compile(rf"\w{{2,}}(?:{endings})|(?:{endings})\w{{2,}}") for language, endings in _ENDINGS.items()
}


def detect(text: str) -> str | None:
    """The tag of the text's language; None when it cannot be told."""
    return _detect(text[:LONGEST])


@lru_cache(maxsize=512)  # one turn asks several times
def _detect(text: str) -> str | None:
    words = _NO_PROSE.sub(" ", text)
    letters = {tag: len(pattern.findall(words)) for tag, pattern in _BY_SCRIPT}
    latin = len(_LATIN_LETTER.findall(words))
    if letters["ja"]:
        letters["ja"] += letters.pop("zh")  # Japanese writes both; Chinese has no kana
    for ideographic in ("zh", "ja"):
        letters[ideographic] = letters.get(ideographic, 0) * _IDEOGRAPHS
    script, count = max(letters.items(), key=lambda entry: entry[1])
    if count > latin:
        return next((tag for tag, pattern in _NEIGHBOURS.get(script, ()) if pattern.search(words)), script)
    return _latin(words.casefold()) if latin else None


def choose(locale: str | None, remembered: str | None, text: str) -> str:
    """The language to talk in: what the user asked for, else what the platform says of them, else what they write."""
    for tag in (remembered, locale):
        if tag and base(tag):
            return base(tag)
    return detect(text) or DEFAULT


def _latin(text: str) -> str | None:
    scores = dict.fromkeys(_WORDS, 0.0)
    for word in _WORD.findall(text.replace("’", "'")):
        for language, words in _WORDS.items():
            if word in words:
                scores[language] += (2 if len(word) > 1 else 0.8) / _SHARED[word]
            elif language in _ENDING and _ENDING[language].fullmatch(word):
                scores[language] += 0.7
    for language, letters in _LETTERS.items():
        scores[language] += 0.7 * min(3, sum(text.count(letter) for letter in letters))
    (best, score), (_, second) = sorted(scores.items(), key=lambda entry: -entry[1])[:2]
    return best if score >= _LEAST and score >= second * _AHEAD else None
