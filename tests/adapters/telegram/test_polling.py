"""Updates come in by polling, and none is lost."""

import asyncio

import aiohttp
import pytest

from core.errors import BadCredentials, NotReady
from core.events import Command, Edited, Joined, Message, Press, Reaction
from simulators.telegram import TelegramSimulator


async def test_a_direct_message_is_heard_and_answered(channel, telegram):
    await channel.start()
    said = await telegram.say("hello")
    await channel.inbox.has(1)
    await channel.answer("**hi** Ann")
    answer = await telegram.answer_to(said)
    assert (answer.html, answer.reply_to, answer.thread) == ("<b>hi</b> Ann", None, None)


async def test_a_mention_in_a_topic_is_answered_under_it(channel, telegram):
    await channel.start()
    said = await telegram.say("@hub hello", room=telegram.forum, thread="9")
    assert (await channel.inbox.has(1))[0].text == "hello"
    await channel.answer("hi")
    answer = await telegram.answer_to(said)
    assert (answer.room, answer.thread, answer.reply_to) == (telegram.forum, "9", said.id)


async def test_everything_users_do_is_heard(channel, telegram):
    await channel.start()
    said = await telegram.say("which?", choices=None)
    await channel.inbox.has(1)
    await telegram.edit_message(said, "which one?")
    await telegram.react(said, "👍")
    await telegram.command("ai", "what", room=telegram.group)
    await channel.inbox.has(4)
    await telegram.press(said, "1")
    await telegram.join(user="43")
    await telegram.invite(room="-100700")
    kinds = [type(event) for event in await channel.inbox.has(7)]
    assert kinds == [Message, Edited, Reaction, Command, Press, Joined, Joined]


async def test_a_pressed_button_stops_spinning(channel, telegram):
    await channel.start()
    said = await telegram.say("which?")
    await channel.inbox.has(1)
    await channel.answer("this one?")
    await telegram.press(await telegram.answer_to(said), "yes")
    await channel.inbox.has(2)
    while telegram.api.presses:
        await telegram.next_change()


@pytest.mark.parametrize("stored", [False, True])
async def test_an_update_comes_again_under_the_same_id_after_a_crash_before_it_was_confirmed(channel, telegram, stored):
    channel.inbox.stuck, channel.inbox.stores = asyncio.Event(), stored
    await channel.start()
    await telegram.say("hello")
    await channel.inbox.stuck.wait()
    await channel.adapter.stop()
    before = channel.inbox.uids
    channel.inbox.stuck = None
    await channel.start()
    await channel.inbox.has(len(before) + 1)
    assert [event.text for event in channel.inbox.events] == ["hello"] * (len(before) + 1)
    assert len(set(channel.inbox.uids)) == 1


async def test_an_update_that_could_not_be_stored_holds_back_those_behind_it(channel, telegram):
    channel.inbox.refusals = 3
    await telegram.say("one")
    await telegram.say("two")
    await channel.start()
    await channel.inbox.has(2)
    assert [event.text for event in channel.inbox.events] == ["one", "two"]
    assert channel.inbox.calls == 5


async def test_chats_do_not_wait_for_each_other_and_each_keeps_its_order(channel, telegram):
    for number in range(3):
        await telegram.say(f"Ann {number}")
        await telegram.say(f"Ben {number}", user="43")
    channel.inbox.shut.add("42")
    await channel.start()
    assert [event.text for event in await channel.inbox.has(3)] == ["Ben 0", "Ben 1", "Ben 2"]
    channel.inbox.shut.clear()
    assert [event.text for event in await channel.inbox.has(6)][3:] == ["Ann 0", "Ann 1", "Ann 2"]


async def test_nothing_is_confirmed_before_the_events_of_all_chats_are_stored(channel, telegram):
    await telegram.say("hello", user="43")
    await telegram.say("hello")
    await telegram.say("hello again", user="43")
    channel.inbox.shut.add("42")
    await channel.start()
    await channel.inbox.has(2)
    while channel.inbox.calls < 6:
        await asyncio.sleep(0)
    assert len(telegram.queue.updates) == 3
    channel.inbox.shut.clear()
    while telegram.queue.updates:
        await telegram.next_change()


async def test_nothing_is_confirmed_while_the_store_is_away(channel, telegram):
    channel.inbox.refusals = 10**6
    await telegram.say("hello")
    await channel.start()
    while channel.inbox.calls < 3:
        await asyncio.sleep(0)
    await channel.adapter.stop()
    assert [update["message"]["text"] for update in telegram.queue.updates] == ["hello"]


