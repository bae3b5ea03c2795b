"""The simulated Telegram keeps to the Bot API's rules."""

import json
import time

import aiohttp
import pytest
from aiohttp import web

from core.site import Site
from simulators.telegram import TelegramSimulator
from simulators.telegram.text import ParseError, check, find, parse_html, to_html
from tests.adapters.telegram.bot_api import API, faults

ALL = json.dumps(["message", "edited_message", "callback_query", "message_reaction", "my_chat_member"])


@pytest.fixture
async def telegram():
    async with TelegramSimulator() as simulator:
        yield simulator


@pytest.fixture
async def call(telegram):
    """Calls a method as any client could; JSON body."""
    async with aiohttp.ClientSession() as http:

        async def post(method, **given):
            url = f"{telegram.url}/bot{telegram.token}/{method}"
            async with http.post(url, json=given) as response:
                answer = await response.json()
                assert answer["ok"] == (response.status == 200)
                return answer["result"] if answer["ok"] else answer["description"]

        yield post


async def updates(call, **given):
    return await call("getUpdates", **given)


async def test_updates_stay_until_an_offset_confirms_them(telegram, call):
    await telegram.say("one")
    await telegram.say("two")
    first, second = await updates(call)
    assert await updates(call, limit=1) == [first]
    assert await updates(call, offset=first["update_id"] + 1) == [second]
    assert await updates(call) == [second]
    assert await updates(call, offset=second["update_id"] + 1) == []


async def test_a_poll_waits_for_news(telegram, call):
    import asyncio

    waiting = asyncio.create_task(updates(call, timeout=10))
    while not telegram.queue.polled:
        await asyncio.sleep(0)
    await telegram.say("hello")
    assert [update["message"]["text"] for update in await waiting] == ["hello"]


async def test_the_first_of_two_pollers_is_turned_away(telegram, call):
    import asyncio

    first = asyncio.create_task(updates(call, timeout=10))
    while not telegram.queue.polled:
        await asyncio.sleep(0)
    assert await updates(call) == []
    assert (await first).startswith("Conflict: terminated by other getUpdates request")


async def test_everything_it_sends_is_such_as_the_bot_api_describes(telegram, call):
    await updates(call, allowed_updates=ALL)
    said = await telegram.say("hello @hub 😀 https://x.org")
    await telegram.say("hello", room=telegram.forum, thread="9", reply_to=None)
    await telegram.say("@hub in a topic", room=telegram.forum, thread="9")
    await telegram.edit_message(said, "hello!")
    await telegram.react(said, "👍")
    await telegram.react(said, "👍", added=False)
    markup = {"inline_keyboard": [[{"text": "A", "callback_data": "a"}]]}
    sent = await call(
        "sendMessage", chat_id=42, text="hi", reply_markup=markup, reply_parameters={"message_id": int(said.id)}
    )
    await telegram.press(telegram.messages[-1], "a")
    await telegram.join()
    await telegram.invite()
    await telegram.block()
    found = await updates(call)
    assert [next(k for k in update if k != "update_id") for update in found] == [
        *["message"] * 2,
        "edited_message",
        *["message_reaction"] * 2,
        "callback_query",
        "message",
        *["my_chat_member"] * 2,
    ]
    assert [fault for update in found for fault in faults(update, "Update")] == []
    assert faults(sent, "Message") == []
    assert faults(await call("getMe"), "User") == []
    assert faults(await call("getWebhookInfo"), "WebhookInfo") == []


async def test_only_the_kinds_asked_for_are_told(telegram, call):
    await updates(call, allowed_updates='["message"]')
    said = await telegram.say("one")
    await telegram.edit_message(said, "two")
    assert [update["message"]["text"] for update in await updates(call)] == ["one"]


