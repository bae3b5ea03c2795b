"""An independent server breaks what real providers break, and judges how the client took it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from llmock.pytest_plugin import LLMock

from core.model.chain import Chain, Retries
from core.model.client import OpenAIModel
from core.model.errors import BrokenStream, ModelError, ModelRefused, ModelUnavailable
from core.model.link import Link
from core.model.settings import ModelLimits, ModelSettings
from tests.core.model.asking import answer

TEXT = " ".join(f"word {number}" for number in range(30))


@pytest.fixture
async def chain(llmock: LLMock) -> AsyncIterator[Chain]:
    limits = ModelLimits(first_token=1.0, gap=0.2)
    settings = ModelSettings(base_url=llmock.base_url(), api_key="sk-obviously-fake", name="m", limits=limits)
    llmock.reply(TEXT, times=None).pace(10)  # at full speed all is sent before the client can hang up
    async with OpenAIModel("default", settings) as model:
        yield Chain([Link(model)], retries=Retries(first=0.1))


async def test_waits_are_kept(llmock: LLMock, chain: Chain):
    llmock.rate_limit(times=2, retry_after=0.3)
    assert await answer(chain) == TEXT
    llmock.assert_resilient(strict=True)


async def test_hiccups_are_retried_with_growing_pauses(llmock: LLMock, chain: Chain):
    llmock.fail(500, times=2)
    assert await answer(chain) == TEXT
    assert len(llmock.requests) == 3
    llmock.assert_resilient(strict=True)


async def test_an_outage_ends_in_an_error_and_no_storm(llmock: LLMock, chain: Chain):
    llmock.outage(status=500)
    with pytest.raises(ModelUnavailable):
        await answer(chain)
    llmock.assert_resilient(strict=True)


@pytest.mark.parametrize(("status", "error"), [(400, ModelRefused), (401, ModelUnavailable), (404, ModelUnavailable)])
async def test_what_no_retry_mends_is_not_retried(llmock: LLMock, chain: Chain, status: int, error: type[ModelError]):
    llmock.fail(status)
    with pytest.raises(error):
        await answer(chain)
    llmock.assert_resilient(strict=True)


@pytest.mark.parametrize("fault", ["disconnect", "truncate", "corrupt", "stall"])
async def test_a_stream_that_breaks_before_any_text_is_asked_for_again(llmock: LLMock, chain: Chain, fault: str):
    getattr(llmock, fault)(after_chunks=1)
    assert await answer(chain) == TEXT
    llmock.assert_resilient(strict=True)


@pytest.mark.parametrize("fault", ["disconnect", "truncate", "corrupt", "stall"])
async def test_a_stream_that_breaks_amid_the_text_is_the_callers_to_ask_again(llmock: LLMock, chain: Chain, fault: str):
    getattr(llmock, fault)(after_chunks=4)
    with pytest.raises(BrokenStream) as broken:
        await answer(chain)
    assert TEXT.startswith(broken.value.said)
    assert broken.value.said
    await asyncio.to_thread(lambda: llmock.requests)  # waits until the server noticed that nobody reads on
    assert await answer(chain) == TEXT
    llmock.assert_resilient(strict=True)
