"""Embeddings: texts as vectors, by any server that speaks the OpenAI embeddings API. Nothing is paid for twice."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from core import metrics
from core.limits.purse import Purse, Usage
from core.model.errors import ModelError, ModelRefused, ModelThrottled, ModelUnavailable
from core.model.settings import ModelSettings
from core.model.vectors import Vector, Vectors

if TYPE_CHECKING:
    from core.model.embedding_client import EmbeddingClient

BATCH = 64
"""Texts of one request; servers take from 32 on."""
BATCH_CHARACTERS = 60_000
"""Characters of one request."""
_REMEMBERED = 256
"""Questions whose vectors are kept, in memory alone: what people ask is not written down."""
_SHORTEST = 200
"""Characters; a text that is too long for the server is halved down to this."""
_REST = 30.0
"""Seconds that a server which failed is left alone, where it names no time itself."""
_LONGEST_REST = 300.0
_AROUND = 16
"""Tokens that servers put around a text, on the safe side."""
_SLOW_REST = 10.0
"""Seconds without the vectors of questions after one took too long."""


class Embedder(Protocol):
    """Turns texts into vectors. Both raise ModelError. What documents took stands in the metrics alone."""

    async def documents(self, texts: Sequence[str]) -> list[Vector]:
        """In the order of the texts. What was asked before is not asked again, after a restart neither."""
        ...

    async def question(self, text: str, purse: Purse | None = None) -> Vector:
        """Of a question: not written down, and refused at once while the server rests after a failure.

        `purse`: of whoever asks. Raises OverBudget where it does not cover that, and StoreError."""
        ...


class OpenAIEmbedder:
    """Connects at the first use; `close` it. `vectors`: where those of documents are kept; left out: in memory."""

    def __init__(
        self,
        settings: ModelSettings,
        vectors: Vectors | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
        patience: float = 1.0,
    ) -> None:
        """`patience`: seconds that the vector of a question may take, for somebody waits for the answer."""
        self.settings = settings
        self._patience = patience
        self._vectors = vectors or Vectors()
        self._space = f"{settings.base_url} {settings.name}"
        self._questions: OrderedDict[str, Vector] = OrderedDict()
        self._client: EmbeddingClient | None = None
        self._one_at_a_time = asyncio.Lock()
        self._now = now
        self._rests_until = 0.0
        self._too_slow_until = 0.0
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        self._is_closed = True
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def documents(self, texts: Sequence[str]) -> list[Vector]:
        # One at a time: of two bots over the same documents, the second finds what the first has paid for.
        async with self._one_at_a_time:
            known = await asyncio.to_thread(self._vectors.read, self._space, texts)
            for batch in batches([text for text in dict.fromkeys(texts) if text not in known]):
                vectors, tokens = await self._asked(batch)
                self._count(tokens)
                found = dict(zip(batch, vectors, strict=True))
                await asyncio.to_thread(self._vectors.write, self._space, found)
                known |= found
        return [known[text] for text in texts]

    async def question(self, text: str, purse: Purse | None = None) -> Vector:
        if (known := self._questions.get(text)) is not None:
            self._questions.move_to_end(text)
            return known
        if self._now() < self._too_slow_until:
            raise ModelUnavailable("too slow for questions")
        size = len(text.encode())
        vector = await self._paid(text, size, purse) if purse and self._price(size) else await self._free(text)
        self._questions[text] = vector
        while len(self._questions) > _REMEMBERED:
            self._questions.popitem(last=False)
        return vector

    async def _free(self, text: str) -> Vector:
        vector, tokens = await self._in_time(text)
        self._count(tokens)
        return vector

    async def _paid(self, text: str, size: int, purse: Purse) -> Vector:
        """As a model is paid for, but that nobody is told where there is no money: words alone find something too."""
        covered = self._price(_AROUND + size)
        await purse.cover(covered, quietly=True)
        read = size // 4 + 1
        try:
            vector, read = await self._in_time(text)
        except ModelError as error:
            read *= error.charged
            raise
        finally:
            purse.book(Usage(self.settings.name, read, 0, self._price(read)), covered=covered)
        return vector

    async def _in_time(self, text: str) -> tuple[Vector, int]:
        try:
            async with asyncio.timeout(self._patience):
                [vector], tokens = await self._asked([text])
        except TimeoutError as error:
            self._too_slow_until = self._now() + _SLOW_REST
            raise ModelUnavailable(f"no embedding within {self._patience:g} s", charged=True) from error
        return vector, tokens

    def _price(self, tokens: int) -> float:
        return self.settings.price(tokens, 0)

    def _count(self, tokens: int) -> None:
        """What belongs to nobody."""
        metrics.count("model_tokens_total", tokens, model=self.settings.name, kind="prompt")
        metrics.count("model_cost_total", self._price(tokens), model=self.settings.name)

    async def _asked(self, texts: Sequence[str]) -> tuple[list[Vector], int]:
        """Ask the server, which tells how many tokens it read; texts that are too long for it are tried alone, and then
        by their first half."""
        rest = self._rests_until - self._now()
        if rest > 0:
            raise ModelUnavailable("left alone after a failure", rest)
        client = await self._connected()
        try:
            return await client.ask(texts)
        except ModelRefused as error:
            if error.code != "context_length_exceeded" or (len(texts) == 1 and len(texts[0]) <= _SHORTEST):
                raise
        except ModelError as error:
            asked = error.retry_after if isinstance(error, ModelThrottled | ModelUnavailable) else None
            self._rests_until = self._now() + min(_REST if asked is None else asked, _LONGEST_REST)
            raise
        if len(texts) == 1:
            return await self._asked([texts[0][: len(texts[0]) // 2]])
        half = len(texts) // 2
        (first, some), (second, more) = await self._asked(texts[:half]), await self._asked(texts[half:])
        return [*first, *second], some + more

    async def _connected(self) -> "EmbeddingClient":
        if self._client is not None:
            return self._client
        client_type = await asyncio.to_thread(_imported)
        if self._is_closed:
            raise ModelUnavailable("its settings changed")
        self._client = self._client or client_type(self.settings)
        return self._client


class Embedders:
    """Those of the configuration by name, each made when it is first asked for; closing closes all connections."""

    def __init__(self, settings: Mapping[str, ModelSettings], file: Path | None = None) -> None:
        """`file`: where the vectors of documents are kept, made at the first use; None: in memory."""
        self._vectors = Vectors(file)
        self._made = {name: OpenAIEmbedder(each, self._vectors) for name, each in settings.items() if each.is_usable}

    def by_name(self) -> dict[str, Embedder]:
        """Each model that can be asked; which of them makes embeddings only its server knows."""
        return dict(self._made)

    async def close(self) -> None:
        for embedder in self._made.values():
            await embedder.close()
        self._vectors.close()


def batches(texts: Sequence[str]) -> list[list[str]]:
    """Cut into what one request may hold; each batch has at least one text."""
    cut: list[list[str]] = []
    size = 0
    for text in texts:
        if not cut or len(cut[-1]) >= BATCH or size + len(text) > BATCH_CHARACTERS:
            cut.append([])
            size = 0
        cut[-1].append(text)
        size += len(text)
    return cut


def _imported() -> "type[EmbeddingClient]":
    """Called in a thread: the SDK takes half a second to import, which no message shall wait for."""
    from core.model.embedding_client import EmbeddingClient

    return EmbeddingClient
