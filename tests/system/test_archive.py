"""What is kept of people, through the running hub: handed out whole, erased without a trace, never lost or doubled."""

import asyncio
import json
import signal

import pytest

from core.engine.server import Server
from core.engine.store import connect
from simulators.openai import Script

ANN, BEN = "42", "43"


@pytest.fixture(autouse=True)
def replies(model):
    model.answer = lambda exchange: Script(f"re: {exchange.said}")


async def ask(stage, text, **where):
    said = await stage.say(text, **where)
    return await stage.wait_for(lambda m: m.is_bot and m.room == said.room and m.text == f"re: {text}")


async def command(stage, text, **where):
    return (await stage.answer_to(await stage.say(text, **where))).text


async def archived(hub, turns):
    """Wait until so many turns have come into the archive since the hub was started."""
    async with asyncio.timeout(10):
        while (await hub.health())["archive"].get("kept", 0) < turns:
            await asyncio.sleep(0.02)


async def committed(hub):
    async with asyncio.timeout(10):
        while (await hub.health())["events"]["in_flight"]:
            await asyncio.sleep(0.005)


async def export(hub, account):
    return json.loads("\n".join(await hub.command("export", account)))


def texts(turns):
    return [message["text"] for turn in turns for message in turn["messages"]]


async def in_store(hub, canary):
    """Keys of the store in whose name or value it stands."""
    found = []
    async with connect(f"unix://{Server(hub.home / 'var' / 'store').socket}") as store:
        async for key in store.scan_iter(count=1000):
            if canary.encode() in key + (await everything(store, key)):
                found.append(key)
    return found


async def everything(store, key):
    match await store.type(key):
        case b"list":
            return b"".join(await store.lrange(key, 0, -1))
        case b"hash":
            return b"".join(part for pair in (await store.hgetall(key)).items() for part in pair)
        case b"stream":
            return repr(await store.xrange(key)).encode()
        case b"zset":
            return b"".join(await store.zrange(key, 0, -1))
        case b"set":
            return b"".join(await store.smembers(key))
        case b"string":
            return await store.get(key)
        case kind:
            raise AssertionError(f"{key} is a {kind}")


def on_disk(hub, canary):
    """Files of the hub in which it stands."""
    files = [path for path in (hub.home / "var").rglob("*") if path.is_file()]
    return [path.name for path in files if canary.encode() in path.read_bytes()]


async def test_what_was_said_is_in_the_export_beside_the_running_hub_and_in_nobody_elses(open_hub, stages):
    hub = await open_hub("telegram", "slack")
    await ask(stages["telegram"], "canary-ann one", user=ANN)
    await ask(stages["telegram"], "canary-ann two", user=ANN)
    await ask(stages["telegram"], "canary-ben", user=BEN)
    await archived(hub, 3)
    await ask(stages["telegram"], "canary-ann three, just now", user=ANN)
    found = await export(hub, f"telegram:{ANN}")
    assert texts(found["turns"])[:4] == [
        *("canary-ann one", "re: canary-ann one"),
        *("canary-ann two", "re: canary-ann two"),
    ]
    assert "canary-ann three, just now" in json.dumps(found)
    first = found["turns"][0]
    assert "answered" in "".join(await hub.command("trace", first["event"]))
    assert "canary-ben" not in json.dumps(found)
    assert "canary" not in hub.text


