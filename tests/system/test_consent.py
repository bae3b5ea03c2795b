"""Nothing with side effects without a yes, through the running hub: by a button where there are any, else in words."""

import pytest

from simulators.openai import Call, Script

TOOLS = """
from pathlib import Path

from core.model.tools import Tools

tools = Tools()


@tools.add(confirm=True)
def book(table: str) -> str:
    \"\"\"Book a table.\"\"\"
    with Path({file!r}).open("a") as file:
        file.write(table + "\\\\n")
    return "booked " + table
"""


@pytest.fixture
def booked(tmp_path):
    """The tables that were booked, one for each time that the tool has run."""
    file = tmp_path / "booked"
    file.touch()
    (tmp_path / "tools.py").write_text(TOOLS.format(file=str(file)).replace("\\\\n", "\\n"))
    return lambda: file.read_text().split("\n")[:-1]


@pytest.fixture
def waiter(model):
    """Books what it is asked to, and says what came of it."""

    def answer(exchange):
        last = exchange.body["messages"][-1]
        if last["role"] == "tool":
            return Script(f"Result: {last['content']}")
        table = exchange.said.partition("book ")[2]
        return Script(calls=(Call("book", f'{{"table": "{table}"}}'),)) if table else Script(f"re: {exchange.said}")

    model.answer = answer


@pytest.fixture
async def open_bar(open_hub, booked, waiter, tmp_path):
    return lambda platform: open_hub(platform, bot={"tools_from": [str(tmp_path / "tools.py")]})


def texts(stage):
    return [m.text for m in stage.messages if m.is_bot]


async def told(stage, text):
    return await stage.wait_for(lambda m: m.is_bot and text in m.text)


async def test_in_a_shared_thread_only_who_asked_can_agree_by_a_button_and_it_is_done_once(open_bar, stages, booked):
    await open_bar("slack")
    slack = stages["slack"]
    asked = await slack.say("@hub please book window", user="U1", room="C1")
    question = await slack.wait_for(lambda m: m.is_bot and m.choices)
    yes, no = (value for _, value in question.choices)
    assert question.thread == asked.id
    assert booked() == []

    await slack.press(question, yes, user="U2")
    await slack.press(question, no, user="U2")
    await slack.say("@hub are you still there?", user="U2", room="C1", thread=asked.id)
    await told(slack, "are you still there?")
    assert booked() == []

    await slack.press(question, yes, user="U1")
    await told(slack, "Result: booked window")
    await slack.press(question, yes, user="U1")
    await told(slack, "no longer open")
    assert booked() == ["window"]
    assert sum("Result" in text for text in texts(slack)) == 1


async def test_after_a_no_by_button_nothing_is_done(open_bar, stages, booked):
    await open_bar("slack")
    slack = stages["slack"]
    await slack.say("please book window")
    question = await slack.wait_for(lambda m: m.is_bot and m.choices)
    yes, no = (value for _, value in question.choices)
    await slack.press(question, no)
    await told(slack, "left everything as it is")
    await slack.press(question, yes)
    await told(slack, "no longer open")
    assert booked() == []


async def test_where_there_are_no_buttons_a_typed_yes_does_it_once_and_a_no_does_not(open_bar, stages, booked):
    await open_bar("whatsapp")
    whatsapp = stages["whatsapp"]
    await whatsapp.say("please book window")
    question = await told(whatsapp, "window")
    assert "1. Yes" in question.text
    assert booked() == []
    await whatsapp.say("yes")
    await told(whatsapp, "Result: booked window")
    await whatsapp.say("yes")
    await told(whatsapp, "re: yes")
    assert booked() == ["window"]

    await whatsapp.say("please book garden")
    await told(whatsapp, "garden")
    await whatsapp.say("no")
    await told(whatsapp, "left everything as it is")
    await whatsapp.say("yes")
    assert booked() == ["window"]

    await whatsapp.say("please book cellar")
    await told(whatsapp, "cellar")
    await whatsapp.say("1")
    await told(whatsapp, "Result: booked cellar")
    assert booked() == ["window", "cellar"]
