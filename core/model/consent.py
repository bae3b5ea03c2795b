"""The question whether a tool may do what the model asked for: how it is put, kept and answered. Pure."""

import json
import re
import secrets
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum

import msgspec
from pydantic_core import from_json

from core.events import Choice
from core.language.names import SPOKEN
from core.language.sentences import Sentence, agreed, say
from core.model.converse import Confirm
from core.model.port import ChatMessage, ToolCall
from core.visible import visible

LASTS = 600.0
"""Seconds that a question stays open."""
LARGEST = 15_000
"""Bytes of an open question; a session has 16 KB for it."""

_VALUE = re.compile(r"consent:([0-9a-f]{16}):(yes|no)")
_SHOWN = (300, 120, 40, 16)
"""Characters of an argument that are shown, from the most to the least."""
_ROOM = 700
"""Characters for all that is shown: platforms put buttons under short messages only."""
_LONGEST = 3000
"""Characters that are put to anybody at all: each argument is shown, or the call is not asked about."""


class Pending(msgspec.Struct, frozen=True, omit_defaults=True):
    """A question that is open. It lies with the session until it is answered."""

    id: str
    """Random; the buttons carry it, and tools get it as part of their key."""
    account: str
    """Who asked, and alone may agree."""
    language: str
    """In which it was put: a word or a press does not tell one."""
    until: float
    """Unix seconds."""
    asked: Confirm


class Verdict(Enum):
    """What somebody's words mean for a question of consent."""

    AGREED = "agreed"
    REFUSED = "refused"
    PASSED_OVER = "passed over"
    """Something else was said by the one who was asked: that is no consent."""
    EXPIRED = "expired"
    """An answer to a question that is no longer open."""
    FOREIGN = "foreign"
    """A press by somebody who was not asked."""
    NONE = "none"
    """No word about any question."""


def opened(asked: Confirm, account: str, language: str, now: float) -> Pending:
    """A new question. The words that the model said before it are in the session already."""
    head, *results = asked.messages
    messages = (msgspec.structs.replace(head, text=""), *results)
    pending = Pending(secrets.token_hex(8), account, language, now + LASTS, Confirm(asked.calls, messages))
    limit = 4000
    while len(encode(pending)) > LARGEST and limit > 100:
        limit //= 2
        short = (messages[0], *(msgspec.structs.replace(each, text=_cut(each.text, limit)) for each in results))
        pending = msgspec.structs.replace(pending, asked=Confirm(asked.calls, short))
    return pending


def is_too_large(pending: Pending) -> bool:
    """Its calls have arguments that no session keeps, or that nobody would read to the end."""
    return len(encode(pending)) > LARGEST or len(_shown(pending)) > _LONGEST


def encode(pending: Pending) -> str:
    return _encode(pending).decode()


def decode(stored: str) -> Pending | None:
    """The question that was stored; None where there is none, or nothing of use."""
    if not stored:
        return None
    try:
        return _decode(stored)
    except msgspec.DecodeError:
        return None


def verdict(
    text: str, account: str, pending: Pending | None, now: float, language: str, *, is_next: bool = True
) -> Verdict:
    """What was said by this account (a pressed button's value, or words) about the question that is open.

    `is_next`: nobody else spoke in between; words may be meant for what they asked, a button is for its question."""
    press = _VALUE.fullmatch(text.strip())
    if press and (pending is None or press[1] != pending.id):
        return Verdict.EXPIRED
    if pending is None:
        return Verdict.NONE
    if account != pending.account:
        return Verdict.FOREIGN if press else Verdict.NONE
    answer = press[2] == "yes" if press else _meant(text, language) if is_next else None
    if answer is None:
        return Verdict.PASSED_OVER
    if now >= pending.until:
        return Verdict.EXPIRED
    return Verdict.AGREED if answer else Verdict.REFUSED


def question(pending: Pending, language: str) -> str:
    """The question in Markdown: each call with its arguments, in which nothing can pass for anything else."""
    return say(Sentence.CONFIRM, language, action=f"\n\n{_as_code(_shown(pending))}")


def choices(pending: Pending, language: str) -> tuple[Choice, ...]:
    """The buttons under it."""
    return (
        Choice(say(Sentence.YES, language), f"consent:{pending.id}:yes"),
        Choice(say(Sentence.NO, language), f"consent:{pending.id}:no"),
    )


def too_long(calls: Sequence[ToolCall]) -> tuple[ChatMessage, ...]:
    """The messages that answer calls which are too long to be shown to anybody."""
    text = "error: this is too long to ask the user about; make the arguments shorter"
    return tuple(ChatMessage("tool", text, name=call.name, call_id=call.id) for call in calls)


def report(pending: Pending, messages: Sequence[ChatMessage]) -> str:
    """What became of the calls that were agreed to, in Markdown, for when no model can say it."""
    ids = {call.id for call in pending.asked.calls}
    done = [f"{_plain(each.name)}: {_cut(_plain(each.text), _SHOWN[0])}" for each in messages if each.call_id in ids]
    return _as_code("\n".join(done))


def _shown(pending: Pending) -> str:
    """All calls with all their arguments; long texts are cut where everybody sees it."""
    shown = ""
    for limit in _SHOWN:
        shown = "\n".join(_call(call, limit) for call in pending.asked.calls)
        if len(shown) <= _ROOM:
            break
    return shown


def _as_code(text: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}\n{text}\n{fence}"


def _meant(text: str, language: str) -> bool | None:
    """Yes or no in any language that the hub speaks: people do not always keep to one."""
    verdicts = (agreed(text, spoken) for spoken in (language, *SPOKEN))
    return next((each for each in verdicts if each is not None), None)


def _call(call: ToolCall, limit: int) -> str:
    arguments: Mapping[str, object] = from_json(call.arguments or "{}")
    each = (pair for name, value in arguments.items() for pair in _each(str(name), value))
    lines = [f"  {_plain(name)}: {_cut(_plain(_written(value)), limit)}" for name, value in each]
    return "\n".join([_plain(call.name), *lines])


def _each(name: str, value: object) -> Iterator[tuple[str, object]]:
    """What an argument is made of has a line of its own, so that nothing is cut off but the end of a text."""
    if value and isinstance(value, Mapping | list):
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value, 1):
            yield from _each(f"{name}.{key}", inner)
    else:
        yield name, value


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… (+{len(text) - limit})"


def _plain(text: str) -> str:
    """The text in one line, with whatever a reader could not see written out."""
    return "".join(char if _is_seen(char) else _escaped(char) for char in text)


def _is_seen(char: str) -> bool:
    return (char.isascii() and char.isprintable()) or (char.isprintable() and visible(char) == char and _has_body(char))


def _has_body(char: str) -> bool:
    """Marks that change the letter before them belong to a script's writing; the variation selectors do not."""
    return unicodedata.category(char) != "Mn" or not 0xFE00 <= ord(char) <= 0xFE0F


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Pending).decode
