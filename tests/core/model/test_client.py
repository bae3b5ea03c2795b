import asyncio
from contextlib import aclosing

import pytest
from aiohttp import web

from core.model.client import OpenAIModel
from core.model.errors import (
    BadModelKey,
    BrokenStream,
    ModelRefused,
    ModelThrottled,
    ModelUnavailable,
)
from core.model.patience import Patience
from core.model.port import CallPiece, ChatMessage, End, TextPiece, ToolCall, ToolSpec
from core.model.settings import ModelLimits, ModelSettings
from core.site import Site
from simulators.openai import Call, OpenAISimulator, Script
from tests.core.model.asking import WORDS, answer, pieces, question


async def test_an_answer_comes_word_by_word_and_ends_with_its_figures(model: OpenAIModel):
    *words, last = await pieces(model)
    assert words == [TextPiece("one"), TextPiece(" two"), TextPiece(" three"), TextPiece(" four"), TextPiece(" five")]
    assert last == End("stop", "simulated", 5, 5, estimated=False)


async def test_the_first_word_is_there_while_the_server_still_writes(server: OpenAISimulator, model: OpenAIModel):
    server.misbehave("stall", after=1)
    async with aclosing(model.stream(question())) as stream:
        assert await anext(stream) == TextPiece("one")
        assert not server.exchanges[0].ended.is_set()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("throttle", ModelThrottled),
        ("quota", BadModelKey),
        ("error", ModelUnavailable),
        ("away", ModelUnavailable),
        ("bad key", BadModelKey),
        ("too long", ModelRefused),
        ("web page", ModelUnavailable),
    ],
)
async def test_a_fault_before_the_first_word_says_what_to_do(server: OpenAISimulator, model: OpenAIModel, fault, error):
    server.misbehave(fault)
    with pytest.raises(error):
        await pieces(model)


@pytest.mark.parametrize("fault", ["reset", "cut", "garbage", "bad json", "error event", "huge"])
async def test_a_fault_amid_the_answer_is_never_a_finished_answer(server: OpenAISimulator, model: OpenAIModel, fault):
    server.misbehave(fault, after=2)
    with pytest.raises(BrokenStream) as broken:
        await pieces(model)
    assert broken.value.said == "one two"


@pytest.mark.parametrize("fault", ["hang", "hang before token"])
async def test_a_model_that_does_not_begin_is_given_up(server: OpenAISimulator, settings: ModelSettings, fault):
    server.misbehave(fault)
    with pytest.raises(ModelUnavailable, match=r"no token within 0\.1 s"):
        await hasty(settings, first_token=0.1)


async def test_a_model_that_falls_silent_is_given_up(server: OpenAISimulator, settings: ModelSettings):
    server.misbehave("stall")
    with pytest.raises(BrokenStream, match=r"stalled for 0\.1 s") as broken:
        await hasty(settings, gap=0.1)
    assert broken.value.said == "one two"


async def test_an_answer_without_an_end_is_broken_off(server: OpenAISimulator, settings: ModelSettings):
    server.misbehave("drip")
    with pytest.raises(BrokenStream, match=r"not finished within 0\.5 s") as broken:
        await hasty(settings, total=0.5)
    assert broken.value.said.startswith("one two..")


async def test_an_answer_that_makes_no_sense_is_closed_at_the_server(server: OpenAISimulator, model: OpenAIModel):
    server.misbehave("garbage", after=1)
    server.manner.pace = 0.1
    with pytest.raises(BrokenStream) as broken:
        await pieces(model)
    async with asyncio.timeout(5):
        await server.exchanges[0].ended.wait()
    assert server.exchanges[0].left
    assert broken.value.__traceback__  # still held: it is not the garbage collector that closed the stream


@pytest.mark.parametrize("fault", ["hang", "hang before token", "stall", "drip"])
async def test_cancelling_the_turn_closes_the_stream_at_the_server(server: OpenAISimulator, settings, fault):
    server.misbehave(fault)
    async with OpenAIModel("default", settings) as model:
        turn = asyncio.create_task(pieces(model))
        exchange = await server.request(1)
        turn.cancel()
        async with asyncio.timeout(2):
            await exchange.ended.wait()
    assert exchange.left


async def test_whoever_stops_reading_closes_the_stream_at_the_server(server: OpenAISimulator, model: OpenAIModel):
    server.misbehave("drip")
    async with aclosing(model.stream(question())) as stream:
        await anext(stream)
    async with asyncio.timeout(2):
        await server.exchanges[0].ended.wait()
    assert server.exchanges[0].left


async def test_a_finished_answer_leaves_its_connection_for_the_next(server: OpenAISimulator, model: OpenAIModel):
    for _ in range(3):
        await answer(model)
    assert len({exchange.connection for exchange in server.exchanges}) == 1


async def test_a_missing_last_line_takes_nothing_from_a_finished_answer(server: OpenAISimulator, model: OpenAIModel):
    server.misbehave("no done")
    assert await answer(model) == WORDS


async def test_missing_figures_are_guessed_and_marked_as_a_guess(server: OpenAISimulator, model: OpenAIModel):
    server.misbehave("no usage")
    *_, last = await pieces(model)
    assert last.estimated
    assert last.prompt_tokens > 5
    assert last.completion_tokens == (len(WORDS) + 3) // 4


async def test_an_answer_that_a_filter_withheld_is_a_refusal(server: OpenAISimulator, model: OpenAIModel):
    server.misbehave("filtered")
    server.script.append(Script(""))
    with pytest.raises(ModelRefused) as refused:
        await pieces(model)
    assert refused.value.code == "content_filter"


