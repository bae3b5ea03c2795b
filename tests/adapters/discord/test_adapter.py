"""The Discord adapter as people in Discord see it, over real sockets."""

import asyncio
import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest
import structlog
from discord import ConnectionClosed

from adapters.discord.client import setup_error
from core.errors import BadCredentials, NotReady, Throttled, Unavailable, Unconfirmed, Undeliverable
from core.events import Address, Choice, Command, Deleted, Edited, Joined, Message, Part, Press, Reaction
from simulators.discord import DiscordSimulator, rest


async def test_a_direct_message_is_heard_and_answered(hub, discord):
    said = await discord.say("hello")
    event = await hub.inbox.heard("hello")
    assert event.direct
    assert event.user.name == "Ann"
    await hub.answer(event, "**hi**")
    answer = await discord.answer_to(said)
    assert answer.html == "<p><strong>hi</strong></p>\n"


async def test_a_mention_is_answered_in_place_with_a_reference_and_disturbs_nobody(hub, discord):
    said = await discord.say("@hub what is up?", room="70")
    event = await hub.inbox.heard("what is up?")
    assert event.mentioned
    assert not event.direct
    await hub.answer(event, "@everyone <@42> this")
    assert (await discord.answer_to(said)).reply_to == said.id
    assert discord.world.notified == []


async def test_an_answer_to_our_message_counts_as_a_mention(hub, discord):
    await discord.say("@hub hi", room="70")
    await hub.answer(await hub.inbox.heard("hi"), "yes?")
    answer = await discord.wait_for(lambda message: message.is_bot)
    await discord.say("go on", room="70", reply_to=answer)
    assert (await hub.inbox.heard("go on")).mentioned


async def test_a_message_that_is_gone_is_answered_all_the_same(hub, discord):
    said = await discord.say("@hub hi", room="70")
    event = await hub.inbox.heard("hi")
    await discord.delete_message(said)
    await hub.answer(event, "yes?")
    assert (await discord.answer_to(said)).text == "yes?"


async def test_a_mention_opens_a_thread_that_is_the_conversation_from_the_first_message_on(cold, discord):
    hub = cold.rebuilt(reply="thread")
    await hub.adapter.start()
    said = await discord.say("@hub plan my day", room="70")
    first = await hub.inbox.heard("plan my day")
    await hub.answer(first, "Gladly.", "KEY1")
    await hub.answer(first, "First: coffee.", "KEY2")
    answer = await discord.answer_to(said)
    assert (answer.room, answer.thread) == ("70", said.id)
    assert discord.world.channels[said.id]["name"] == "Gladly."
    await discord.delete_message(said)
    assert (await hub.inbox.wait_for(lambda event: isinstance(event, Deleted))).address.thread == said.id
    await discord.say("and then?", room="70", thread=said.id)
    second = await hub.inbox.heard("and then?")
    assert (second.address.room, second.address.thread) == (first.address.room, first.address.thread)
    await hub.answer(second, "Tea.", "KEY3")
    assert (await discord.wait_for(lambda message: message.text == "Tea.")).thread == said.id
    await hub.adapter.stop()


async def test_a_thread_that_is_there_already_is_used(cold, discord):
    hub = cold.rebuilt(reply="thread")
    await hub.adapter.start()
    said = await discord.say("@hub hi", room="70")
    event = await hub.inbox.heard("hi")
    await hub.adapter.stop()
    discord.world.open_thread("70", said.id, {"name": "opened before a crash"})
    again = cold.rebuilt(reply="thread")
    await again.adapter.start()
    again.adapter.here.threads.clear()
    await again.answer(event, "hello")
    assert (await discord.wait_for(lambda message: message.text == "hello")).thread == said.id
    await again.adapter.stop()


async def test_the_same_key_is_sent_once(hub, discord):
    await discord.say("hello")
    event = await hub.inbox.heard("hello")
    assert await hub.answer(event, "hi", "SAME") == await hub.answer(event, "hi", "SAME")
    assert len([message for message in discord.messages if message.is_bot]) == 1


async def test_what_was_sent_under_a_key_with_another_text_is_brought_up_to_date(hub, discord):
    await discord.say("hello")
    event = await hub.inbox.heard("hello")
    assert await hub.answer(event, "one", "SAME") == await hub.answer(event, "one two", "SAME")
    assert [message.text for message in discord.messages if message.is_bot] == ["one two"]


