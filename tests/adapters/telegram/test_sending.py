"""What the hub says arrives as it should, and failures say what to do."""

import asyncio
import json

import pytest

from adapters.telegram.render import TelegramRenderer
from core.errors import BadCredentials, Throttled, Unavailable, Unconfirmed, Undeliverable
from core.events import Address, Choice, Part, Sent
from tests.adapters.telegram.bot_api import call_faults

ANN = Address("tg", "42")


def calls(telegram, method):
    return [json.loads(wire.body) for wire in telegram.wire if wire.path.endswith(f"/{method}") and wire.inbound]


async def test_links_are_not_previewed(channel, telegram):
    adapter = await channel.start()
    await adapter.send(ANN, Part("see https://x.org"), "key")
    assert calls(telegram, "sendMessage")[0]["link_preview_options"] == {"is_disabled": True}


async def test_every_call_is_one_that_the_bot_api_describes(channel, telegram):
    adapter = await channel.start()
    await telegram.say("@hub hello", room=telegram.forum, thread="9")
    event = await channel.inbox.has(1)
    sent = await adapter.send(
        event[0].address, Part("**a** [b](https://x.org)\n```py\nc\n```", (Choice("A", "a"),)), "k"
    )
    await adapter.edit(sent, Part("`b`"))
    await adapter.typing(event[0].address)
    await telegram.press(telegram.messages[-1], "a")
    while telegram.api.presses:
        await telegram.next_change()
    await adapter.stop()
    await channel.start(mode="webhook")
    methods = set()
    for wire in telegram.wire:
        method = wire.path.rpartition("/")[2]
        given = json.loads(wire.body)
        if method == "getUpdates":
            given |= {name: json.loads(value) for name, value in given.items()}
        assert call_faults(method, given) == []
        methods.add(method)
    assert methods >= {"sendMessage", "editMessageText", "sendChatAction", "answerCallbackQuery", "setWebhook"}


async def test_buttons_come_back_as_presses(channel, telegram):
    adapter = await channel.start()
    sent = await adapter.send(ANN, Part("Which?", tuple(Choice(f"Option {n}", f"v{n}") for n in range(4))), "key")
    shown = telegram.messages[-1]
    assert shown.choices[3] == ("Option 3", "v3")
    await telegram.press(shown, "v3")
    (press,) = await channel.inbox.has(1)
    assert (press.value, press.label, press.message_id) == ("v3", "Option 3", sent.id)


async def test_a_message_can_be_changed_and_changing_nothing_is_no_error(channel, telegram):
    adapter = await channel.start()
    sent = await adapter.send(ANN, Part("one"), "key")
    await adapter.edit(sent, Part("**two**"))
    await adapter.edit(sent, Part("**two**"))
    assert (telegram.messages[-1].html, telegram.messages[-1].edited) == ("<b>two</b>", True)


async def test_messages_sent_at_once_are_told_apart(channel, telegram):
    telegram.meter.enabled = False
    adapter = await channel.start()
    rooms = [ANN, Address("tg", "43"), Address("tg", telegram.group)]
    sent = await asyncio.gather(*(adapter.send(room, Part(f"{n}"), "k") for n in range(10) for room in rooms))
    for n, one in enumerate(sent):
        await adapter.edit(one, Part(f"{n // 3} in {one.to.room}"))
    assert all(
        message.text == f"{before} in {message.room}"
        for message, before in zip(
            sorted(telegram.messages, key=lambda m: (m.room, int(m.text.split()[0]))), [*range(10)] * 3, strict=True
        )
    )
    assert all(message.edited for message in telegram.messages)


async def test_typing_shows_in_the_topic(channel, telegram):
    adapter = await channel.start()
    await adapter.typing(Address("tg", telegram.forum, "9"))
    assert "9" in telegram.typing


async def test_the_longest_message_is_4096_utf16_units_of_what_is_shown(channel, telegram):
    adapter = await channel.start()
    longest = "**" + "😀" * 2048 + "**"
    assert adapter.measure(longest) == adapter.capabilities.max_text
    await adapter.send(ANN, Part(longest), "key")
    with pytest.raises(Undeliverable, match="too long"):
        await adapter.send(ANN, Part(longest + "."), "key")


async def test_an_answer_reaches_a_group_whose_topic_is_gone(channel, telegram):
    adapter = await channel.start()
    await adapter.send(Address("tg", telegram.forum, "1"), Part("hi"), "key")
    assert (telegram.messages[-1].text, telegram.messages[-1].thread) == ("hi", None)


async def test_an_answer_arrives_though_the_question_is_deleted(channel, telegram):
    adapter = await channel.start()
    await adapter.send(Address("tg", telegram.group, None, "4711"), Part("hi"), "key")
    assert (telegram.messages[-1].text, telegram.messages[-1].reply_to) == ("hi", None)


async def test_text_that_telegram_cannot_parse_is_sent_plain(channel, telegram, monkeypatch):
    adapter = await channel.start()
    monkeypatch.setattr(TelegramRenderer, "strong", lambda _, inner: f"<b>{inner}")
    await adapter.send(ANN, Part("ü & `@ann` **b**"), "key")
    assert telegram.messages[-1].html == "ü &amp; @\u2060ann b"


async def test_waiting_is_asked_for_by_the_room(channel, telegram):
    adapter = await channel.start()
    telegram.faults.throttle, telegram.faults.retry_after = 1, 7
    with pytest.raises(Throttled) as error:
        await adapter.send(ANN, Part("hi"), "key")
    assert (error.value.retry_after, error.value.scope) == (7, "room")


async def test_a_user_who_blocked_us_is_not_tried_again(channel, telegram):
    adapter = await channel.start()
    await telegram.block()
    with pytest.raises(Undeliverable, match="blocked"):
        await adapter.send(ANN, Part("hi"), "key")
    with pytest.raises(Undeliverable, match=r"[Cc]hat not found"):
        await adapter.send(Address("tg", "4711"), Part("hi"), "key")
    with pytest.raises(Undeliverable, match="to edit not found"):
        await adapter.edit(Sent(Address("tg", "43"), "99"), Part("hi"))


async def test_after_a_5xx_nobody_knows(channel, telegram):
    adapter = await channel.start()
    telegram.faults.fail_after_accepting = 1
    with pytest.raises(Unconfirmed):
        await adapter.send(ANN, Part("hi"), "key")
    assert telegram.messages[-1].text == "hi"


async def test_a_refused_connection_is_certainly_not_sent(channel, telegram):
    adapter = await channel.start()
    await telegram.stop()
    with pytest.raises(Unavailable) as error:
        await adapter.send(ANN, Part("hi"), "key")
    assert telegram.token not in str(error.value) + repr(error.value.__cause__)


async def test_a_withdrawn_token_is_named(channel, telegram):
    adapter = await channel.start(mode="webhook")
    telegram.token = "1:FAKE-other"
    with pytest.raises(Undeliverable, match="BotFather"):
        await adapter.send(ANN, Part("hi"), "key")
    adapter.health.alive_at -= 1000
    with pytest.raises(BadCredentials, match="BotFather"):
        await adapter.probe()
