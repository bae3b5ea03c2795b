"""A model's answer on its way over the running hub: shown growing, in one message, soon after the first word."""

import asyncio
import time

import pytest

from simulators.openai import Script

STORY = "Once upon a time there was a hub that answered everybody where they were."


@pytest.fixture(autouse=True)
def pace(model):
    model.manner.pace = 0.12


@pytest.mark.parametrize("platform", ["slack", "telegram", "discord"])
async def test_the_answer_grows_in_one_message_where_the_platform_can_edit(hub, stages, model, platform, capsys):
    stage = stages[platform]
    model.script.append(Script(STORY))
    said = await stage.say("tell me a story")
    exchange = await model.request(1)
    while not exchange.tokens:
        await asyncio.sleep(0.001)
    began = time.monotonic()
    shown = await stage.answer_to(said)
    waited = time.monotonic() - began
    assert shown.text != STORY
    assert STORY.startswith(shown.text.rstrip())
    await stage.wait_for(lambda m: m.is_bot and m.text == STORY)
    answers = [m for m in stage.messages if m.is_bot]
    assert [m.text for m in answers] == [STORY]
    assert answers[0].edited
    with capsys.disabled():
        print(f"\n{platform}: first words shown {waited * 1000:.0f} ms after the model's first token")


async def test_the_answer_comes_whole_where_nothing_can_be_edited(hub, stages, model):
    model.script.append(Script(STORY))
    said = await stages["whatsapp"].say("tell me a story")
    assert (await stages["whatsapp"].answer_to(said)).text == STORY


async def test_three_messages_at_once_are_answered_in_order_and_none_is_lost_from_the_history(hub, stages, model):
    model.manner.pace = 0.0
    for number in range(3):
        await stages["telegram"].say(f"question {number}")
    await stages["telegram"].wait_for(lambda m: m.is_bot and m.text == "question 2")
    assert [m.text for m in stages["telegram"].messages if m.is_bot] == [f"question {n}" for n in range(3)]
    told = [message["content"] for message in (await model.request(3)).body["messages"][1:]]
    assert told == ["question 0", "question 0", "question 1", "question 1", "question 2"]