async def test_updates_wait_for_a_platform_that_was_away(channel, telegram):
    await channel.start()
    port = int(telegram.url.rpartition(":")[2])
    await telegram.stop()
    await telegram.say("hello")
    await telegram.start(port)
    assert (await channel.inbox.has(1))[0].text == "hello"


async def test_an_update_nobody_understands_is_passed_over(channel, telegram, caplog):
    await channel.start()
    telegram.queue.updates.append({"update_id": 870_000_000, "message": {"text": "no chat"}})
    await telegram.say("hello")
    assert (await channel.inbox.has(1))[0].text == "hello"
    assert "update 870000000 passed over" in caplog.text


async def test_updates_told_twice_or_out_of_order_are_all_heard(channel, telegram):
    telegram.faults.duplicate = 1
    telegram.faults.reorder = 2
    await telegram.say("one")
    await telegram.say("two")
    await channel.start()
    await channel.inbox.has(3)
    assert sorted({event.text for event in channel.inbox.events}) == ["one", "two"]


async def probe_after_each(action, adapter):
    while True:
        await action()
        await adapter.probe()


async def test_a_second_poller_is_named(channel, telegram):
    adapter = await channel.start()

    async def poll_too():
        async with channel.http.get(f"{telegram.url}/bot{telegram.token}/getUpdates"):
            pass

    with pytest.raises(NotReady, match="another poller"):
        await probe_after_each(poll_too, adapter)


async def test_a_token_that_is_withdrawn_while_running_needs_an_admin(channel, telegram):
    adapter = await channel.start(poll_timeout=0)
    telegram.token = "1:FAKE-other"
    with pytest.raises(BadCredentials, match="BotFather"):
        await probe_after_each(lambda: asyncio.sleep(0), adapter)


async def test_a_wrong_token_needs_an_admin_and_is_not_shown(channel, telegram, caplog):
    with pytest.raises(BadCredentials) as error:
        await channel.start(bot_token="1:FAKE-wrong")
    assert "FAKE-wrong" not in str(error.value) + caplog.text


async def test_a_platform_that_cannot_be_reached_is_tried_again_later(channel):
    with pytest.raises(NotReady):
        await channel.start(api_url="http://127.0.0.1:1")


async def test_a_silent_platform_is_noticed(channel, telegram):
    adapter = await channel.start()
    await adapter.probe()
    adapter.health.alive_at -= adapter.settings.poll_timeout + 31
    with pytest.raises(NotReady, match="silent"):
        await adapter.probe()


async def test_a_webhook_left_from_before_is_taken_away(channel, telegram):
    telegram.queue.listen("http://127.0.0.1:1/old", "", drop=False)
    await channel.start()
    await telegram.say("hello")
    await channel.inbox.has(1)


async def test_the_channel_says_as_whom_it_is_connected_and_lists_its_commands(channel, telegram):
    adapter = await channel.start()
    assert adapter.health.identity == "@hub_bot"
    assert [command["command"] for command in telegram.api.commands] == ["ai", "reset"]


async def test_stopping_twice_or_after_a_failed_start_is_safe(channel, telegram):
    with pytest.raises(BadCredentials):
        await channel.start(bot_token="1:FAKE-wrong")
    await channel.adapter.stop()
    await channel.adapter.stop()


async def test_the_library_on_its_own_transport_gets_along_with_the_simulator(telegram: TelegramSimulator):
    from telegram import Bot

    async with Bot(telegram.token, base_url=f"{telegram.url}/bot") as bot:
        said = await telegram.say("hello")
        (update,) = await bot.get_updates(timeout=1)
        await update.message.reply_text("<b>hi</b> &amp; bye", parse_mode="HTML", do_quote=True)
        answer = await telegram.answer_to(said)
        assert (answer.text, answer.html, answer.reply_to) == ("hi & bye", "<b>hi</b> &amp; bye", said.id)
        assert await bot.get_updates(offset=update.update_id + 1) == ()


async def test_nothing_of_the_token_is_logged(channel, telegram, caplog):
    caplog.set_level("DEBUG")
    adapter = await channel.start(poll_timeout=0)
    await telegram.say("hello")
    await channel.inbox.has(1)
    port = int(telegram.url.rpartition(":")[2])
    await telegram.stop()
    with pytest.raises(aiohttp.ClientError):
        await channel.http.get(telegram.url)
    await telegram.start(port)
    await telegram.say("again")
    await channel.inbox.has(2)
    assert telegram.token not in caplog.text + repr(adapter.settings)
