"""What became of a message, by the reference that an apology names."""

import asyncio
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from core.archive.opening import open_archive
from core.archive.record import TakenBack
from core.cli import dead, trace
from core.engine.engine import Engine
from core.errors import HubError, Undeliverable
from core.pseudonym import Pseudonyms, key
from tests.core.archive.turns import entry, turn
from tests.core.chat import chatting
from tests.fakes import said


@pytest.fixture
async def chat(engine):
    async with chatting(engine) as chat:
        yield chat


async def found(chat, reference):
    return [each async for each in trace._found(chat.engine, reference)]


async def test_an_apology_is_found_by_its_reference_with_its_reason(chat):
    chat.bot.errors = [ValueError("bug")] * 50
    (apology,) = await chat.say(said("hello"))
    reference = apology.rsplit("`", 2)[1]
    ((channel, record),) = await found(chat, reference)
    assert (channel, record.outcome, record.tries) == ("fake", "dead", 2)
    assert "ValueError: bug" in record.reason


async def test_nothing_that_a_user_wrote_steers_the_admins_terminal(redis, store, tmp_path, capsys):
    hub = SimpleNamespace(redis_url=SecretStr(f"unix://{store.socket}"), var=tmp_path, pseudonym_key=SecretStr(""))
    engine = Engine(redis)
    async with chatting(engine) as chat:
        chat.bot.errors = [ValueError("no such city: \x1b]0;mine\x07\x9b2J\u202e\nnothing is dead")] * 50
        reference = (await chat.say(said("hello", room="steering")))[-1].rsplit("`", 2)[1]
    capsys.readouterr()
    await dead._list(SimpleNamespace(hub=hub))
    await trace._trace(SimpleNamespace(hub=hub), reference)
    shown = capsys.readouterr().out
    assert "no such city:  ]0;mine  2J  nothing is dead" in shown
    assert not set("\x1b\x07\x9b\u202e") & set(shown)
    await engine.close()


async def test_an_answer_that_was_not_the_models_says_why(chat, monkeypatch):
    async def respond(turn):
        turn.problem = "no model answered: 503"
        yield "sorry"

    monkeypatch.setattr(chat.bot, "respond", respond)
    await chat.say(said("hello"))
    ((_, record),) = await found(chat, said("").uid)
    assert (record.outcome, record.reason) == ("answered", "no model answered: 503")


async def test_what_waits_what_was_passed_over_and_what_is_undeliverable(chat):
    hold = chat.bot.holds["slow"] = asyncio.Event()
    await chat.hub.accept(said("slow", 1))
    assert await found(chat, "r1-1") == [("fake", None)]
    hold.set()
    await chat.settled()
    await chat.say(said("chatter", 2, direct=False))
    assert (await found(chat, "r1-2"))[0][1].reason == "not addressed"
    chat.adapter.trouble = [Undeliverable("blocked")]
    await chat.say(said("hello", 3))
    assert (await found(chat, "r1-3"))[0][1].reason == "undeliverable: blocked"


async def test_signs_of_a_pattern_find_nothing_else(chat):
    await chat.say(said("hello"))
    assert await found(chat, "*") == []


async def test_an_unknown_reference_is_an_error_that_says_how_long_they_are_kept(tmp_path, store, monkeypatch):
    from tests.core.applications import configuration

    with pytest.raises(HubError, match="a day"):
        await trace._trace(configuration(store, tmp_path, desk="a"), "nothing")


async def test_after_a_day_it_is_looked_for_among_the_dead_and_in_the_archive(store, redis, tmp_path, capsys):
    secrets = {"redis_url": f"unix://{store.socket}", "database_url": "", "pseudonym_key": ""}
    hub = SimpleNamespace(var=tmp_path, **{name: SecretStr(value) for name, value in secrets.items()})
    config, names = SimpleNamespace(hub=hub), Pseudonyms(key(tmp_path, SecretStr("")))
    engine = Engine(redis)
    async with chatting(engine) as chat:
        chat.bot.errors = [ValueError("bug")] * 50
        dead = said("canary", room="late")
        await chat.say(dead)
    for mark in await redis.keys("*:dd:*"):
        await redis.delete(mark)
    async with open_archive("", tmp_path, names.of) as archive:
        await archive.add([entry(turn("canary", event="Ev7")), entry(turn("canary", event="Ev8"), 1)])
        await archive.take_back([TakenBack("desk", "room", "q-canary", 1.0)])
        await archive.add([entry(turn("more", event="Ev7", cost=0.25), 2)])
    capsys.readouterr()
    await trace._trace(config, dead.uid)
    assert "fake: dead " in (shown := capsys.readouterr().out)
    assert "ValueError: bug" in shown
    assert names.conversation("fake/late") in shown
    await trace._trace(config, "Ev7")
    assert capsys.readouterr().out.splitlines() == [
        "desk: answered 2024-10-04 00:00:00 UTC by echo m (3 + 2 tokens, cost 0.5), since then deleted in the chat",
        f"in the log: {names.conversation('desk/room')}",
        "desk: answered 2024-10-04 00:00:00 UTC by echo m (3 + 2 tokens, cost 0.25)",
        f"in the log: {names.conversation('desk/room')}",
    ]
    with pytest.raises(HubError, match="nothing is known of Ev9"):
        await trace._trace(config, "Ev9")
    await engine.close()
