"""The one word that ends an answer, in the hub's ten languages."""

import re

_WORDS = frozenset(
    """stop stopp halt aufhören abbrechen para parar detente alto basta cancelar arrête arrêtez arrêter pare cancela
    стоп стой хватит остановись توقف قف रुको रुकिए बस 停 停止 停下 别说了 やめて ストップ 止めて""".split()  # noqa: SIM905
)


def means_stop(text: str) -> bool:
    """Whether a message says nothing but to stop."""
    if len(text) > 20:
        return False
    return re.sub(r"[\W_]+", "", text, flags=re.UNICODE).casefold() in _PLAIN


_PLAIN = frozenset(re.sub(r"[\W_]+", "", word, flags=re.UNICODE).casefold() for word in _WORDS)
