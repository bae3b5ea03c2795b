"""Answers from documents, names the source, and says plainly when it does not know. Needs no language model."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated

import structlog
from pydantic import AfterValidator, Field

from bots._knowledge.citations import Source, address, named
from bots._knowledge.index import Hit, Index, Section
from bots._knowledge.library import Library
from bots._knowledge.words import telling
from core import bot as port
from core.events import Choice, Part
from core.language.sentences import Sentence, say
from core.limits.purse import Purse
from core.model.embeddings import Embedder

log = structlog.get_logger(__name__)

PREFIX = "kb:"
"""Begins the value of every button, so that a press is told from a question."""

_LONGEST_ANSWER = 2500
"""Characters; whole blocks are left out beyond it."""
_LONGEST_LABEL = 60
_LISTED_TOPICS = 15
_KNOWN = 0.5
"""The least share of the question, by weight of its words, that an answer must hold."""
_NEAR = 0.25
"""The same for a section worth offering beside it."""
_GREETINGS = frozenset(
    """hi hello hey hallo hola salut bonjour bonsoir ciao moin servus ola olá oi hei hej namaste greetings yo good
    morning afternoon evening day guten tag morgen abend there all everyone bot you buenos buenas días tardes noches
    bom boa dia tarde noite привет здравствуйте здравствуй добрый день вечер مرحبا مرحبًا أهلا السلام عليكم नमस्ते
    नमस्कार हैलो 你好 您好 嗨 早上好 こんにちは こんばんは おはよう おはようございます""".split()  # noqa: SIM905
)
_THANKS = frozenset(
    """thanks thank thx danke dankeschön vielen schön merci beaucoup gracias muchas obrigado obrigada muito you very
    much so a lot great ok okay cool спасибо большое شكرا شكرًا جزيلا धन्यवाद शुक्रिया 谢谢 多谢 谢谢你 ありがとう
    ありがとうございます""".split()  # noqa: SIM905
)


def _is_address(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("expected an address such as https://docs.example.org/")
    return url


class DocumentsSettings(port.BotSettings):
    """The YAML keys of every bot that answers from documents."""

    knowledge: list[str] = Field(default_factory=list)
    """Files, and folders of them, that it answers from: Markdown, text, HTML and PDF. From the folder that the hub was
    started in."""
    embeddings: str | None = None
    """Which of the models makes embeddings; with it documents are also found by what they mean. Without: by words."""
    sources: dict[str, Annotated[str, AfterValidator(_is_address)]] = Field(default_factory=dict)
    """Where documents are published: a beginning of their path -> address. `{page}` in it: the path's rest without its
    ending. Answers then link to their source."""


class KnowledgeSettings(DocumentsSettings):
    knowledge: list[str] = Field(min_length=1)
    """Files, and folders of them, that it answers from: Markdown, text, HTML and PDF. From the folder that the hub was
    started in."""


class Bot(port.Bot[KnowledgeSettings]):
    settings_type = KnowledgeSettings

    def __init__(self, settings: KnowledgeSettings, resources: port.Resources | None = None) -> None:
        super().__init__(settings, resources or port.Resources())
        embedders: Mapping[str, Embedder] = self.resources.embedders
        embedder = embedders.get(settings.embeddings) if settings.embeddings else None
        if settings.embeddings and embedder is None:
            log.warning("no embeddings: their model has no key", model=settings.embeddings)
        self.library = Library(settings.knowledge, embedder)

    async def start(self) -> None:
        """Read the documents. Raises ConfigError for a path that is not there."""
        await self.library.start()

    async def stop(self) -> None:
        await self.library.stop()

    async def respond(self, turn: port.Turn) -> AsyncIterator[str | Part | port.Restart]:
        yield await self._answer(turn.text.strip(), turn.language, turn.purse)

    async def sources(self, question: str, purse: Purse | None = None, most: int = 5) -> list[Source]:
        """What may hold the answer, best first; empty when the documents do not speak of it.

        `purse`: of whoever asks."""
        index, hits = await self.library.search(question, purse)
        told: list[Section] = []
        found: list[Source] = []
        for hit in hits:
            if len(found) < most and _is_near(hit) and hit.section not in told:
                text, included = index.text(hit.section, _LONGEST_ANSWER)
                told += included
                found.append(self._source(hit.section, text, len(found) + 1))
        return found

    async def find(self, question: str, purse: Purse | None = None, most: int = 3) -> list[tuple[str, str, str]]:
        """The same as (heading, file, text)."""
        return [(source.title, source.file, source.text) for source in await self.sources(question, purse, most)]

    async def _answer(self, text: str, language: str, purse: Purse) -> Part:
        words = set(re.findall(r"[^\W\d_]+(?:[\u0900-\u0963\u064b-\u065f]+[^\W\d_]*)*", text.casefold()))
        index = self.library.index
        if text.startswith(PREFIX):
            await self.library.keep_up()
            index = self.library.index
            if section := index.by_key.get(text.removeprefix(PREFIX)):
                return self._tell(index, section, index.beside(section), language)
            text = re.sub(r"~\w+$|\W+", " ", text.removeprefix(PREFIX))
        elif words <= _GREETINGS or not telling(text):  # "what can you do?" is about the bot, not the documents
            return _offer(index, say(Sentence.DOCUMENTS_HELLO, language), language)
        elif words <= _THANKS:
            return Part(say(Sentence.WELCOME, language))
        index, found = await self.library.search(text, purse)
        if best := next((hit.section for hit in found if hit.coverage >= _KNOWN), None):
            near = [hit.section for hit in found if _is_near(hit) and hit.section is not best]
            return self._tell(index, best, [*near, *index.beside(best)], language)
        unknown = say(Sentence.NOT_IN_DOCUMENTS, language)
        if near := [hit.section for hit in found if _is_near(hit)]:
            return Part(f"{unknown} {say(Sentence.NEAREST, language)}", _choices(near))
        return _offer(index, unknown, language)

    def _tell(self, index: Index, section: Section, related: Sequence[Section], language: str) -> Part:
        text, told = index.text(section, _LONGEST_ANSWER)
        source = say(Sentence.SOURCE, language, source=named(self._source(section, text)))
        return Part(f"{text}\n\n{source}", _choices([other for other in related if other not in told]))

    def _source(self, section: Section, text: str, number: int = 1) -> Source:
        url = address(section.place, section.anchor, self.settings.sources)
        return Source(number, " › ".join(section.path), section.file, text, url)


def _is_near(hit: Hit) -> bool:
    return hit.coverage >= _NEAR or hit.stands_out


def _offer(index: Index, line: str, language: str) -> Part:
    topics = index.topics
    if not topics:
        return Part(line)
    listed = "\n".join(f"- {topic.path[0]}" for topic in topics[:_LISTED_TOPICS])
    return Part(f"{line} {say(Sentence.TOPICS, language)}\n\n{listed}", _choices(topics))


def _choices(sections: Sequence[Section]) -> tuple[Choice, ...]:
    return tuple(Choice(_short(section.label), PREFIX + section.key) for section in list(dict.fromkeys(sections))[:3])


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1].rstrip() + "…"