@pytest.mark.parametrize("parameter", ["stream_options", "max_tokens", "temperature"])
async def test_a_parameter_that_the_server_does_not_know_is_left_out_from_then_on(
    server: OpenAISimulator, settings: ModelSettings, parameter
):
    server.unknown = {parameter}
    async with OpenAIModel("default", settings.model_copy(update={"temperature": 0.5})) as model:
        assert await answer(model) == WORDS
        assert await answer(model) == WORDS
    assert [parameter in exchange.body for exchange in server.exchanges] == [True, False, False]


async def test_the_longest_answer_is_told_by_its_new_name_where_the_old_one_is_refused(
    server: OpenAISimulator, model: OpenAIModel
):
    server.unknown = {"max_tokens"}
    await answer(model, max_tokens=7)
    assert server.exchanges[-1].body["max_completion_tokens"] == 7


async def test_a_request_that_is_too_long_is_not_sent_again(server: OpenAISimulator, model: OpenAIModel):
    server.misbehave("too long")
    with pytest.raises(ModelRefused) as refused:
        await pieces(model)
    assert refused.value.code == "context_length_exceeded"
    assert len(server.exchanges) == 1


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_server_that_cannot_stream_answers_as_one_piece(server, settings, streaming):
    server.manner.streams = False
    async with OpenAIModel("default", settings.model_copy(update={"streaming": streaming})) as model:
        assert await pieces(model) == [TextPiece(WORDS), End("stop", "simulated", 5, 5, estimated=False)]


@pytest.mark.parametrize(("fragment", "anonymous"), [(4, False), (1, True), (0, False), (0, True)])
async def test_tool_calls_come_whole_however_the_server_sends_them(server, model, fragment, anonymous):
    server.manner.fragment, server.manner.anonymous_calls = fragment, anonymous
    server.script.append(
        Script("Let me look. ", calls=(Call("weather", '{"city":"Ulm"}', "a"), Call("time", "{}", "b")))
    )
    *_, called, last = await pieces(model, tools=[ToolSpec("weather", "The weather.", {"type": "object"})])
    assert isinstance(called, CallPiece)
    assert [(call.name, call.arguments) for call in called.calls] == [("weather", '{"city":"Ulm"}'), ("time", "{}")]
    assert last.reason == "tool_calls"
    assert server.exchanges[0].body["tools"][0]["function"]["name"] == "weather"


async def test_calls_and_results_reach_the_server_as_it_wants_them(server: OpenAISimulator, model: OpenAIModel):
    call = ToolCall("c1", "time", "{}")
    told = [
        ChatMessage("user", "what time is it?", name="Ann Lee"),
        ChatMessage("assistant", "", calls=(call,)),
        ChatMessage("tool", "noon", name="time", call_id="c1"),
    ]
    async with aclosing(model.stream(told)) as stream:
        assert (await anext(stream)) == TextPiece("noon")
    assert server.exchanges[0].body["messages"] == [
        {"role": "user", "content": "what time is it?", "name": "Ann_Lee"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "time", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "noon", "tool_call_id": "c1"},
    ]


async def test_a_server_that_is_not_there_is_unavailable(server: OpenAISimulator, model: OpenAIModel):
    await server.stop()
    with pytest.raises(ModelUnavailable):
        await pieces(model)


async def test_no_error_holds_the_key(server: OpenAISimulator, settings: ModelSettings):
    async with OpenAIModel("default", settings.model_copy(update={"base_url": server.url + "/nowhere"})) as model:
        with pytest.raises(BadModelKey) as refused:
            await pieces(model)
    assert (
        server.api_key not in f"{refused.value} {refused.value.__cause__!r} {settings!r} {model.__dict__['settings']}"
    )


async def test_the_key_does_not_follow_a_redirect(server: OpenAISimulator, settings: ModelSettings):
    async def elsewhere(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(server.url + "/chat/completions")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", elsewhere)
    runner = web.AppRunner(app)
    await runner.setup()
    await Site(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    async with OpenAIModel("default", settings.model_copy(update={"base_url": url})) as model:
        with pytest.raises(BadModelKey, match="base_url"):
            await pieces(model)
    await runner.cleanup()
    assert not server.exchanges


async def test_a_reader_who_takes_his_time_is_not_held_against_the_model():
    patience = Patience(ModelLimits(first_token=0.05, gap=0.05, total=0.05))
    await asyncio.sleep(0.1)
    assert await patience.wait(asyncio.sleep(0, "in time")) == "in time"


async def test_keep_alives_and_thoughts_are_told_apart():
    patience = Patience(ModelLimits(first_token=0.01, gap=60, total=60))
    patience.heard(0)
    with pytest.raises(TimeoutError):
        await patience.wait(asyncio.Event().wait())
    patience = Patience(ModelLimits(first_token=0.01, gap=60, total=60))
    patience.heard(1)
    await patience.wait(asyncio.sleep(0.02))


async def test_a_hundred_answers_at_once_stay_apart(model: OpenAIModel):
    answers = await asyncio.gather(*(answer(model, f"number {n}") for n in range(100)))
    assert answers == [f"number {n}" for n in range(100)]


async def test_a_client_that_was_closed_is_unavailable(model: OpenAIModel):
    await model.close()
    with pytest.raises(ModelUnavailable):
        await pieces(model)


async def hasty(settings: ModelSettings, **limits: float) -> None:
    """Ask with little patience."""
    async with OpenAIModel("default", settings.model_copy(update={"limits": ModelLimits(**limits)})) as model:
        await pieces(model)