async def test_an_answer_grows_by_edits(hub, discord):
    await discord.say("hello")
    sent = await hub.answer(await hub.inbox.heard("hello"), "one")
    await hub.adapter.edit(sent, Part("one two"))
    assert [message.text for message in discord.messages if message.is_bot] == ["one two"]


async def test_a_mention_is_answered_by_reference_where_no_thread_can_be_opened(cold, discord):
    hub = cold.rebuilt(reply="thread")
    await hub.adapter.start()
    said = await discord.say("@hub hi", room="70")
    discord.world.channels["70"]["type"] = 2
    sent = await hub.answer(await hub.inbox.heard("hi"), "hello")
    answer = await discord.answer_to(said)
    assert (answer.room, answer.thread, answer.reply_to) == ("70", None, said.id)
    await hub.adapter.edit(sent, Part("hello there"))
    assert answer.text == "hello there"
    await hub.adapter.stop()


async def test_typing_is_shown_where_the_answer_will_be(hub, discord):
    await discord.say("@hub hello", room="70")
    await hub.adapter.typing((await hub.inbox.heard("hello")).address)
    assert "70" in discord.typing


async def test_typing_is_shown_in_the_channel_until_its_thread_is_open(cold, discord):
    hub = cold.rebuilt(reply="thread")
    await hub.adapter.start()
    said = await discord.say("@hub hello", room="70")
    event = await hub.inbox.heard("hello")
    await hub.adapter.typing(event.address)
    assert set(discord.typing) == {"70"}
    await hub.answer(event, "hi")
    await until(lambda: said.id in hub.adapter.here.threads)
    await hub.adapter.typing(event.address)
    assert set(discord.typing) == {"70", said.id}
    await hub.adapter.stop()


async def test_a_slash_command_is_acknowledged_and_its_answer_fills_the_placeholder(hub, discord):
    asked = await discord.command("ai", "what is up?", room="70")
    event = await hub.inbox.wait_for(lambda event: isinstance(event, Command))
    assert (event.name, event.text, event.user.locale) == ("ai", "what is up?", "en-US")
    await hub.answer(event, "nothing", "KEY1")
    await hub.answer(event, "really", "KEY2")
    await hub.answer(event, "nothing", "KEY1")
    assert [message.text for message in discord.messages if message.is_bot] == ["nothing", "really"]
    assert (await discord.answer_to(asked)).only_for is None


async def test_a_quick_answer_waits_for_the_acknowledgement_and_fills_its_placeholder(cold, monkeypatch):
    release, callback = asyncio.Event(), rest.Rest.callback

    async def held(self, request, body):
        await release.wait()
        await callback(self, request, body)

    monkeypatch.setattr(rest.Rest, "callback", held)
    async with DiscordSimulator() as discord:
        hub = cold.rebuilt(**discord.settings())
        await hub.adapter.start()
        await discord.command("ai", room="70")
        event = await hub.inbox.wait_for(lambda event: isinstance(event, Command))
        asyncio.get_running_loop().call_later(0.05, release.set)
        await hub.answer(event, "hi")
        (asked,) = discord.world.interactions.values()
        assert asked.original.seen.text == "hi"
        await hub.adapter.stop()


async def test_help_is_shown_to_the_asker_alone(hub, discord):
    await discord.command("help", room="70", user="43")
    event = await hub.inbox.wait_for(lambda event: isinstance(event, Command))
    sent = await hub.answer(event, "Ask me.", "KEY1")
    await hub.answer(event, "Or do not.", "KEY2")
    await hub.adapter.edit(sent, Part("Ask me anything."))
    shown = [(message.text, message.only_for) for message in discord.messages if message.is_bot]
    assert shown == [("Ask me anything.", "43"), ("Or do not.", "43")]


async def test_a_command_is_answered_after_a_restart_too(hub, discord):
    await discord.command("ai", room="70")
    event = await hub.inbox.wait_for(lambda event: isinstance(event, Command))
    token = event.address.reply.removeprefix("public:")
    await until(lambda: discord.world.interactions[token].answered)
    await hub.adapter.stop()
    again = hub.rebuilt()
    await again.adapter.start()
    await again.answer(event, "late", "KEY1")
    assert [message.text for message in discord.messages if message.is_bot] == ["late"]
    await again.adapter.stop()


