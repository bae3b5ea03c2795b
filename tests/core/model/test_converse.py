import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress

import pytest

from core.model.client import OpenAIModel
from core.model.converse import MAX_CALLS, Confirm, Round, converse, settle
from core.model.errors import BrokenStream
from core.model.port import CallPiece, ChatMessage, End, TextPiece, ToolCall
from core.model.tools import RunContext, Tools
from simulators.openai import Call, OpenAISimulator, Script
from tests.core.model.asking import FakeModel, end, question


@pytest.fixture
def orders() -> list[str]:
    return []


@pytest.fixture
def tools(orders: list[str]) -> Tools:
    tools = Tools()

    @tools.add
    def price(pizza: str) -> str:
        return f"{pizza}: 9.50"

    @tools.add(confirm=True)
    def order(pizza: str) -> str:
        orders.append(pizza)
        return "ordered"

    return tools


@pytest.fixture
def model() -> FakeModel:
    return FakeModel("done")


def calls(*names: str, text: str = "") -> list:
    made = tuple(ToolCall(f"c{n}", name, '{"pizza":"Funghi"}') for n, name in enumerate(names))
    return [*([TextPiece(text)] if text else []), CallPiece(made), end("tool_calls", 10, 5)]


def told(since: Sequence[ChatMessage]) -> list[ChatMessage]:
    return [*question("a pizza"), *since]


async def steps(model: FakeModel, tools: Tools, **more: object) -> list:
    return [step async for step in converse(model, told, tools, **more)]


async def test_without_calls_it_is_just_an_answer(model, tools):
    assert await steps(model, tools) == [TextPiece("done"), end()]


async def test_the_model_reads_the_results_and_answers(model, tools):
    model.script = [calls("price", "price", text="Let me see. ")]
    said, first, unit, answer, last = await steps(model, tools)
    assert (said.text, answer.text) == ("Let me see. ", "done")
    assert [message.text for message in unit.messages] == ["Let me see. ", "Funghi: 9.50", "Funghi: 9.50"]
    assert model.asked[1] == [*question("a pizza"), *unit.messages]
    assert (first.prompt_tokens, last.prompt_tokens) == (10, 1)


async def test_every_call_has_its_result_and_no_result_is_without_its_call(model, tools):
    model.script = [calls(*["price"] * 20)]
    unit = (await steps(model, tools))[1]
    assert isinstance(unit, Round)
    head, *results = unit.messages
    assert [call.id for call in head.calls] == [result.call_id for result in results]
    assert len(results) == MAX_CALLS


async def test_a_model_that_calls_for_ever_must_answer_in_the_end(model, tools):
    model.script = [calls("price")] * 3
    made = await steps(model, tools, rounds=3)
    assert [type(step) for step in made] == [End, Round] * 3 + [TextPiece, End]
    assert [bool(offered) for offered in model.offered] == [True, True, True, False]


async def test_side_effects_wait_for_a_human(model, tools, orders):
    model.script = [calls("price", "order")]
    last, asked = await steps(model, tools)
    assert isinstance(last, End)
    assert isinstance(asked, Confirm)
    assert [call.name for call in asked.calls] == ["order"]
    assert [message.text for message in asked.messages] == ["", "Funghi: 9.50"]
    assert orders == []


@pytest.mark.parametrize(
    ("agreed", "result"), [(True, "ordered"), (False, "declined: the user does not want this done")]
)
async def test_the_humans_decision_completes_the_round(model, tools, orders, agreed, result):
    model.script = [calls("price", "order")]
    *_, asked = await steps(model, tools)
    unit = await settle(tools, asked, agreed=agreed)
    assert [message.text for message in unit.messages] == ["", "Funghi: 9.50", result]
    assert orders == (["Funghi"] if agreed else [])


async def test_a_break_in_a_later_round_tells_all_that_was_said(model, tools):
    model.script = [calls("price", text="First. "), [TextPiece("Sec"), BrokenStream("cut", "Sec")]]
    with pytest.raises(BrokenStream) as broken:
        await steps(model, tools)
    assert broken.value.said == "First. Sec"


async def test_cancelling_the_turn_cancels_the_tool(model, tools):
    begun, ended = asyncio.Event(), asyncio.Event()

    @tools.add
    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    model.script = [[CallPiece((ToolCall("c1", "wait", "{}"),)), end("tool_calls")]]
    turn = asyncio.create_task(steps(model, tools))
    await begun.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert ended.is_set()


async def test_a_whole_turn_with_a_tool_on_the_wire(server: OpenAISimulator, settings, tools):
    server.script.append(Script(calls=(Call("price", json.dumps({"pizza": "Margherita"})),)))
    async with OpenAIModel("default", settings) as model:
        made = [step async for step in converse(model, told, tools)]
    assert "".join(step.text for step in made if isinstance(step, TextPiece)) == "Margherita: 9.50"
    assert [message["role"] for message in server.exchanges[1].body["messages"]] == ["user", "assistant", "tool"]


async def test_the_prompt_is_made_anew_for_each_round_so_that_it_can_be_made_to_fit(model, tools):
    model.script = [calls("price"), calls("price")]
    _ = [step async for step in converse(model, lambda since: question(f"{len(since)} since"), tools)]
    assert [asked[0].text for asked in model.asked] == ["0 since", "2 since", "4 since"]


async def test_a_broken_turn_goes_on_behind_the_rounds_that_were_done(model, tools):
    model.script = [calls("price")]
    behind = next(step for step in await steps(model, tools) if isinstance(step, Round)).messages
    model.asked.clear()
    await steps(model, tools, since=behind)
    assert model.asked == [told(behind)]


async def test_a_call_that_cannot_be_run_is_told_to_the_model_and_asked_of_nobody(model, tools, orders):
    wrong = ToolCall("c1", "order", '{"pizza": 7}')
    model.script = [[CallPiece((wrong,)), end("tool_calls")]]
    made = await steps(model, tools)
    assert not any(isinstance(step, Confirm) for step in made)
    assert "valid string" in model.asked[1][-1].text


async def test_each_call_has_a_key_that_a_second_try_of_the_turn_finds_again(model):
    keys: list[str] = []
    tools = Tools()

    @tools.add
    def price(pizza: str, context: RunContext) -> str:
        keys.append(context.key)
        return "9.50"

    for turn in ("turn 1", "turn 1", "turn 2"):
        model.script = [calls("price", "price"), calls("price")]
        await steps(model, tools, context=RunContext(turn))
    first, again, other = keys[:3], keys[3:6], keys[6:]
    assert first == again
    assert len({*first, *other}) == 6


async def test_a_turn_that_was_begun_anew_behind_a_round_goes_on_counting_its_keys(model):
    keys: list[str] = []
    tools = Tools()

    @tools.add
    def price(pizza: str, context: RunContext) -> str:
        keys.append(context.key)
        return "9.50"

    model.script = [calls("price"), [BrokenStream("cut")]]
    behind: list[ChatMessage] = []
    with suppress(BrokenStream):
        async for step in converse(model, told, tools, context=RunContext("turn")):
            behind += step.messages if isinstance(step, Round) else ()
    model.script = [calls("price")]
    await steps(model, tools, since=behind, context=RunContext("turn"))
    assert len(set(keys)) == 2
