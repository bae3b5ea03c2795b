"""Answers from Markdown files, names the source, and says plainly when it does not know. Needs no language model."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from pydantic import Field

from bots._index import Index, Section
from core import bot as port
from core.errors import ConfigError
from core.events import Choice, Part

PREFIX = "kb:"
"""Begins the value of every button, so that a press is told from a question."""

_CHECK_EVERY = 1.0
"""Seconds between two looks at the files."""
_LONGEST_ANSWER = 2500
"""Characters; whole blocks are left out beyond it."""
_LONGEST_LABEL = 60
_LISTED_TOPICS = 15
_KNOWN = 0.5
"""The least share of the question, by weight of its words, that an answer must hold."""
_NEAR = 0.25
"""The same for a section worth offering beside it."""
_GREETINGS = frozenset(
    """hi hello hey hallo hola salut bonjour ciao moin servus ola hei hej namaste greetings yo good morning afternoon
    evening day guten tag morgen abend there all everyone bot you""".split()  # noqa: SIM905
)
_THANKS = frozenset(
    "thanks thank thx danke merci gracias you very much so a lot great ok okay cool".split()  # noqa: SIM905
)

Stamp = Mapping[Path, tuple[int, int]]
"""Each file with the time of its last change and its size."""


class KnowledgeSettings(port.BotSettings):
    knowledge: list[str] = Field(min_length=1)
    """Markdown files, and folders of them, from the folder that the hub was started in."""


class Bot(port.Bot[KnowledgeSettings]):
    settings_type = KnowledgeSettings

    def __init__(self, settings: KnowledgeSettings, resources: port.Resources | None = None) -> None:
        super().__init__(settings, resources or port.Resources())
        self._index = Index([])
        self._stamp: Stamp = {}
        self._looked_at = 0.0
        self._looking = asyncio.Lock()

    async def start(self) -> None:
        """Read the documents. Raises ConfigError for a path that is not there."""
        if missing := await asyncio.to_thread(_missing, self.settings.knowledge):
            raise ConfigError([f"knowledge: '{path}': there is no such file or folder" for path in missing])
        await self._look()

    async def respond(self, turn: port.Turn) -> AsyncIterator[str | Part | port.Restart]:
        await self._keep_up()
        yield self._answer(turn.text.strip())

    async def find(self, question: str, most: int = 3) -> list[tuple[str, str, str]]:
        """Sections that may hold the answer, the best first: (heading, file, text)."""
        await self._keep_up()
        near = [hit.section for hit in self._index.search(question)[:most] if hit.coverage >= _NEAR]
        return [(" › ".join(at.path), at.file, self._index.text(at, _LONGEST_ANSWER)[0]) for at in near]

    async def _keep_up(self) -> None:
        if time.monotonic() - self._looked_at >= _CHECK_EVERY:
            await self._look()

    async def _look(self) -> None:
        """Read the documents again if any has changed."""
        async with self._looking:
            stamp = await asyncio.to_thread(_stamp, self.settings.knowledge)
            if stamp != self._stamp:
                self._index = await asyncio.to_thread(Index.of_files, self.settings.knowledge, list(stamp))
                self._stamp = stamp
            self._looked_at = time.monotonic()

    def _answer(self, text: str) -> Part:
        words = set(re.findall(r"[^\W\d_]+", text.casefold()))
        if text.startswith(PREFIX):
            if section := self._index.by_key.get(text.removeprefix(PREFIX)):
                return self._tell(section, self._index.beside(section))
            text = re.sub(r"~\w+$|\W+", " ", text.removeprefix(PREFIX))
        elif words <= _GREETINGS:
            return self._offer("Hello! I answer questions from my documents.")
        elif words <= _THANKS:
            return Part("You are welcome.")
        found = self._index.search(text)
        if found and found[0].coverage >= _KNOWN:
            best = found[0].section
            near = [hit.section for hit in found[1:] if hit.coverage >= _NEAR]
            return self._tell(best, [*near, *self._index.beside(best)])
        if near := [hit.section for hit in found if hit.coverage >= _NEAR]:
            return Part("I do not know that. The nearest that I have:", _choices(near))
        return self._offer("I do not know that: my documents do not speak of it.")

    def _tell(self, section: Section, related: Sequence[Section]) -> Part:
        text, told = self._index.text(section, _LONGEST_ANSWER)
        source = f"Source: *{' › '.join(section.path)}* ({section.file})"
        return Part(f"{text}\n\n{source}", _choices([other for other in related if other not in told]))

    def _offer(self, line: str) -> Part:
        topics = self._index.topics
        if not topics:
            return Part(line)
        listed = "\n".join(f"- {topic.label}" for topic in topics[:_LISTED_TOPICS])
        return Part(f"{line} You can ask me about:\n\n{listed}", _choices(topics))


def _choices(sections: Sequence[Section]) -> tuple[Choice, ...]:
    return tuple(Choice(_short(section.label), PREFIX + section.key) for section in list(dict.fromkeys(sections))[:3])


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1].rstrip() + "…"


def _missing(paths: Sequence[str]) -> list[str]:
    return [path for path in paths if not Path(path).exists()]


def _stamp(paths: Sequence[str]) -> Stamp:
    """All files there are now; one that goes away meanwhile is left out."""
    stamp: dict[Path, tuple[int, int]] = {}
    for root in map(Path, paths):
        for file in sorted(root.rglob("*.md")) if root.is_dir() else [root]:
            try:
                status = file.stat()
            except OSError:
                continue
            stamp[file] = (status.st_mtime_ns, status.st_size)
    return stamp
