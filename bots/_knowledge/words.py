"""The words of a text, as they are looked for and as they are indexed."""

import re

LONG_WORD = 5
"""Letters from which on a word also finds the words that begin with it."""
_STOP_WORDS = frozenset(
    """a about after again all also am an and any anyone anything are as ask at be because been before being but by can
    could d did do does doing done each explain find for from get gets give go goes going got had has have having he
    her here him his how i if in into is it its just know let like ll look m make makes many may me mean might more
    most much must my need no nor of off ok on or other our ours out over please possible re really required s say
    see set shall she should show so some someone something such t tell than that the their them then there these
    they thing things this those to too try under up us use used uses using ve very want wants was way we were what
    when where which while who whom whose why will with work works would yes you your yours aren couldn didn doesn
    don hasn haven isn wasn won wouldn""".split()  # noqa: SIM905
)
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
"""Scripts that put no space between words."""
_WORD = re.compile("(?:[^\\W_]|[\u0300-\u036f\u064b-\u065f\u0900-\u0963\u0966-\u0dff])+")
"""Letters, digits, and the signs that some scripts write on letters."""


def spread(text: str) -> str:
    """For the index: where a script puts no spaces between words, each two letters that follow each other."""
    return _UNSPACED.sub(lambda run: f" {' '.join(_pairs(run[0]))} ", text)


def telling(text: str) -> list[str]:
    """The words that a question is about, each once, in order."""
    words = dict.fromkeys(_WORD.findall(spread(text).casefold()))
    return [word for word in words if word not in _STOP_WORDS and (len(word) > 1 or not word.isascii())]


def stems(text: str) -> set[str]:
    return {word[:LONG_WORD] for word in telling(text)}


def _pairs(run: str) -> list[str]:
    return [run[place : place + 2] for place in range(max(1, len(run) - 1))]
