"""All models of the configuration: one client each, and the chains over them."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from core.model.chain import Chain, Retries
from core.model.embeddings import Embedder, Embedders
from core.model.link import Link
from core.model.settings import ModelSettings


class Models:
    """`async with Models(settings) as models`, inside the running loop; closing it closes all connections.

    A model without its key is as good as none."""

    def __init__(
        self,
        settings: Mapping[str, ModelSettings],
        *,
        retries: Retries = Retries(),  # noqa: B008
        vectors: Path | None = None,
    ) -> None:
        """`vectors`: the file that keeps what documents were embedded as; None: kept in memory."""
        self._settings = {name: each for name, each in settings.items() if each.is_usable}
        self._retries = retries
        self._links: dict[str, Link] = {}
        self._open = AsyncExitStack()
        self._embedders = Embedders(self._settings, vectors)

    async def open(self) -> None:
        """Make the clients; nothing is asked of the servers yet."""
        if self._settings:
            from core.model.client import OpenAIModel  # half a second and 40 MB: only where a model is configured

            for name, settings in self._settings.items():
                model = await self._open.enter_async_context(OpenAIModel(name, settings))
                self._links[name] = Link(model, concurrency=settings.concurrency)

    async def close(self) -> None:
        """Close all connections; what is still asked then ends as unavailable."""
        await self._open.aclose()
        await self._embedders.close()

    def embedders(self) -> dict[str, Embedder]:
        """By name, those that can be asked; which of them makes embeddings only its server knows."""
        return self._embedders.by_name()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def chains(self) -> dict[str, Chain]:
        """Each model that can be asked, with those of its fallbacks that can."""
        return {name: self.chain(name) for name in self._links}

    def chain(self, name: str) -> Chain:
        """The model of that name and its fallbacks. Raises KeyError where there is none, or it has no key."""
        names = dict.fromkeys((name, *self._settings[name].fallback))
        return Chain([self._links[each] for each in names if each in self._links], retries=self._retries)

    def health(self) -> dict[str, dict[str, str | int]]:
        """Each model's counters and breaker."""
        return {name: link.health() for name, link in self._links.items()}
