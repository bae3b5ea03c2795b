"""The documents of a bot, kept up to date in the background: questions are answered from what is there meanwhile."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from bots._knowledge import files
from bots._knowledge.apart import Result, read_apart, result_of
from bots._knowledge.files import Found
from bots._knowledge.index import Document, Hit, Index
from bots._knowledge.nearness import Nearness, fused
from core.errors import ConfigError
from core.limits.errors import OverBudget
from core.limits.purse import Purse
from core.model.embeddings import Embedder
from core.model.errors import ModelError
from core.model.vectors import Vector

log = structlog.get_logger(__name__)

_HERE = 256 << 10
"""Bytes of Markdown and text that one look reads in this process; what is more goes to the reader's."""
_SIMPLE = frozenset((".md", ".markdown", ".txt", ".text", ".rst"))
_EMBEDDED_AT_ONCE = 256
_LONGEST_PAUSE = 600.0
_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Paces:
    """Seconds, all but one."""

    look: float = 1.0
    """Between two looks at the files, which are taken when somebody asks; and"""
    share: float = 20.0
    """So many times as long as the last look took, at least."""
    wait: float = 0.25
    """That a question waits for what has changed meanwhile; then it is answered from what was read before."""
    start: float = 1.0
    """The same for the start, which also waits for PDFs and pages."""
    file: float = 60.0
    """For one file."""
    show: float = 5.0
    """Until what was read of a long list of files can be found."""
    retry: float = 30.0
    """Before embeddings are asked for again after a failure; doubled up to ten minutes."""