async def test_privacy_mode_hides_what_does_not_concern_the_bot(telegram, call):
    await telegram.say("just chatting", room=telegram.group)
    await telegram.say("/ask@other_bot", room=telegram.group)
    await telegram.say("hey @hub", room=telegram.group)
    await telegram.say("/help", room=telegram.group)
    await call("sendMessage", chat_id=telegram.group, text="hi")
    await telegram.say("and?", room=telegram.group, reply_to=telegram.messages[-1])
    assert [update["message"]["text"] for update in await updates(call)] == ["hey @hub_bot", "/help", "and?"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"chat_id": 4711, "text": "x"}, "Bad Request: chat not found"),
        ({"text": "x"}, "Bad Request: chat id is not specified"),
        ({"chat_id": 42, "text": " "}, "Bad Request: message text is empty"),
        ({"chat_id": 42, "text": "😀" * 2049}, "Bad Request: message is too long"),
        ({"chat_id": -100600, "text": "x", "message_thread_id": 1}, "Bad Request: message thread not found"),
        ({"chat_id": 42, "text": "<b>x", "parse_mode": "HTML"}, "Bad Request: can't parse entities"),
        ({"chat_id": 42, "text": "<x>x</x>", "parse_mode": "HTML"}, "Bad Request: can't parse entities"),
        (
            {"chat_id": 42, "text": "x", "entities": [{"type": "bold", "offset": 0, "length": 2}]},
            "Bad Request: entity beginning at UTF-16 offset 0 ends after the end",
        ),
        (
            {"chat_id": 42, "text": "x", "reply_parameters": {"message_id": 9}},
            "Bad Request: message to be replied not found",
        ),
        (
            {
                "chat_id": 42,
                "text": "x",
                "reply_markup": {"inline_keyboard": [[{"text": "A", "callback_data": "ä" * 33}]]},
            },
            "Bad Request: BUTTON_DATA_INVALID",
        ),
    ],
)
async def test_it_refuses_in_the_words_of_the_bot_api(call, given, words):
    assert (await call("sendMessage", **given)).startswith(words)


async def test_4096_units_after_parsing_are_taken(call):
    assert (
        faults(await call("sendMessage", chat_id=42, text=f"<b>{'x' * 4096}</b>", parse_mode="HTML"), "Message") == []
    )


async def test_edits_deletes_and_reactions(telegram, call):
    sent = await call("sendMessage", chat_id=42, text="one")
    where = {"chat_id": 42, "message_id": sent["message_id"]}
    assert (await call("editMessageText", **where, text="one")).startswith("Bad Request: message is not modified")
    await call("editMessageText", **where, text="two")
    assert (telegram.messages[-1].text, telegram.messages[-1].edited) == ("two", True)
    assert await call("setMessageReaction", **where, reaction=[]) is True
    assert await call("deleteMessage", **where) is True
    assert telegram.messages[-1].deleted
    assert await call("editMessageText", **where, text="x") == "Bad Request: message to edit not found"


async def test_others_messages_cannot_be_edited(telegram, call):
    said = await telegram.say("mine")
    answer = await call("editMessageText", chat_id=42, message_id=int(said.id), text="x")
    assert answer == "Bad Request: message can't be edited"


async def test_a_blocked_bot_cannot_write(telegram, call):
    await telegram.block()
    assert await call("sendMessage", chat_id=42, text="x") == "Forbidden: bot was blocked by the user"
    await telegram.block(blocked=False)
    assert (await call("sendMessage", chat_id=42, text="x"))["text"] == "x"


async def test_a_wrong_token_is_refused(telegram, call):
    telegram.token = "1:FAKE-other"
    async with telegram.http.get(f"{telegram.url}/bot2:FAKE/getMe") as response:
        assert (response.status, (await response.json())["description"]) == (401, "Unauthorized")
    async with telegram.http.get(f"{telegram.url}/botnonsense/getMe") as response:
        assert response.status == 404
    async with telegram.http.get(f"{telegram.url}/bot{telegram.token}/show") as response:
        assert response.status == 404


async def test_typing_lasts_five_seconds_or_until_a_message(telegram, call):
    await call("sendChatAction", chat_id=42, action="typing")
    assert 4 < telegram.typing["42"] - time.monotonic() <= 5
    await call("sendMessage", chat_id=42, text="x")
    assert telegram.typing == {}


@pytest.mark.parametrize("encoded", ["form", "multipart", "query"])
async def test_parameters_come_in_any_of_the_documented_ways(telegram, encoded):
    given = {"chat_id": "42", "text": "x", "reply_markup": '{"inline_keyboard":[[{"text":"A","callback_data":"a"}]]}'}
    form = aiohttp.FormData(default_to_multipart=encoded == "multipart")
    for name, value in given.items() if encoded != "query" else ():
        form.add_field(name, value)
    url = f"{telegram.url}/bot{telegram.token}/sendMessage"
    async with telegram.http.post(url, data=form, params=given if encoded == "query" else None) as response:
        assert response.status == 200
    assert telegram.messages[-1].choices == [("A", "a")]


