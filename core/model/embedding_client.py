"""One server's embeddings, by the openai SDK's connection and auth and by our own reading of the answer."""

import asyncio
import base64
import binascii
import math
import sys
from array import array
from collections.abc import Awaitable, Sequence
from typing import cast

import httpx2
import msgspec
import openai

from core.model.errors import ModelUnavailable
from core.model.settings import ModelSettings
from core.model.translate import translate
from core.model.vectors import Vector

MAX_ANSWER = 32 << 20
"""Bytes of one answer."""


class EmbeddingClient:
    """Asks by the SDK's generic `post`: its typed answer turns each number into an object. `close` it."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        timeout = openai.Timeout(settings.limits.total, connect=settings.limits.connect)
        self._sdk = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=settings.api_key.get_secret_value() or "none",
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultAioHttpClient(
                timeout=timeout,
                limits=httpx2.Limits(max_connections=8, keepalive_expiry=60),
                follow_redirects=False,  # a key goes to the server it is meant for, and nowhere else
            ),
        )

    async def close(self) -> None:
        await self._sdk.close()

    async def ask(self, texts: Sequence[str]) -> tuple[list[Vector], int]:
        """In the order of the texts, each of length 1; and the tokens that were read. Raises ModelError."""
        limit = self._settings.limits.total
        question = msgspec.json.encode(_Request(self._settings.name, texts))
        try:
            async with asyncio.timeout(limit):
                body = await self._answer(question)
                return read(body, len(texts)), tokens(body) or len(question) // 4
        except TimeoutError as error:
            raise ModelUnavailable(f"no embeddings within {limit:g} s") from error
        except openai.APIError as error:
            raise translate(error) from error
        except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
            raise ModelUnavailable(f"not reached: {type(error).__name__}") from error

    async def _answer(self, question: bytes) -> bytes:
        posted = self._sdk.post(
            "/embeddings",
            content=question,
            cast_to=httpx2.Response,
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
        response = await cast(Awaitable[httpx2.Response], posted)  # what `cast_to` asks for comes back
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise ModelUnavailable(f"an answer of more than {MAX_ANSWER} bytes")
            return bytes(body)
        finally:
            await response.aclose()


class _Request(msgspec.Struct):
    model: str
    input: Sequence[str]
    encoding_format: str = "base64"


class _Entry(msgspec.Struct):
    index: int
    embedding: str | list[float]
    """Base64 of little-endian single precision, as it is asked for; some servers send numbers whatever is asked."""


class _Answer(msgspec.Struct):
    data: list[_Entry]


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0


class _Billed(msgspec.Struct):
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Answer).decode
_billed = msgspec.json.Decoder(_Billed).decode


def tokens(body: bytes) -> int:
    """How many the server says it has read; 0 where it does not say."""
    try:
        usage = _billed(body).usage
    except msgspec.DecodeError:
        return 0
    return usage.prompt_tokens if usage else 0


def read(body: bytes, count: int) -> list[Vector]:
    """The vectors in an answer, in the order that was asked. Raises ModelUnavailable where they are not whole."""
    try:
        entries = sorted(_decode(body).data, key=lambda entry: entry.index)
        vectors = [unit(_numbers(entry.embedding)) for entry in entries]
    except (msgspec.DecodeError, binascii.Error, ValueError, UnicodeDecodeError) as error:
        raise ModelUnavailable(f"the answer holds no embeddings: {type(error).__name__}") from error
    if [entry.index for entry in entries] != list(range(count)) or len({len(vector) for vector in vectors}) > 1:
        raise ModelUnavailable(f"{len(entries)} embeddings for {count} texts, or of different lengths")
    return vectors


def unit(numbers: Vector) -> Vector:
    """Scaled to length 1, so that the product of two is their likeness. Raises ValueError where that cannot be."""
    length = math.sqrt(sum(number * number for number in numbers))
    if not length or not math.isfinite(length):
        raise ValueError("no direction")
    return array("f", [number / length for number in numbers])


def _numbers(embedding: str | list[float]) -> Vector:
    if isinstance(embedding, list):
        return array("f", embedding)
    numbers = array("f")
    numbers.frombytes(base64.b64decode(embedding, validate=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