async def test_whoever_is_erased_is_nowhere_any_more_a_stranger_to_the_model_and_others_are_untouched(
    open_hub, stages, model
):
    hub = await open_hub("telegram", "whatsapp")
    telegram, whatsapp = stages["telegram"], stages["whatsapp"]
    await ask(telegram, "canary-ann one", user=ANN)
    await ask(telegram, "canary-ben one", user=BEN)
    code = (await command(telegram, "/link", user=ANN)).partition("/link ")[2][:8]
    await command(whatsapp, f"/link {code}")
    await command(whatsapp, "yes")
    await ask(whatsapp, "canary-ann two")
    await command(telegram, "/remember canary-ann three", user=ANN)
    await telegram.say("@hub canary-ann four", user=ANN, room=telegram.group)
    await telegram.wait_for(lambda m: m.is_bot and m.room == telegram.group)
    await archived(hub, 4)
    assert await in_store(hub, "canary-ann")
    assert "archive.db" in " ".join(on_disk(hub, "canary-ann"))

    said = await hub.command("erase", f"telegram:{ANN}", "--yes")
    assert any("erased: telegram:42, whatsapp:+15551230001" in line for line in said), said
    assert await in_store(hub, "canary-ann") == []
    async with asyncio.timeout(10):
        while on_disk(hub, "canary-ann"):  # the store writes its file anew in the background
            await asyncio.sleep(0.05)
    assert await in_store(hub, "canary-ben")
    assert texts((await export(hub, f"telegram:{BEN}"))["turns"]) == ["canary-ben one", "re: canary-ben one"]

    for stage, who in ((telegram, {"user": ANN}), (whatsapp, {})):
        await ask(stage, "do you know me?", **who)
        assert [each["content"] for each in model.exchanges[-1].body["messages"][1:]] == ["do you know me?"]
        assert "canary" not in json.dumps(model.exchanges[-1].body)
    await ask(telegram, "and me?", user=BEN)
    assert "canary-ben one" in json.dumps(model.exchanges[-1].body)
    await archived(hub, 7)
    assert texts((await export(hub, f"telegram:{ANN}"))["turns"]) == ["do you know me?", "re: do you know me?"]


async def test_killed_right_after_each_answer_the_archive_has_every_turn_and_none_twice(open_hub, stages):
    hub = await open_hub("telegram")
    questions = [f"question {number}" for number in range(7)]
    for life in range(3):
        await ask(stages["telegram"], questions[2 * life])
        await archived(hub, 1)  # by now the archive takes turns
        await ask(stages["telegram"], questions[2 * life + 1])
        if life:  # not before it is committed: on its way into the archive
            await committed(hub)
        await hub.kill(signal.SIGKILL)
        await hub.start()
    await ask(stages["telegram"], questions[-1])
    await archived(hub, 1)  # in their order: what was said before is kept by now
    found = await export(hub, f"telegram:{ANN}")
    assert texts(found["turns"]) == [text for question in questions for text in (question, f"re: {question}")]
    assert found["other"] == []


@pytest.mark.parametrize(("platform", "room"), [("slack", ""), ("slack", "C1"), ("discord", ""), ("discord", "70")])
async def test_what_somebody_deletes_in_the_chat_is_gone_from_the_archive_also_when_it_was_said_long_ago(
    open_hub, stages, platform, room
):
    hub = await open_hub(platform)
    stage = stages[platform]
    said = await stage.say("@hub canary", room=room)
    await stage.answer_to(said)
    await committed(hub)
    await hub.kill(signal.SIGKILL)  # by then no process has it in mind, nor the session
    async with connect(f"unix://{Server(hub.home / 'var' / 'store').socket}") as store:
        async for key in store.scan_iter("*:sess:*"):
            await store.delete(key)
    await hub.start()
    await hub.until(platform, "running")
    await archived(hub, 1)
    assert "archive.db" in " ".join(on_disk(hub, "canary"))
    await stage.delete_message(said)
    async with asyncio.timeout(10):
        while not (await hub.health())["archive"].get("deleted"):
            await asyncio.sleep(0.02)
    assert "archive.db" not in " ".join(on_disk(hub, "canary"))


async def test_hubs_without_a_common_disk_have_the_same_names_for_people_where_they_have_one_key(hub_process):
    async def names(**keys):
        hub = hub_process({}, **keys)
        await hub.start()
        found = (await hub.command("erase", "telegram:42", "--yes"))[-1]
        await hub.kill(signal.SIGTERM)
        return found

    given = {"pseudonym_key": "ab" * 32}
    assert await names(**given) == await names(**given) != await names()