async def test_faults_strike_as_often_as_told(telegram, call):
    telegram.faults.throttle, telegram.faults.refuse, telegram.faults.fail_after_accepting = 1, 1, 1
    answers = [await call("sendMessage", chat_id=42, text=str(n)) for n in range(4)]
    assert answers[:3] == ["Too Many Requests: retry after 1", "Bad Gateway", "Bad Gateway"]
    assert [message.text for message in telegram.messages] == ["2", "3"]


async def test_a_silent_platform_keeps_the_caller_waiting(telegram, call):
    telegram.faults.silent = True
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.1)) as http:
        with pytest.raises(TimeoutError):
            await http.get(f"{telegram.url}/bot{telegram.token}/getMe")
    telegram.faults.silent = False
    assert (await call("getMe"))["username"] == "hub_bot"


async def test_deliveries_can_be_doubled_and_turned_round(telegram, call):
    telegram.faults.reorder = 2
    await telegram.say("one")
    assert await updates(call) == []
    telegram.faults.duplicate = 1
    await telegram.say("two")
    assert [update["message"]["text"] for update in await updates(call)] == ["two", "two", "one"]


async def test_what_was_not_confirmed_outlives_a_restart(telegram, call):
    await telegram.say("hello")
    port = int(telegram.url.rpartition(":")[2])
    await telegram.stop()
    await telegram.start(port)
    assert [update["message"]["text"] for update in await updates(call)] == ["hello"]


async def test_a_webhook_is_called_with_the_secret_until_it_takes_the_update(telegram, call):
    seen, statuses = [], [500, 404, 200]

    async def hook(request):
        seen.append((request.headers["X-Telegram-Bot-Api-Secret-Token"], (await request.json())["message"]["text"]))
        return web.Response(status=statuses[len(seen) - 1])

    app = web.Application()
    app.router.add_post("/hook", hook)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await Site(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    assert await call("setWebhook", url=url, secret_token="FAKE-secret") is True
    assert (await updates(call)).startswith("Conflict: can't use getUpdates method while webhook is active")
    telegram.queue.retry_every = 0.01
    await telegram.say("hello")
    assert (await call("getWebhookInfo"))["pending_update_count"] == 1
    while telegram.queue.updates:
        await telegram.next_change()
    assert seen == [("FAKE-secret", "hello")] * 3
    await runner.cleanup()


async def test_a_webhook_must_be_https_in_the_world(call):
    assert "HTTPS URL must be provided" in await call("setWebhook", url="http://hub.example/x")


def test_names_are_found_where_telegram_finds_them():
    kinds = [(e["type"], e["offset"], e["length"]) for e in find("😀 @ann a@b.org /help https://x.org")]
    assert kinds == [("mention", 3, 4), ("bot_command", 16, 5), ("url", 22, 13)]


def test_html_is_safe_and_well_formed_whatever_overlaps():
    entities = [{"type": "bold", "offset": 0, "length": 4}, {"type": "italic", "offset": 2, "length": 4}]
    assert to_html("<a>\nbc", entities) == "<b>&lt;a<i>&gt;<br></i></b><i>bc</i>"
    link = [{"type": "text_link", "offset": 0, "length": 1, "url": 'javascript:"x"'}]
    assert to_html("x", link) == '<span class="text_link">x</span>'


def test_its_own_html_mode_reads_what_it_shows():
    text, entities = parse_html("<b>a <i>b</i></b> &lt;c&gt; <a href='https://x.org'>d</a>")
    assert text == "a b <c> d"
    assert [e["type"] for e in check(text, entities)] == ["bold", "italic", "text_link"]
    with pytest.raises(ParseError):
        parse_html("<b>a</i>")


def test_every_method_it_offers_is_one_of_the_bot_api():
    offered = {name for name in dir(TelegramSimulator().api) if name[:1].islower() and any(c.isupper() for c in name)}
    assert offered <= set(API["methods"])
