import asyncio
import json
import threading
from typing import Annotated

import pytest
from pydantic import Field

from core.errors import ConfigError
from core.model.port import ToolCall
from core.model.tools import Keys, RunContext, ToolError, Tools


@pytest.fixture
def tools() -> Tools:
    return Tools(limit=0.05, max_result=100)


async def run(tools: Tools, name: str, agreed: bool = False, **arguments: object) -> str:
    return (await tools.run(ToolCall("c1", name, json.dumps(arguments)), agreed=agreed)).text


def test_a_tool_is_described_by_its_signature(tools):
    @tools.add
    def weather(city: Annotated[str, Field(description="Which city")], days: int = 1) -> str:
        """The weather of the next days."""
        return ""

    (spec,) = tools.specs
    assert (spec.name, spec.description) == ("weather", "The weather of the next days.")
    assert spec.parameters["required"] == ["city"]
    assert spec.parameters["properties"]["city"]["description"] == "Which city"


async def test_plain_and_async_functions_run_alike(tools):
    @tools.add
    def add(a: int, b: int) -> int:
        return a + b

    @tools.add(name="times")
    async def multiply(a: int, b: int) -> dict[str, int]:
        return {"product": a * b}

    assert await run(tools, "add", a="1", b=2) == "3"
    assert await run(tools, "times", a=3, b=4) == '{"product":12}'


async def test_a_result_knows_its_call(tools):
    result = await tools.run(ToolCall("c7", "nothing", "{}"))
    assert (result.role, result.call_id) == ("tool", "c7")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("{}", "city: Missing required"),
        ('{"city": "Ulm", "zip": 1}', "zip: Unexpected keyword argument"),
        ('{"city": ["Ulm"]}', "city: Input should be a valid string"),
        ("{", "no JSON"),
        ("[]", "JSON object"),
        ("", "city: Missing"),
    ],
)
async def test_wrong_arguments_are_told_to_the_model(tools, arguments, told):
    @tools.add
    def weather(city: str) -> str:
        return city

    assert told in (await tools.run(ToolCall("c1", "weather", arguments))).text


async def test_a_tool_that_is_not_there_is_told_to_the_model(tools):
    assert await run(tools, "nowhere") == "error: there is no tool called nowhere; there are: none"


async def test_a_tool_that_takes_too_long_is_given_up(tools):
    cancelled = asyncio.Event()

    @tools.add
    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    assert await run(tools, "wait") == "error: no result within 0.05 s"
    assert cancelled.is_set()


async def test_a_thread_that_takes_too_long_does_not_hold_up_the_answer(tools):
    done = threading.Event()

    @tools.add
    def wait() -> None:
        done.wait(5)

    assert await run(tools, "wait") == "error: no result within 0.05 s"
    done.set()


async def test_a_failure_tells_the_model_nothing_that_it_should_not_know(tools):
    @tools.add
    def fails() -> None:
        raise RuntimeError("password is hunter2")

    @tools.add
    def explains() -> None:
        raise ToolError("no such customer")

    assert await run(tools, "fails") == "error: the tool failed"
    assert await run(tools, "explains") == "error: no such customer"


async def test_a_long_result_is_cut_and_says_so(tools):
    @tools.add
    def report() -> str:
        return "x" * 1000

    assert await run(tools, "report") == "x" * 100 + "\n… (cut; the whole has 1000 characters)"


async def test_nothing_with_side_effects_runs_without_consent(tools):
    done = []

    @tools.add(confirm=True)
    def order(pizza: str) -> str:
        done.append(pizza)
        return "ordered"

    assert await run(tools, "order", pizza="Funghi") == "error: this needs the user's consent"
    assert done == []
    assert await run(tools, "order", agreed=True, pizza="Funghi") == "ordered"


def test_a_function_that_cannot_be_described_is_refused_at_once(tools):
    with pytest.raises(TypeError, match="needs a type"):
        tools.add(lambda city: city)
    with pytest.raises(TypeError, match="names"):

        @tools.add
        def many(*cities: str) -> None: ...


def test_two_tools_of_one_name_are_refused(tools):
    tools.add(name="now")(lambda: 1)
    with pytest.raises(ValueError, match="now already"):
        tools.add(name="now")(lambda: 2)


async def test_a_tool_that_wants_to_know_for_whom_it_runs_is_told_and_the_model_is_not(tools):
    @tools.add
    def order(context: RunContext, pizza: str, size: int = 2) -> str:
        return f"{size} {pizza} for {context.account} {context.key}"

    assert list(tools.specs[0].parameters["properties"]) == ["pizza", "size"]
    call = ToolCall("c1", "order", '{"pizza": "Funghi"}')
    assert (await tools.run(call, context=RunContext("k1", "p:ann"))).text == "2 Funghi for p:ann k1"
    forged = ToolCall("c1", "order", '{"pizza": "Funghi", "context": {"account": "p:ben"}}')
    assert "context: Unexpected" in (await tools.run(forged, context=RunContext("k1", "p:ann"))).text


def test_a_call_that_is_made_twice_has_two_keys_and_another_turn_has_others():
    call = ToolCall("c1", "order", "{}")
    keys, same, other = Keys("turn 1"), Keys("turn 1"), Keys("turn 2")
    assert [keys.of(call), keys.of(call)] == [same.of(call), same.of(ToolCall("c9", "order", "{}"))]
    assert len({keys.of(call), same.of(call), other.of(call)}) == 2


def test_tools_of_several_places_are_one_set_unless_two_go_by_one_name():
    def of(*names):
        made = Tools()
        for name in names:
            made.add(name=name)(lambda: "")
        return made

    assert Tools.merged({"a.py": of("now"), "b.py": of("then")}).names == ("now", "then")
    with pytest.raises(ConfigError) as error:
        Tools.merged({"a.py": of("now", "x"), "b.py": of("now"), "c.py": of("x")})
    assert error.value.faults == [
        "two tools are called 'now': one of a.py, one of b.py",
        "two tools are called 'x': one of a.py, one of c.py",
    ]


async def test_a_set_of_sets_keeps_each_tools_own_limits():
    small = Tools(limit=0.05, max_result=10)

    @small.add
    def report() -> str:
        return "x" * 100

    assert (await run(Tools.merged({"a.py": small}), "report")).startswith("x" * 10 + "\n")
