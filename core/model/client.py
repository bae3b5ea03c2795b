"""One model on one server, by the openai SDK's connection and auth and by our own reading of the stream."""

from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Self, cast

import aiohttp
import httpx2
import openai
from msgspec import structs

from core.model.answer import Answer
from core.model.errors import ModelError, ModelUnavailable
from core.model.patience import Patience
from core.model.port import ChatMessage, End, Piece, ToolSpec
from core.model.settings import ModelSettings
from core.model.translate import translate, unknown_parameter
from core.model.wire import Optional, body, longest

_BROKEN = (httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError, OSError)
"""What the transport raises while an answer is read: the SDK speaks for the request alone."""

MAX_BODY = 2 << 20
"""Bytes of an answer that comes as one piece."""


class OpenAIModel:
    """Any server that speaks the OpenAI chat completions API. Made inside the running loop; `close` it.

    The SDK's typed `create()` walks over the whole context and its stream objects cost three times what the tokens
    do, so the request goes through the SDK's generic `post` with a body of ours, and the raw response comes back."""

    def __init__(self, name: str, settings: ModelSettings) -> None:
        """`name` is what the configuration calls the model."""
        self.name = name
        self.settings = settings
        self._without: frozenset[Optional] = frozenset()
        timeout = openai.Timeout(None, connect=settings.limits.connect)  # the other phases are ours
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=settings.api_key.get_secret_value() or "none",
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultAioHttpClient(
                timeout=timeout,
                limits=httpx2.Limits(max_connections=settings.concurrency, keepalive_expiry=60),
                follow_redirects=False,  # a key goes to the server it is meant for, and nowhere else
            ),
        )

    @property
    def served_as(self) -> str:
        return self.settings.name

    @property
    def context_tokens(self) -> int:
        return self.settings.context_tokens

    def most(self, prompt_tokens: int, max_tokens: int | None = None) -> float:
        """The most that an answer to so many tokens can cost."""
        return self.settings.price(prompt_tokens, longest(self.settings, max_tokens))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def stream(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), max_tokens: int | None = None
    ) -> AsyncGenerator[Piece, None]:
        """As the port promises. Nothing is asked twice, except once without a parameter that the server refused."""
        if self._client.is_closed():
            raise ModelUnavailable("its settings changed while the turn was under way")
        patience = Patience(self.settings.limits)
        response, size = await self._ask(messages, tools, max_tokens, patience)
        answer = Answer(self.settings.name, size // 4)
        try:
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind == "text/html":
                raise ModelUnavailable("the server answered with a web page: check base_url")
            pieces = _whole if kind == "application/json" else _streamed
            async with aclosing(pieces(response, answer, patience)) as arriving:
                async for piece in arriving:
                    yield self._priced(piece) if isinstance(piece, End) else piece
        finally:
            await response.aclose()

    def _priced(self, end: End) -> End:
        return structs.replace(end, cost=self.settings.price(end.prompt_tokens, end.completion_tokens))

    async def _ask(
        self,
        messages: Sequence[ChatMessage],
        tools: Sequence[ToolSpec],
        max_tokens: int | None,
        patience: Patience,
    ) -> tuple[httpx2.Response, int]:
        while True:
            question = body(self.settings, messages, tools, max_tokens, self._without)
            try:
                return await patience.wait(self._post(question)), len(question)
            except TimeoutError as error:
                raise ModelUnavailable(patience.complaint, charged=True) from error
            except openai.APIStatusError as error:
                refused = unknown_parameter(error, question)
                if refused is None:
                    raise translate(error) from error
                self._without |= {refused}
            except openai.APIError as error:
                raise translate(error) from error
            except _BROKEN as error:  # while the SDK read the text of an error
                raise ModelUnavailable(f"not reached: {type(error).__name__}") from error

    def _post(self, question: bytes) -> Awaitable[httpx2.Response]:
        sent = self._client.post(
            "/chat/completions",
            content=question,
            cast_to=httpx2.Response,
            stream=True,
            stream_cls=openai.AsyncStream[object],
            options={"headers": {"Accept-Encoding": "identity"}},
        )
        return cast(Awaitable[httpx2.Response], sent)  # what `cast_to` asks for comes back, and no stream object


async def _streamed(response: httpx2.Response, answer: Answer, patience: Patience) -> AsyncGenerator[Piece, None]:
    chunks = aiter(response.aiter_raw())
    try:
        while received := await patience.wait(anext(chunks, b"")):
            for piece in answer.feed(received):
                yield piece
            if answer.finished or answer.done:
                patience.finished(done=answer.done)
            else:
                patience.heard(answer.signs_of_life)
    except (TimeoutError, *_BROKEN) as error:
        if not (answer.finished or answer.done):
            raise _broken_off(error, answer, patience) from error
    for piece in answer.end():
        yield piece


def _broken_off(error: Exception, answer: Answer, patience: Patience) -> ModelError:
    if not isinstance(error, TimeoutError):
        return answer.broken(f"the connection broke: {type(error).__name__}")
    if answer.signs_of_life:
        return answer.broken(patience.complaint)
    return ModelUnavailable(patience.complaint, charged=True)


async def _whole(response: httpx2.Response, answer: Answer, patience: Patience) -> AsyncGenerator[Piece, None]:
    """The answer of a server that does not stream."""
    body = bytearray()
    chunks = aiter(response.aiter_raw())
    try:
        while received := await patience.wait(anext(chunks, b"")):
            body += received
            if len(body) > MAX_BODY:
                raise answer.broken(f"an answer of more than {MAX_BODY} bytes")
    except (TimeoutError, *_BROKEN) as error:
        raise _broken_off(error, answer, patience) from error
    for piece in answer.whole(bytes(body)):
        yield piece