async def test_a_command_whose_token_has_run_out_is_answered_by_a_message(hub, discord):
    await discord.command("ai", room="70")
    event = await hub.inbox.wait_for(lambda event: isinstance(event, Command))
    (asked,) = discord.world.interactions.values()
    await until(lambda: asked.answered)
    asked.asked_at -= 15 * 60
    await hub.answer(event, "at last")
    assert [message.room for message in discord.messages if message.is_bot] == ["70"]


async def test_a_private_answer_is_not_shown_to_all_when_its_token_has_run_out(hub, discord):
    await discord.command("help", room="70")
    event = await hub.inbox.wait_for(lambda event: isinstance(event, Command))
    (asked,) = discord.world.interactions.values()
    await until(lambda: asked.answered)
    asked.asked_at -= 15 * 60
    with pytest.raises(Undeliverable):
        await hub.answer(event, "Ask me.")


async def test_a_press_is_heard_with_its_label(hub, discord):
    said = await discord.say("hello")
    choices = tuple(Choice(f"Choice {number}", f"pick:{number}") for number in range(7))
    await hub.answer(await hub.inbox.heard("hello"), "Which?", choices=choices)
    shown = await discord.answer_to(said)
    assert shown.choices[6] == ("Choice 6", "pick:6")
    await discord.press(shown, "pick:6")
    event = await hub.inbox.wait_for(lambda event: isinstance(event, Press))
    assert (event.value, event.label, event.message_id) == ("pick:6", "Choice 6", shown.id)
    await until(lambda: any(asked.answered == 6 for asked in discord.world.interactions.values()))


async def test_edits_deletions_and_reactions_are_told_where_the_message_was(hub, discord):
    said = await discord.say("helo", room="70")
    await discord.unfurl(said)
    await discord.edit_message(said, "hello")
    await discord.react(said, "🎉", user="43")
    await discord.react(said, "🎉", user="43", added=False)
    await discord.delete_message(said)
    deleted = await hub.inbox.wait_for(lambda event: isinstance(event, Deleted))
    edits = [event for event in hub.inbox.events if isinstance(event, Edited)]
    reactions = [(event.emoji, event.added) for event in hub.inbox.events if isinstance(event, Reaction)]
    assert [(event.message_id, event.text) for event in edits] == [(said.id, "hello")]
    assert reactions == [("🎉", True), ("🎉", False)]
    assert (deleted.message_id, deleted.address.room) == (said.id, "70")


async def test_messages_that_a_moderator_deletes_together_are_told_one_by_one(hub, discord):
    said = [await discord.say(text, room="70") for text in ("one", "two")]
    await discord.purge(*said)
    last = await hub.inbox.wait_for(lambda event: isinstance(event, Deleted) and event.message_id == said[1].id)
    assert last.address.room == "70"
    assert [event.message_id for event in hub.inbox.events if isinstance(event, Deleted)] == [each.id for each in said]


async def test_who_comes_in_is_told_without_the_privileged_intent(hub, discord):
    await discord.join("43")
    await discord.invite("8", "80")
    await hub.inbox.wait_for(lambda event: isinstance(event, Joined) and event.is_me)
    joined = [(event.user.id, event.address.room) for event in hub.inbox.events]
    assert joined == [("43", "70"), ("900", "80")]


async def test_our_own_messages_are_not_events(hub, discord):
    await discord.say("hello")
    await hub.answer(await hub.inbox.heard("hello"), "hi")
    await discord.say("end")
    await hub.inbox.heard("end")
    assert hub.inbox.texts() == ["hello", "end"]


async def test_a_delivery_that_comes_twice_has_the_same_uid(hub, discord):
    discord.faults.duplicate = 1
    await discord.say("hello")
    await discord.say("end")
    await hub.inbox.heard("end")
    assert len(hub.inbox.deliveries) == 3
    assert hub.inbox.texts() == ["hello", "end"]