class Library:
    """`start` it inside the running loop, and `stop` it."""

    def __init__(self, roots: Sequence[str], embedder: Embedder | None = None, paces: Paces = Paces()) -> None:
        self.index = Index([])
        self._roots = tuple(roots)
        self._embedder = embedder
        self._paces = paces
        self._found: dict[Path, Found] = {}
        self._documents: dict[Path, Document] = {}
        self._waiting: dict[Path, Found] = {}
        self._vectors: dict[bytes, Vector] = {}
        self._nearness = Nearness({})
        self._unseen: dict[Path, str] = {}
        self._unread: dict[Path, str] = {}
        self._looked_at = -1e9
        self._look_took = 0.0
        self._is_away = False
        self._is_back = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_stopped = False

    @property
    def faults(self) -> dict[Path, str]:
        """What is left out, and why."""
        return self._unseen | self._unread

    async def start(self) -> None:
        """Read the documents. Raises ConfigError for a path that is not there."""
        if missing := await asyncio.to_thread(files.missing, self._roots):
            raise ConfigError([f"knowledge: '{path}': there is no such file or folder" for path in missing])
        await self._only("look", self._look)
        if "read" in self._tasks:
            await asyncio.wait([self._tasks["read"]], timeout=self._paces.start)

    async def stop(self) -> None:
        """End what goes on in the background."""
        self._is_stopped = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settled(self) -> None:
        """Look once, and wait until all that has changed is read, and embedded where that is possible now."""
        await self._only("look", self._look)
        while self._tasks and not (self._is_away and self._tasks.keys() <= {"embed"}):
            await asyncio.wait(list(self._tasks.values()), timeout=0.05)

    async def search(self, question: str, purse: Purse | None = None) -> tuple[Index, list[Hit]]:
        """What says most of what was asked, by its words and, with embeddings, by its meaning; best first.

        `purse`: from which embeddings are paid for; where it does not cover them, words alone have to do."""
        await self.keep_up()
        index = self.index
        hits = await asyncio.to_thread(index.search, question)
        return index, await self._with_meaning(question, index, hits, purse)

    async def keep_up(self) -> None:
        """Look at the files if that was long enough ago; a little time is given to what has changed."""
        if self._is_stopped:
            return
        every = max(self._paces.look, self._paces.share * self._look_took)
        if "look" not in self._tasks and time.monotonic() - self._looked_at < every:
            return
        await asyncio.wait([self._only("look", self._look)], timeout=self._paces.wait)

    async def _with_meaning(self, question: str, index: Index, hits: list[Hit], purse: Purse | None) -> list[Hit]:
        if self._embedder is None or not len(self._nearness) or not question.strip():
            return hits
        try:
            vector = await self._embedder.question(question, purse)
        except OverBudget:
            return hits
        except ModelError as error:
            self._note(error)
            return hits
        self._note(None)
        near = await asyncio.to_thread(self._nearness.search, vector, _CANDIDATES)
        outstanding = {each.key for each in near if each.stands_out}
        known = {hit.section.digest: hit for hit in hits}
        ranked = fused(list(known), [each.key for each in near if each.key in index.by_digest])
        return [
            Hit(index.by_digest[key], known[key].coverage if key in known else 0.0, 1 / place, key in outstanding)
            for place, key in enumerate(ranked, 1)
        ]

    def _only(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> "asyncio.Task[None]":
        """The task of that name; begun where there is none."""
        task = self._tasks.get(name)
        if task is None:
            task = self._tasks[name] = asyncio.create_task(work(), name=f"knowledge {name}")
            task.add_done_callback(lambda done: self._ended(name, done))
        return task

    def _ended(self, name: str, task: "asyncio.Task[None]") -> None:
        del self._tasks[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the documents could not be read", step=name, exc_info=error)

    async def _look(self) -> None:
        """See what has changed; read little ones at once, and have the others read."""
        began = time.monotonic()
        seen = await asyncio.to_thread(files.look, self._roots)
        self._look_took = time.monotonic() - began
        self._looked_at = time.monotonic()
        for file, reason in seen.faults.items():
            self._warn(self._unseen, file, reason)
        self._unseen = seen.faults
        news = files.changed(seen.found, self._found)
        gone = self._documents.keys() - seen.found.keys()
        self._found = seen.found
        for file in gone:
            del self._documents[file]
        self._unread = {file: reason for file, reason in self._unread.items() if file in seen.found}
        here: list[Found] = []
        for found in sorted(news, key=lambda found: found.size):
            if found.file.suffix.lower() in (_SIMPLE | {""}) and sum(f.size for f in here) + found.size <= _HERE:
                here.append(found)
            else:
                self._waiting[found.file] = found
        results = await asyncio.to_thread(lambda: [(found, result_of(found.file, found.name)) for found in here])
        for found, result in results:
            self._take(found, result)
        if here or gone:
            await self._renew()
        if self._waiting and not self._is_stopped:
            self._only("read", self._read)

    async def _read(self) -> None:
        """Have the waiting files read in a process of their own."""
        shown_at = time.monotonic()
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            async for file, result in read_apart(
                [(found.file, found.name) for found in batch.values()], limit=self._paces.file
            ):
                self._take(batch[file], result)
                if time.monotonic() - shown_at > self._paces.show:
                    await self._renew()
                    shown_at = time.monotonic()
            await self._renew()

    def _take(self, found: Found, result: Result) -> None:
        if self._found.get(found.file) != found:
            return  # it has changed again or is gone: another look knows
        if result.fault:
            self._documents.pop(found.file, None)
            self._warn(self._unread, found.file, result.fault)
            self._unread[found.file] = result.fault
            return
        self._unread.pop(found.file, None)
        self._documents[found.file] = Document(found.name, found.place, result.passages)

    @staticmethod
    def _warn(told: Mapping[Path, str], file: Path, reason: str) -> None:
        if told.get(file) != reason:
            log.warning("document left out", file=str(file), reason=reason)

    async def _renew(self) -> None:
        """A new index of what is read by now, in the order of the files."""
        documents = [self._documents[file] for file in self._found if file in self._documents]
        self.index = await asyncio.to_thread(self._indexed, documents)
        if self._embedder is not None and not self._is_stopped:
            self._only("embed", self._embed)

    def _indexed(self, documents: Sequence[Document]) -> Index:
        index = Index(documents)
        if self._embedder is not None:
            _ = index.by_digest  # computed here, where nobody waits for it
        return index

    async def _embed(self) -> None:
        """Have all passages embedded; what fails is tried again, later and later, or when a question got through."""
        pause = self._paces.retry
        done = None
        while done is not self.index:
            index = self.index
            self._is_back.clear()
            try:
                await self._fetch(index)
                done, pause = index, self._paces.retry
            except ModelError as error:
                self._note(error)
                done = None
            self._nearness = await asyncio.to_thread(Nearness, dict(self._vectors))
            if done is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._is_back.wait(), pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _fetch(self, index: Index) -> None:
        if self._embedder is None:
            return
        self._vectors = {key: vector for key, vector in self._vectors.items() if key in index.by_digest}
        lacking = [key for key in index.by_digest if key not in self._vectors]
        for start in range(0, len(lacking), _EMBEDDED_AT_ONCE):
            some = lacking[start : start + _EMBEDDED_AT_ONCE]
            vectors = await self._embedder.documents([index.by_digest[key].text for key in some])
            self._vectors |= zip(some, vectors, strict=True)
            self._note(None)

    def _note(self, error: ModelError | None) -> None:
        """One warning for each time that embeddings go away, one line when they are back."""
        if error is not None and not self._is_away:
            log.warning("embeddings are away: documents are searched by their words alone", reason=str(error))
        if error is None and self._is_away:
            log.info("embeddings are back")
            self._is_back.set()
        self._is_away = error is not None
