"""Several people, several platforms, many conversations at once: each sees exactly what is theirs."""

import asyncio

from simulators.openai import Script


def told(exchange):
    """What the model was told of the conversation."""
    return [(message["role"], message["content"]) for message in exchange.body["messages"][1:]]


async def test_two_people_in_one_thread_are_told_apart_and_answered_in_it(hub, stages, model):
    slack = stages["slack"]
    slack.rooms.people |= {"U1": "Ann", "U2": "Ben"}
    model.answer = lambda exchange: Script(f"I heard: {exchange.said}")
    asked = await slack.say("@hub I bring bread", user="U1", room="C1")
    first = await slack.answer_to(asked)
    assert first.thread == asked.id
    also = await slack.say("@hub and I bring wine", user="U2", room="C1", thread=asked.id)
    second = await slack.answer_to(also)
    assert second.thread == asked.id
    assert told(await model.request(2)) == [
        ("user", "Ann: I bring bread"),
        ("assistant", first.text),
        ("user", "Ben: and I bring wine"),
    ]


async def test_two_people_whose_names_the_hub_may_not_read_are_told_apart(hub, stages, model):
    slack = stages["slack"]
    slack.api.scopes.discard("users:read")
    asked = await slack.say("@hub I bring bread", user="U1", room="C1")
    await slack.answer_to(asked)
    await slack.answer_to(await slack.say("@hub and I bring wine", user="U2", room="C1", thread=asked.id))
    said = [text for role, text in told(await model.request(2)) if role == "user"]
    assert said == ["somebody (U1): I bring bread", "somebody (U2): and I bring wine"]


async def test_three_messages_at_once_in_each_of_a_hundred_conversations(hub, stages, model):
    telegram = stages["telegram"]
    telegram.limits = False
    model.answer = lambda exchange: Script(exchange.said)
    users = [str(number) for number in range(1000, 1100)]
    await asyncio.gather(*(telegram.say(f"{user}: {n}", user=user, room=user) for user in users for n in range(3)))
    for user in users:
        await telegram.wait_for(lambda m, user=user: m.is_bot and m.text == f"{user}: 2", 60)
    for user in users:
        heard = [m.text for m in telegram.messages if m.is_bot and m.room == user]
        assert heard == [f"{user}: {n}" for n in range(3)]
    await asyncio.gather(*(telegram.say("and now?", user=user, room=user) for user in users))
    async with asyncio.timeout(60):
        while len(model.exchanges) < 400:
            await asyncio.sleep(0.01)
    for exchange in list(model.exchanges)[300:]:
        history = [text for _, text in told(exchange)]
        user = history[0].partition(":")[0]
        assert history == [f"{user}: {n}" for n in range(3) for _ in range(2)] + ["and now?"]