async def test_a_broken_connection_is_resumed_without_loss(hub, discord):
    await discord.say("one")
    await discord.drop_socket()
    await discord.say("two")
    await discord.say("three")
    await hub.inbox.heard("three")
    assert hub.inbox.texts() == ["one", "two", "three"]
    assert (discord.gateway.identified, discord.gateway.resumed) == (1, 1)


async def test_the_gateway_may_ask_to_come_again(hub, discord):
    await discord.gateway.ask_reconnect()
    await until(lambda: discord.gateway.resumed == 1)
    await discord.say("still there?")
    await hub.inbox.heard("still there?")


async def test_after_an_invalid_session_the_history_brings_what_was_said_once_and_in_order(hub, discord):
    await discord.say("one", room="70")
    await hub.inbox.heard("one")
    await discord.drop_socket(resumable=False)
    for text in ("two", "three", "four"):
        await discord.say(text, room="70")
    await until(lambda: discord.gateway.identified == 2)
    await discord.say("five", room="70")
    await hub.inbox.heard("five")
    assert hub.inbox.texts() == ["one", "two", "three", "four", "five"]


async def test_a_restart_reads_what_was_said_meanwhile_even_in_rooms_not_heard_of_before(hub, discord):
    discord.world.add_guild("8", "80")
    await discord.say("one")
    await hub.inbox.heard("one")
    await hub.adapter.stop()
    await discord.say("@hub two")
    await discord.say("elsewhere", room="80")
    again = hub.rebuilt()
    await again.adapter.start()
    two, elsewhere = await hub.inbox.heard("two"), await hub.inbox.heard("elsewhere")
    assert two.direct
    assert not elsewhere.direct
    await again.adapter.stop()


async def test_a_thread_is_known_as_one_when_its_history_is_read(cold, discord):
    first = cold.rebuilt()
    await first.adapter.start()
    said = await discord.say("hello", room="70")
    discord.world.open_thread("70", said.id, {"name": "here"})
    await discord.say("one", thread=said.id)
    await cold.inbox.heard("one")
    await first.adapter.stop()
    await discord.say("two", thread=said.id)
    again = cold.rebuilt()
    await again.adapter.start()
    assert (await cold.inbox.heard("two")).address.thread == said.id
    await again.adapter.stop()


async def test_a_room_that_may_not_be_read_any_more_is_passed_over(hub, discord):
    await discord.say("one", room="70")
    await hub.inbox.heard("one")
    await hub.adapter.stop()
    hub.inbox.cursors["404"] = hub.inbox.cursors["70"]
    again = hub.rebuilt()
    await again.adapter.start()
    await discord.say("two", room="70")
    await hub.inbox.heard("two")
    await again.adapter.stop()


async def test_while_the_store_is_away_events_wait_in_order(hub, discord):
    hub.inbox.failures = 5
    for number in range(4):
        await discord.say(f"message {number}", room="70")
    await discord.say("elsewhere")
    await hub.inbox.heard("elsewhere")
    await hub.inbox.heard("message 3")
    assert [text for text in hub.inbox.texts() if text != "elsewhere"] == [f"message {number}" for number in range(4)]


async def test_when_too_much_waits_the_channel_is_restarted_and_reads_the_history(hub, discord):
    hub.adapter.intake.limit = 3
    hub.inbox.failures = 3
    await discord.say("message 0", room="70")
    await hub.inbox.heard("message 0")
    hub.inbox.failures = 3
    for number in range(1, 20):
        await discord.say(f"message {number}", room="70")
    await until(lambda: hub.adapter.intake.is_overrun)
    with pytest.raises(NotReady, match="too many"):
        await hub.adapter.probe()
    await hub.inbox.heard("message 3")
    await discord.say("message 20", room="70")
    await hub.adapter.stop()
    again = hub.rebuilt()
    await again.adapter.start()
    await hub.inbox.heard("message 20")
    assert hub.inbox.texts() == [f"message {number}" for number in range(21)]
    await again.adapter.stop()


async def test_a_long_gap_is_read_page_by_page(hub, discord):
    await discord.say("message 0", room="70")
    await hub.inbox.heard("message 0")
    await hub.adapter.stop()
    for number in range(1, 150):
        await discord.say(f"message {number}", room="70")
    again = hub.rebuilt()
    await again.adapter.start()
    await hub.inbox.heard("message 149")
    assert hub.inbox.texts() == [f"message {number}" for number in range(150)]
    await again.adapter.stop()


