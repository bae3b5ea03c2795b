"""One person on two platforms: joined, they go on where they were; groups hear nothing of it; parted, it is over."""

import json
import re

import pytest

from simulators.openai import Script

ADA, ANN = "+15551230001", "42"


@pytest.fixture(autouse=True)
def replies(model):
    model.answer = lambda exchange: Script(f"re: {exchange.said}")


async def ask(stage, text, **where):
    """Say something to the model and wait for its whole answer."""
    said = await stage.say(text, **where)
    return await stage.wait_for(lambda m: m.is_bot and m.room == said.room and m.text == f"re: {text}")


async def command(stage, text, **where):
    """The first answer to one of the hub's own commands."""
    return (await stage.answer_to(await stage.say(text, **where))).text


async def code(stage, **where):
    return re.search(r"/link (\w{8})", await command(stage, "/link", **where))[1]


async def join(asked_on, entered_on):
    """Ask for a code on one platform, enter it on the other, agree there."""
    question = await command(entered_on, f"/link {await code(asked_on)}")
    assert "one person" in question
    assert "now one person" in await command(entered_on, "yes")


def told(exchange):
    """What the model was told of the conversation."""
    return [message["content"] for message in exchange.body["messages"][1:]]


def answered(stage):
    return [m.text for m in stage.messages if m.is_bot and m.text.startswith("re: ")]


async def test_joined_by_a_code_whatsapp_goes_on_where_telegram_was_and_a_group_never_hears_of_it(
    open_hub, stages, model
):
    await open_hub("telegram", "whatsapp")
    telegram, whatsapp = stages["telegram"], stages["whatsapp"]
    await ask(telegram, "my secret is canary-t1")
    await ask(whatsapp, "and here it is canary-w1")
    await ask(telegram, "canary-t2 as well")
    await join(telegram, whatsapp)

    await ask(whatsapp, "what did I say?")
    assert told(model.exchanges[-1]) == [
        "my secret is canary-t1",
        "re: my secret is canary-t1",
        "and here it is canary-w1",
        "re: and here it is canary-w1",
        "canary-t2 as well",
        "re: canary-t2 as well",
        "what did I say?",
    ]
    await ask(telegram, "and now?")
    assert told(model.exchanges[-1])[-3:] == ["what did I say?", "re: what did I say?", "and now?"]
    assert answered(whatsapp) == ["re: and here it is canary-w1", "re: what did I say?"]
    assert answered(telegram) == ["re: my secret is canary-t1", "re: canary-t2 as well", "re: and now?"]

    await telegram.say("@hub what do you know of me?", user=ANN, room=telegram.group)
    await telegram.wait_for(lambda m: m.is_bot and m.room == telegram.group)
    assert model.exchanges[-1].said.endswith("what do you know of me?")
    assert "canary" not in json.dumps(model.exchanges[-1].body)

    assert "stands on its own" in await command(whatsapp, "/unlink")
    await ask(whatsapp, "who am I?")
    assert told(model.exchanges[-1]) == ["who am I?"]
    await ask(telegram, "still there?")
    assert told(model.exchanges[-1])[0] == "my secret is canary-t1"
    assert "who am I?" not in told(model.exchanges[-1])


async def test_joined_while_an_answer_is_under_way_and_questions_wait_nothing_is_lost_or_out_of_order(
    open_hub, stages, model
):
    await open_hub("telegram", "whatsapp")
    telegram, whatsapp = stages["telegram"], stages["whatsapp"]
    await ask(whatsapp, "said before on the other phone")
    entered = await code(telegram)
    model.manner.pace = 0.05
    slow = "slow " * 300 + "0"
    for text in (slow, "slow 1", "slow 2"):
        await telegram.say(text)
    await model.request(2)
    await command(whatsapp, f"/link {entered}")
    await whatsapp.say("yes")
    for text in ("quick 0", "quick 1"):
        await whatsapp.say(text)
    await telegram.say("slow 3")
    assert f"re: {slow}" not in answered(telegram), "the answer was not under way any more"
    model.manner.pace = 0.0

    await whatsapp.wait_for(lambda m: m.is_bot and m.text == "re: quick 1")
    await telegram.wait_for(lambda m: m.is_bot and m.text == "re: slow 3")
    assert answered(telegram) == [f"re: {text}" for text in (slow, "slow 1", "slow 2", "slow 3")]
    assert answered(whatsapp) == ["re: said before on the other phone", "re: quick 0", "re: quick 1"]

    await ask(whatsapp, "what was said?")
    questions = told(model.exchanges[-1])[::2]
    assert questions[0] == "said before on the other phone"
    assert [text for text in questions if text.startswith("slow")] == [slow, "slow 1", "slow 2", "slow 3"]
    assert [text for text in questions if text.startswith("quick")] == ["quick 0", "quick 1"]
    assert told(model.exchanges[-1])[1::2] == [f"re: {text}" for text in questions[:-1]]
