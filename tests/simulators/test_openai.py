import asyncio
from collections.abc import AsyncIterator

import openai
import pytest

from simulators.openai import Call, OpenAISimulator, Script


@pytest.fixture
async def server() -> AsyncIterator[OpenAISimulator]:
    async with OpenAISimulator() as server:
        yield server


@pytest.fixture
async def sdk(server: OpenAISimulator) -> AsyncIterator[openai.AsyncOpenAI]:
    """The SDK as its guide says, knowing nothing of us."""
    async with openai.AsyncOpenAI(base_url=server.url, api_key=server.api_key, max_retries=0) as client:
        yield client


async def ask(sdk: openai.AsyncOpenAI, text: str = "one two three", **more):
    return await sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], **more)


async def read(sdk: openai.AsyncOpenAI, **more) -> str:
    async with await ask(sdk, stream=True, **more) as stream:
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


async def test_it_repeats_what_was_said_with_its_figures(sdk):
    completion = await ask(sdk)
    assert completion.choices[0].message.content == "one two three"
    assert completion.usage.total_tokens == 6


async def test_it_streams(sdk):
    assert await read(sdk) == "one two three"


async def test_figures_follow_only_where_they_are_asked_for(sdk):
    async with await ask(sdk, stream=True) as stream:
        assert [chunk.usage async for chunk in stream if chunk.usage] == []
    async with await ask(sdk, stream=True, stream_options={"include_usage": True}) as stream:
        *_, last = [chunk async for chunk in stream]
    assert (last.choices, last.usage.prompt_tokens) == ([], 3)


async def test_it_says_what_it_was_told_to_say(server, sdk):
    server.script.append(Script("hello"))
    server.answer = lambda exchange: Script("by rule") if exchange.said == "rule" else None
    assert [await read(sdk), (await ask(sdk, "rule")).choices[0].message.content] == ["hello", "by rule"]


async def test_tool_calls_come_in_fragments(server, sdk):
    server.script.append(Script(calls=(Call("weather", '{"city":"Ulm"}'),)))
    async with await ask(sdk, stream=True) as stream:
        deltas = [chunk.choices[0].delta async for chunk in stream if chunk.choices]
    fragments = [delta.tool_calls[0].function.arguments for delta in deltas if delta.tool_calls]
    assert len(fragments) > 2
    assert "".join(fragments) == '{"city":"Ulm"}'


async def test_a_wrong_key_is_refused(server):
    async with openai.AsyncOpenAI(base_url=server.url, api_key="sk-wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError):
            await ask(stranger)
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.list()


async def test_it_lists_its_models(sdk):
    assert [model.id async for model in sdk.models.list()] == ["simulated"]


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("throttle", openai.RateLimitError, "rate_limit_exceeded"),
        ("quota", openai.RateLimitError, "insufficient_quota"),
        ("error", openai.InternalServerError, "server_error"),
        ("away", openai.InternalServerError, "overloaded"),
        ("bad key", openai.AuthenticationError, "invalid_api_key"),
        ("too long", openai.BadRequestError, "context_length_exceeded"),
    ],
)
async def test_refusals_are_what_the_sdk_knows(server, sdk, fault, error, code):
    server.misbehave(fault)
    with pytest.raises(error) as refused:
        await ask(sdk)
    assert refused.value.code == code
    assert (await ask(sdk)).choices[0].message.content == "one two three"


async def test_the_sdk_honours_the_wait_it_names(server):
    server.misbehave("throttle", retry_after="10ms")
    async with openai.AsyncOpenAI(base_url=server.url, api_key=server.api_key, max_retries=1) as patient:
        assert (await ask(patient)).choices[0].message.content == "one two three"


async def test_a_reset_is_a_connection_error(server, sdk):
    server.misbehave("reset")
    with pytest.raises(openai.APIConnectionError):
        await read(sdk)


async def test_an_error_event_is_an_error(server, sdk):
    server.misbehave("error event")
    with pytest.raises(openai.APIError, match="fell over"):
        await read(sdk)


async def test_a_cut_stream_looks_finished_to_the_sdk(server, sdk):
    server.misbehave("cut", after=2)
    assert await read(sdk) == "one two"


async def test_it_notices_when_the_client_leaves(server, sdk):
    server.misbehave("stall")
    turn = asyncio.create_task(read(sdk))
    exchange = await server.request(1)
    turn.cancel()
    async with asyncio.timeout(5):
        await exchange.ended.wait()
    assert exchange.left


async def test_an_answer_read_to_its_end_is_not_left(server, sdk):
    await read(sdk)
    assert (server.exchanges[0].left, server.exchanges[0].tokens, server.exchanges[0].status) == (False, 3, 200)


async def test_it_embeds_texts_by_their_words(sdk):
    answer = await sdk.embeddings.create(model="m", input=["red apples", "red apple", "stormy weather"])
    one, like, other = [each.embedding for each in sorted(answer.data, key=lambda each: each.index)]
    assert len(one) == 256
    assert sum(map(float.__mul__, one, like)) > 0.5 > 0.3 > sum(map(float.__mul__, one, other))
    assert answer.usage.prompt_tokens == 6
    again = await sdk.embeddings.create(model="m", input="red apples", encoding_format="float")
    assert again.data[0].embedding == pytest.approx(one, abs=1e-6)


async def test_embeddings_are_refused_as_the_provider_does(server, sdk):
    for wrong in ("", [], ["a", ""], ["x"] * 2049):
        with pytest.raises(openai.BadRequestError):
            await sdk.embeddings.create(model="m", input=wrong)
    server.longest_text = 5
    with pytest.raises(openai.BadRequestError, match="context length"):
        await sdk.embeddings.create(model="m", input="longer")
    server.misbehave("throttle")
    with pytest.raises(openai.RateLimitError):
        await sdk.embeddings.create(model="m", input="a")