async def test_a_command_is_not_acknowledged_before_it_is_durable(hub, discord):
    hub.inbox.failures = 1
    await discord.command("ai", room="70")
    (asked,) = discord.world.interactions.values()
    await until(lambda: hub.inbox.failures == 0)
    assert not asked.answered
    await until(lambda: asked.answered)
    assert len(hub.inbox.events) == 1


async def test_commands_are_listed_only_when_they_differ(hub, discord):
    assert [command["name"] for command in discord.world.commands] == ["ai", "help"]
    await hub.adapter.stop()
    again = hub.rebuilt()
    await again.adapter.start()
    assert discord.rest.puts == 1
    await again.adapter.stop()


async def test_two_channels_with_different_servers_live_in_one_process(hub, discord):
    async with type(discord)() as other:
        inbox = type(hub.inbox)()
        second = replace(hub, wiring=replace(hub.wiring, inbox=inbox, cursors=inbox)).rebuilt(**other.settings())
        await second.adapter.start()
        await other.say("from the second")
        await discord.say("from the first")
        await inbox.heard("from the second")
        await hub.inbox.heard("from the first")
        await second.adapter.stop()


# what goes wrong


async def test_a_wrong_token_is_for_an_admin(cold):
    with pytest.raises(BadCredentials, match="Reset Token"):
        await cold.rebuilt(bot_token="fake-but-wrong").adapter.start()


async def test_a_missing_privileged_intent_names_the_switch_to_flip(cold, discord):
    discord.gateway.privileged = 0
    with pytest.raises(BadCredentials, match="Message Content Intent"):
        await cold.adapter.start()


async def test_a_token_that_only_the_gateway_refuses_is_for_an_admin(cold, discord):
    discord.gateway.token, discord.rest.gateway = "another-fake", type(discord)().gateway
    discord.rest.gateway.url = discord.gateway.url
    with pytest.raises(BadCredentials, match="4004"):
        await cold.adapter.start()


@pytest.mark.parametrize(("code", "error"), [(4011, BadCredentials), (4000, NotReady)])
def test_what_the_gateway_closes_with_says_who_must_act(code, error):
    closed = ConnectionClosed(SimpleNamespace(close_code=code), shard_id=None)
    assert type(setup_error(closed)) is error


async def test_a_bot_that_connected_too_often_today_does_not_connect_again(cold, discord, monkeypatch):
    limit = {"url": discord.gateway.url, "session_start_limit": {"remaining": 0}}
    monkeypatch.setattr(cold.adapter.client, "call", lambda *_: asyncio.sleep(0, limit))
    with pytest.raises(NotReady, match="too often"):
        await cold.adapter.start()
    assert discord.gateway.identified == 0


async def test_a_server_that_is_away_is_tried_again(cold, discord):
    await discord.stop()
    with pytest.raises(NotReady):
        await cold.adapter.start()
    with pytest.raises(NotReady):
        await cold.adapter.probe()


async def test_silence_is_noticed_though_the_socket_stays_open(cold, discord):
    discord.gateway.heartbeat_interval = 20
    cold.adapter.silence_limit = 0.3
    await cold.adapter.start()
    await cold.adapter.probe()
    discord.faults.silent = True
    await until(lambda: cold.adapter.health.silent_for > 0.3)
    with pytest.raises(NotReady, match="no heartbeat"):
        await cold.adapter.probe()


async def test_a_token_revoked_in_flight_is_noticed_by_the_probe(hub, discord):
    discord.gateway.token = "changed-fake"
    await discord.drop_socket()
    await until(lambda: hub.adapter._running.done())
    with pytest.raises(BadCredentials):
        await hub.adapter.probe()


async def test_a_429_says_how_long_to_wait(hub, discord):
    discord.faults.throttle, discord.faults.retry_after = 1, 0.7
    await discord.say("hello")
    with pytest.raises(Throttled) as refusal:
        await hub.answer(await hub.inbox.heard("hello"), "hi")
    assert (refusal.value.retry_after, refusal.value.scope) == (0.7, "room")


