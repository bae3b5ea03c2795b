"""Who is answered and how much, through the running hub: rates, budgets nobody can overspend, and codes to get in."""

import asyncio
import re
import signal

from simulators.openai import Script

DEAR = {"price_output": 10_000.0, "max_tokens": 50}
"""A word costs a hundredth, the longest answer half of one."""


def answers(stage, room=""):
    return [m.text for m in stage.messages if m.is_bot and room in ("", m.room)]


async def ask(stage, text, **where):
    return (await stage.answer_to(await stage.say(text, **where))).text


async def silent(hub, reason, count):
    """Wait until so many events were passed over for this reason."""
    async with asyncio.timeout(10):
        while (await hub.health())["silences"].get(reason, 0) < count:
            await asyncio.sleep(0.02)


async def done(hub, accepted):
    """Wait until so many events were taken, and none is under way any more."""
    async with asyncio.timeout(30):
        while (events := (await hub.health())["events"])["accepted"] < accepted or events["in_flight"]:
            await asyncio.sleep(0.02)


def reported(exchange, output, prompt=0.0):
    """What the provider's own figures come to, for an answer that it gave in full."""
    read = sum(len(str(message["content"] or "").split()) for message in exchange.body["messages"])
    return (read * prompt + exchange.tokens * output) / 1_000_000


async def test_three_a_minute_are_three_answers_one_polite_line_in_the_users_language_and_then_silence(
    open_hub, stages, model
):
    hub = await open_hub("whatsapp", limits={"per_user": "3/minute"})
    whatsapp = stages["whatsapp"]
    questions = [f"Wie ist denn heute das Wetter bei euch, und warum? Frage {number}" for number in range(4)]
    said = [await ask(whatsapp, text) for text in (*questions[:2], "/usage", questions[2])]
    assert said[:2] == questions[:2]
    assert "3/3" in re.sub(r"\D*(\d+) (of|von) (\d+).*", r"\1/\3", said[2]), said[2]  # a command is a message too
    assert re.fullmatch(r"Das waren viele Nachrichten auf einmal\. .*in \d+ (Sekunden|Minute|Minuten).*\.", said[3])
    for text in (questions[3], "/help"):
        await whatsapp.say(text)
    await silent(hub, "per_user", 2)
    assert answers(whatsapp) == said
    assert len(model.exchanges) == 2
    assert await ask(whatsapp, "and I?", user="+15551230002") == "and I?"


async def test_twenty_at_once_at_the_edge_of_the_hubs_budget_overspend_nothing(open_hub, stages, model):
    hub = await open_hub("telegram", prices=DEAR, limits={"budget_per_hub": "5/month"})
    telegram = stages["telegram"]
    telegram.meter.enabled = False
    model.answer = lambda exchange: Script(" ".join(["word"] * 50))
    await asyncio.gather(*(telegram.say("how much?", user=user, room=user) for user in map(str, range(100, 120))))
    await done(hub, 20)
    assert sum(reported(each, 10_000) for each in model.exchanges) == 5
    refused = [text for text in answers(telegram) if "budget" in text]
    assert len(model.exchanges) == len(refused) == 10
    assert "used up" in await ask(telegram, "and now?", user="120", room="120")


async def test_round_after_round_until_nothing_goes_any_more_the_provider_never_reports_more_than_the_budget(
    open_hub, stages, model
):
    prices = {"price_input": 20.0, "price_output": 1000.0, "max_tokens": 50}
    hub = await open_hub("telegram", prices=prices, limits={"budget_per_hub": "1/month"})
    telegram = stages["telegram"]
    telegram.meter.enabled = False
    model.answer = lambda exchange: Script(" ".join(["word"] * (10 + len(model.exchanges) % 40)))
    model.manner.pace = 0.001
    model.misbehave("throttle", 3, retry_after="10ms")
    model.misbehave("cut", 5)
    told = 0
    for number in range(30):
        before = len(model.exchanges)
        said = (telegram.say(f"round {number}", user=user, room=user) for user in map(str, range(100, 120)))
        await asyncio.gather(*said)
        await done(hub, 20 * (number + 1))
        told = len(model.exchanges) - before
        if not told:
            break
    spent = sum(reported(each, 1000.0, 20.0) for each in model.exchanges if each.status == 200)
    assert told == 0, "the budget was never used up"
    assert 0.7 < spent <= 1, spent


async def test_what_was_spent_and_set_aside_is_still_known_after_a_kill(open_hub, stages, model):
    hub = await open_hub("telegram", prices=DEAR, limits={"budget_per_hub": "1.50/month"})
    telegram = stages["telegram"]
    long = " ".join(["word"] * 50)
    model.answer = lambda exchange: Script(long)
    assert await ask(telegram, "first", user="100", room="100")
    await done(hub, 1)
    model.manner.pace = 0.1
    await telegram.say("second", user="101", room="101")
    await model.request(2)
    await hub.kill(signal.SIGKILL)
    model.manner.pace = 0.0
    await hub.start()
    await telegram.wait_for(lambda m: m.is_bot and m.room == "101" and m.text == long)
    await done(hub, 2)
    assert "used up" in await ask(telegram, "third", user="102", room="102")
    assert len(model.exchanges) == 3  # the second was asked again, and both times count


async def test_a_stranger_is_told_a_code_and_answered_once_an_admin_has_approved_it(open_hub, stages, model):
    hub = await open_hub("telegram", channel={"access": "pairing"})
    telegram = stages["telegram"]
    told = await ask(telegram, "let me in", user="100", room="100")
    other = await ask(telegram, "me too", user="101", room="101")
    found = re.search(r"\b[2-9A-Z]{8}\b", told)[0]
    assert found not in other
    assert len(model.exchanges) == 0
    assert await hub.command("access", "approve", found) == ["let in: 100 in telegram"]
    assert await ask(telegram, "thank you", user="100", room="100") == "thank you"
    await telegram.say("and me?", user="101", room="101")
    await silent(hub, "not paired", 1)
    assert answers(telegram, "101") == [other]
