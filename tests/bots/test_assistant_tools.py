"""Tools over a real HTTP client and a played provider."""

import json

import pytest

from bots.assistant import AssistantSettings, Bot
from core.bot import Remembered, Resources
from core.errors import ConfigError
from simulators.openai import Call, Fault, Script
from tests.bots.asking import ADA, read, turn

SHOP = '''
"""The shop's tools."""

from __future__ import annotations

from dataclasses import dataclass
from core.model.tools import RunContext, Tools

tools = Tools()


@dataclass
class Price:
    pizza: str
    euros: float


@tools.add
def price(pizza: str) -> Price:
    """What a pizza costs."""
    return Price(pizza, 9.5)


@tools.add
def long(words: int) -> str:
    return "word " * words


@tools.add
def who(context: RunContext) -> str:
    return f"{context.account} {context.name} {context.language} {bool(context.key)}"
'''
HISTORY = [Remembered("user", "hi"), Remembered("assistant", "Hello, I am Ada.")]


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "shop.py").write_text(SHOP)
    return str(tmp_path / "shop.py")


def calling(name, text="", **arguments):
    return Script(text, calls=(Call(name, json.dumps(arguments)),))


async def test_the_model_calls_a_tool_and_answers_with_its_result(server, assistant, shop):
    server.script.extend([calling("price", "Let me see.", pizza="Funghi"), Script("It is 9.50.")])
    asked = turn("What is a Funghi?", HISTORY)
    assert await read(await assistant(tools_from=[shop]), asked) == "Let me see.\n\nIt is 9.50."
    told = server.exchanges[1].body["messages"]
    assert [message["role"] for message in told] == ["system", "user", "assistant", "user", "assistant", "tool"]
    assert told[-1]["content"] == '{"pizza":"Funghi","euros":9.5}'
    assert told[-1]["tool_call_id"] == told[-2]["tool_calls"][0]["id"]
    assert len(asked.usage) == 2


async def test_only_the_tools_that_the_yaml_names_are_offered(server, assistant):
    await read(await assistant(tools=["now"]), turn())
    await read(await assistant(), turn())
    assert [tool["function"]["name"] for tool in server.exchanges[0].body["tools"]] == ["now"]
    assert "tools" not in server.exchanges[1].body


async def test_a_tool_is_told_for_whom_it_runs(server, assistant, shop):
    server.script.extend([calling("who"), Script("ok")])
    await read(await assistant(tools_from=[shop]), turn("wer bin ich?", HISTORY, locale="de-AT"))
    assert server.exchanges[1].said == "p:Ann Ann de True"


async def test_long_results_keep_within_the_budget_in_each_round(server, assistant, shop):
    server.script.extend([calling("long", words=1500)] * 4 + [Script("done")])
    history = [Remembered("user" if n % 2 == 0 else "assistant", "word " * 100) for n in range(20)]
    bot = await assistant(tools_from=[shop], context={"tokens": 2000, "reserve": 500})
    assert await read(bot, turn("The newest question", history)) == "done"
    assert "\n[…]\n" in server.exchanges[-1].said
    for exchange in server.exchanges:
        told = exchange.body["messages"]
        assert sum(len(str(message.get("content"))) for message in told) / 5 < 2000
        assert any(message["content"] == "The newest question" for message in told)
        calls = [call["id"] for message in told for call in message.get("tool_calls", ())]
        assert calls == [message["tool_call_id"] for message in told if message["role"] == "tool"]


async def test_an_answer_that_breaks_off_behind_a_tool_does_not_run_it_again(server, assistant, shop):
    server.script.extend(
        [calling("price", "Let me see.", pizza="Funghi"), Script("It is broken."), Script("It is 9.50.")]
    )
    server.faults.extend([Fault("no done"), Fault("cut")])
    bot = await assistant(tools_from=[shop])
    assert await read(bot, turn("What is a Funghi?", HISTORY)) == "Let me see.\n\nIt is 9.50."
    assert [len(exchange.body["messages"]) for exchange in server.exchanges] == [4, 6, 6]


async def test_the_documents_can_be_searched_by_the_model(server, assistant, tmp_path):
    (tmp_path / "guide.md").write_text("# Opening hours\n\nWe are open from nine to five.\n")
    server.script.extend([calling("search_documents", question="opening hours"), Script("From nine to five.")])
    bot = await assistant(knowledge=[str(tmp_path / "guide.md")], tools=["search_documents"])
    assert await read(bot, turn("When do you open?", HISTORY)) == "From nine to five."
    assert "[document Opening hours from guide.md]\n| ## Opening hours" in server.exchanges[1].said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tools = 7", "expected `tools = Tools()`"),
        ("import nowhere_at_all", "ModuleNotFoundError"),
        ("def now(", "SyntaxError"),
        ("from core.model.tools import Tools\ntools = Tools()\n@tools.add\ndef price(pizza): ...", "needs a type"),
    ],
)
async def test_a_file_that_is_no_set_of_tools_is_told_in_one_line(assistant, tmp_path, text, told):
    (tmp_path / "broken.py").write_text(text)
    with pytest.raises(ConfigError) as error:
        await assistant(tools_from=[str(tmp_path / "broken.py"), str(tmp_path / "away.py")])
    first, second = error.value.faults
    assert "broken.py" in first
    assert told in first
    assert "away.py': there is no such file" in second


async def test_two_tools_of_one_name_are_told_with_both_places(assistant, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from core.model.tools import Tools\ntools = Tools()\n@tools.add\ndef now() -> str:\n    return ''\n"
    )
    with pytest.raises(ConfigError, match=r"two tools are called 'now': one of the hub's own, one of .*mine\.py"):
        await assistant(tools=["now"], tools_from=[str(tmp_path / "mine.py")])


async def test_a_search_without_documents_is_told_at_the_start(assistant):
    with pytest.raises(ConfigError, match="needs documents"):
        await assistant(tools=["search_documents"])


def test_a_tool_that_does_not_ship_is_refused_by_the_schema():
    with pytest.raises(ValueError, match="'now', 'calculate' or 'search_documents'"):
        AssistantSettings(use="assistant", tools=["calculator"])


def test_a_persona_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match="no personality 'bob'"):
        Bot(AssistantSettings(use="assistant", personality="ada", personas=["bob"]), Resources({}, {"ada": ADA}))