async def test_when_all_of_the_bot_is_throttled_the_whole_channel_waits(hub, discord, monkeypatch):
    page = rest.web.Response(status=429, text="<html>banned</html>", headers={"Retry-After": "7"})
    monkeypatch.setattr(rest, "_throttled", lambda _: page)
    discord.faults.throttle = 1
    await discord.say("hello")
    with pytest.raises(Throttled) as refusal:
        await hub.answer(await hub.inbox.heard("hello"), "hi")
    assert (refusal.value.retry_after, refusal.value.scope) == (7, "bot")


async def test_a_lost_answer_is_unconfirmed_and_sending_again_does_no_harm(hub, discord):
    discord.faults.fail_after_accepting = 1
    await discord.say("hello")
    event = await hub.inbox.heard("hello")
    with pytest.raises(Unconfirmed):
        await hub.answer(event, "hi", "SAME")
    await hub.answer(event, "hi", "SAME")
    assert len([message for message in discord.messages if message.is_bot]) == 1


async def test_a_room_that_is_gone_is_never_tried_again(hub, discord):
    await discord.say("hello")
    event = await hub.inbox.heard("hello")
    del discord.world.channels[event.address.room]
    with pytest.raises(Undeliverable):
        await hub.answer(event, "hi")


async def test_what_is_too_long_is_refused(hub, discord):
    await discord.say("hello")
    with pytest.raises(Undeliverable, match="2000"):
        await hub.answer(await hub.inbox.heard("hello"), "x" * 2001)


async def test_a_refused_connection_is_certainly_not_sent(hub, discord):
    await discord.say("hello")
    event = await hub.inbox.heard("hello")
    await discord.stop()
    with pytest.raises((Unavailable, Unconfirmed)):
        await hub.answer(event, "hi")
    with pytest.raises(Unavailable):
        await hub.answer(event, "hi")


async def test_the_hub_finds_back_to_a_server_that_was_restarted(hub, discord):
    port = int(discord.url.rpartition(":")[2])
    await discord.say("one")
    await hub.inbox.heard("one")
    await discord.stop()
    await discord.start(port)
    await discord.say("two")
    await hub.inbox.heard("two")
    assert hub.inbox.texts() == ["one", "two"]
    assert discord.gateway.resumed == 1


async def test_odd_payloads_are_left_out_and_the_connection_stays(hub, discord):
    with structlog.testing.capture_logs() as logs:
        for data in ({}, {"id": 5}, {"id": "1", "channel_id": "x"}, {"author": []}, None, [], "text"):
            for session in discord.gateway.sessions.values():
                session.send(session.tell("MESSAGE_CREATE", data))
                session.send(session.tell("MESSAGE_DELETE_BULK", data))
        await discord.say("hello")
        await hub.inbox.heard("hello")
    assert [line["kind"] for line in logs if line["event"] == "an odd dispatch was left out"] == ["MESSAGE_CREATE"] * 7
    assert discord.gateway.identified == 1


async def test_stopping_twice_and_after_a_failed_start_is_harmless(cold, discord):
    discord.gateway.privileged = 0
    with pytest.raises(BadCredentials):
        await cold.adapter.start()
    await cold.adapter.stop()
    await cold.adapter.stop()


async def test_before_the_start_nothing_is_sent(cold):
    with pytest.raises(Unavailable):
        await cold.adapter.send(Address("disc", "70"), Part("hi"), "KEY1")


async def test_after_stop_nothing_is_sent(hub, discord):
    await discord.say("hello")
    event = await hub.inbox.heard("hello")
    await hub.adapter.stop()
    with pytest.raises(Unavailable):
        await hub.answer(event, "hi")


async def test_the_token_is_in_no_log(cold, discord, caplog):
    caplog.set_level(logging.DEBUG)
    await cold.adapter.start()
    await discord.say("hello")
    await cold.answer(await cold.inbox.heard("hello"), "hi")
    assert discord.gateway.token not in caplog.text


async def test_messages_of_a_burst_keep_their_order(hub, discord):
    said = [f"message {number}" for number in range(50)]
    for text in said:
        await discord.say(text, room="70")
    await hub.inbox.heard("message 49")
    assert [event.text for event in hub.inbox.events if isinstance(event, Message)] == said


async def until(happened) -> None:
    async with asyncio.timeout(5):
        while not happened():
            await asyncio.sleep(0.01)
