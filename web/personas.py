"""Personalities side by side: the system prompt that each makes, and what each does to a text. Nothing is changed."""

import asyncio
import datetime
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from core.conversation.tokens import estimate
from core.language.names import SPOKEN
from core.persona.consistency import Finding, check
from core.persona.prompt import prompt
from core.persona.settings import Personality
from core.persona.tone import adjust
from web.files import page
from web.guard import HEADERS, Guard

LONGEST_SAMPLE = 4000
TONED = ("en", "de")
"""Languages in which a tone changes words; a text in another one is left as it is."""

_WORDS = re.compile(r"\s+|\S+")


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to try the personalities on."""

    language: str
    kind: Literal["direct", "group"]
    first_contact: bool
    chosen: bool
    """The user asked for the language by name."""
    sample: Annotated[str, msgspec.Meta(max_length=LONGEST_SAMPLE)]
    """An answer as a model might give it."""


class Run(msgspec.Struct, frozen=True):
    """A piece of a text, and whether the tone put it there or took it away."""

    text: str
    kind: Literal["same", "new", "gone"]


class Preview(msgspec.Struct, frozen=True):
    """One personality, tried."""

    key: str
    """As bots name it in the YAML file."""
    name: str
    role: str
    tone: str
    traits: Sequence[str]
    prompt: str
    tokens: int
    """Of the prompt, about."""
    sample: Sequence[Run]
    findings: Sequence[Finding]
    """What the checks say of the text, after the tone."""
    repairs: bool


class Language(msgspec.Struct, frozen=True):
    tag: str
    name: str
    own: str
    is_toned: bool


class Previews(msgspec.Struct, frozen=True):
    """The answer to the page."""

    personas: Sequence[Preview]
    languages: Sequence[Language]


LANGUAGES = tuple(Language(tag, name, own, tag in TONED) for tag, (name, own) in SPOKEN.items())


class Personas:
    """The page and the one question that it asks."""

    def __init__(self, personalities: Callable[[], Mapping[str, Personality]], guard: Guard) -> None:
        self._personalities = personalities
        self._guard = guard

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/playground/personas", page("personas.html")),
            web.post("/playground/personas/preview", self._preview),
        ]

    async def _preview(self, request: web.Request) -> web.Response:
        asked = await self._guard.posted(request, Asked)
        if asked.language not in SPOKEN:
            raise web.HTTPBadRequest(text="That language is none of those offered.")
        today = datetime.datetime.now(datetime.UTC).date()
        found = await asyncio.to_thread(previews, self._personalities(), asked, today)
        body = msgspec.json.encode(Previews(found, LANGUAGES))
        return web.Response(body=body, content_type="application/json", headers=HEADERS | {"Cache-Control": "no-store"})


def previews(personalities: Mapping[str, Personality], asked: Asked, today: datetime.date) -> list[Preview]:
    """Each personality, in the order of the file."""
    return [_tried(key, personality, asked, today) for key, personality in personalities.items()]


def _tried(key: str, personality: Personality, asked: Asked, today: datetime.date) -> Preview:
    told = prompt(
        personality,
        language=asked.language,
        channel_kind=asked.kind,
        first_contact=asked.first_contact,
        date=today,
        chosen=asked.chosen,
    )
    toned = adjust(asked.sample, personality.tone, asked.language)
    return Preview(
        key,
        personality.name,
        personality.role,
        personality.tone,
        personality.traits,
        told,
        estimate(told),
        runs(asked.sample, toned),
        check(toned, personality, language=asked.language, first_contact=asked.first_contact),
        personality.repair,
    )


def runs(before: str, after: str) -> list[Run]:
    """Both texts in one, word by word: without what is gone it is `after`, without what is new it is `before`."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    found: list[Run] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(Run("".join(old[a:b]), "same"))
            continue
        found += [Run("".join(old[a:b]), "gone")] if a < b else []
        found += [Run("".join(new[c:d]), "new")] if c < d else []
    return found
