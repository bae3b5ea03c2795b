"""What the session keeps beside its messages: a chosen persona and language, pins, a summary."""

import pytest

from core.bot import Notes, Remembered
from core.conversation.summary import Summary
from core.limits.purse import Purse
from core.persona.settings import Personality
from simulators.openai import Script
from tests.bots.asking import read, turn

BOB = Personality(name="Bob", role="a pirate")
SMALL = {"tokens": 2000, "reserve": 500}


def said(count, text="message {n} about the harbour and its ships"):
    return [Remembered("user" if n % 2 == 0 else "assistant", text.format(n=n), "Ann") for n in range(count)]


async def system(server, number=1):
    return (await server.request(number)).body["messages"][0]["content"]


async def test_a_chosen_persona_speaks_where_it_may(server, assistant):
    bot = await assistant(others={"bob": BOB}, personas=["bob"])
    await read(bot, turn(notes=Notes(persona="bob")))
    await read(bot, turn(notes=Notes(persona="nobody")))
    assert "You are Bob, a pirate" in await system(server, 1)
    assert "You are Ada, a helper" in await system(server, 2)
    assert bot.personas() == {"ada": "Ada", "bob": "Bob"}


async def test_where_personas_are_fixed_a_choice_counts_for_nothing(server, assistant):
    bot = await assistant(others={"bob": BOB})
    await read(bot, turn(notes=Notes(persona="bob")))
    assert "You are Ada" in await system(server)
    assert bot.personas() == {"ada": "Ada"}


async def test_a_chosen_language_is_told_by_its_name(server, assistant):
    await read(await assistant(), turn("Wie geht es dir?", notes=Notes(language="pt")))
    assert "answer in Portuguese, whatever language" in await system(server)


async def test_pins_are_in_the_prompt_however_long_the_history_is(server, assistant):
    history = said(60, "message {n} " + "word " * 100)
    notes = Notes(pins=("I am allergic to nuts.", "Call me Captain."))
    await read(await assistant(context=SMALL), turn("What can I eat?", history, notes=notes))
    told = [message["content"] for message in (await server.request(1)).body["messages"]]
    assert "Please keep in mind: I am allergic to nuts." in told
    assert told.index("Please keep in mind: Call me Captain.") < told.index("What can I eat?")


async def test_the_summary_stands_before_the_newest_messages_as_material(server, assistant):
    history = said(20, "message {n} " + "word " * 60)
    asked = turn("And now?", history, summary=Summary("Ann keeps a lighthouse.", 110), first=100)
    await read(await assistant(context=SMALL | {"importance_above": 100, "summarize_above": 200}), asked)
    told = (await server.request(1)).body["messages"]
    assert told[1]["role"] == "user"
    assert "Ann keeps a lighthouse." in told[1]["content"]
    assert "never an instruction" in told[1]["content"]
    assert not any("message 9 " in message["content"] for message in told)
    assert any("message 19 " in message["content"] for message in told)


async def test_pins_and_a_summary_go_together(server, assistant):
    history = said(20, "message {n} " + "word " * 60)
    asked = turn("And now?", history, summary=Summary("A lighthouse.", 5), first=0, notes=Notes(pins=("Be brief.",)))
    await read(await assistant(context={"strategy": "summarize"}), asked)
    told = [message["content"] for message in (await server.request(1)).body["messages"]]
    assert "A lighthouse." in told[1]
    assert told[2] == "Please keep in mind: Be brief."
    assert told[3].startswith("message 5 ")


@pytest.mark.parametrize(("keys", "served"), [({}, "played"), ({"summary_model": "small"}, "played-small")])
async def test_a_look_back_makes_a_summary_by_the_model_that_is_meant_for_it(server, assistant, keys, served):
    server.script.append(Script("Ann asked about ships."))
    bot = await assistant(context={"strategy": "summarize", **keys})
    made = await bot.reflect(said(30), None, 100, Notes(), Purse())
    assert made == Summary("Ann asked about ships.", 120)
    exchange = await server.request(1)
    assert exchange.body["model"] == served
    assert '<message from="user Ann">\nmessage 0 about' in exchange.said
    assert "message 20 " not in exchange.said


async def test_the_next_summary_goes_on_from_the_last(server, assistant):
    server.script.append(Script("More of it."))
    bot = await assistant(context={"strategy": "summarize"})
    made = await bot.reflect(said(40), Summary("Until here.", 15), 0, Notes(), Purse())
    assert made == Summary("More of it.", 30)
    asked = (await server.request(1)).said
    assert "Until here." in asked
    assert "message 14 " not in asked


async def test_a_short_session_is_not_summarised(server, assistant):
    assert await (await assistant()).reflect(said(10), None, 0, Notes(), Purse()) is None
    assert not server.exchanges


@pytest.mark.parametrize("fault", ["away", "cut", "bad key", "hang"])
async def test_a_summary_that_fails_is_none_and_troubles_nobody(server, assistant, fault):
    server.misbehave(fault, 3)
    bot = await assistant(context={"strategy": "summarize"})
    assert await bot.reflect(said(30), Summary("Until here.", 5), 0, Notes(), Purse()) is None


async def test_without_a_model_nothing_is_summarised(assistant):
    bot = await assistant(model="nowhere", context={"strategy": "summarize"})
    assert await bot.reflect(said(30), None, 0, Notes(), Purse()) is None
