"""A Slack channel at work, against a simulated workspace."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from adapters.slack.client import WebApi, is_slacks
from adapters.slack.settings import SlackSettings
from core.errors import BadCredentials, NotReady, Throttled, Unavailable, Unconfirmed, Undeliverable
from core.events import Address, Choice, Command, Deleted, Edited, Joined, Message, Part, Press, Reaction
from simulators.slack import SlackSimulator
from simulators.slack.refusal import Refusal
from simulators.slack.workspace import SIGNING_SECRET
from tests.adapters.slack.conftest import CHANNEL, Stage, stage

DIRECT = Address(CHANNEL, "D1")
WEB_API = json.loads((Path(__file__).parents[1] / "payloads" / "slack" / "web_api.json").read_text())


@pytest.fixture(params=["http", "socket"])
async def it(request: pytest.FixtureRequest) -> Any:
    async with stage(SlackSimulator(request.param, retry_after=(0.0, 0.01, 0.02), patience=0.5)) as running:
        yield running


async def test_a_mention_is_answered_in_the_thread_under_it(it: Stage) -> None:
    said = await it.slack.say("@hub hello", room="C1")
    event = await it.inbox.wait()
    await it.adapter.send(event.address, Part("**hi**"), "k1")
    answer = await it.slack.answer_to(said)
    assert (answer.thread, answer.html) == (said.id, "<b>hi</b>")


async def test_a_token_in_the_environment_is_nothing_to_warn_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-of-another-channel")
    async with stage(SlackSimulator("socket")):
        assert caplog.messages == []


async def test_a_mention_that_slack_tells_twice_is_one_event(it: Stage) -> None:
    await it.slack.say("@hub hello", room="C1")
    await it.slack.say("next", room="D1")
    assert [event.text for event in it.inbox.events] == ["hello", "next"]


async def test_our_own_messages_are_no_events(it: Stage) -> None:
    await it.adapter.send(DIRECT, Part("hi"), "k1")
    await it.slack.say("hello")
    assert [event.user.id for event in it.inbox.events] == ["T1:U1"]


async def test_all_that_users_do_arrives(it: Stage) -> None:
    said = await it.slack.say("hello", room="C1")
    await it.slack.edit_message(said, "hello!")
    await it.slack.unfurl(said)
    await it.slack.react(said, "thumbsup")
    await it.slack.join("C2")
    await it.slack.command("ai", "what is it?", room="C1")
    sent = await it.adapter.send(DIRECT, Part("ok?", (Choice("Yes", "y"), Choice("No", "n"))), "k1")
    await it.slack.press(it.slack.messages[-1], "n")
    await it.slack.delete_message(said)
    kinds = [type(event) for event in it.inbox.events]
    assert kinds == [Message, Edited, Reaction, Joined, Command, Press, Deleted]
    press = it.inbox.events[-2]
    assert isinstance(press, Press)
    assert (press.value, press.label, press.message_id) == ("n", "No", sent.id)


async def test_an_event_that_is_not_durable_is_delivered_again(it: Stage) -> None:
    it.inbox.refuse = 2
    await it.slack.say("hello")
    assert (await it.inbox.wait()).text == "hello"
    assert it.inbox.calls == 3


async def test_an_envelope_is_acknowledged_only_when_its_event_is_durable(socketed: Stage) -> None:
    socketed.inbox.gate.clear()
    saying = asyncio.create_task(socketed.slack.say("hello"))
    async with asyncio.timeout(5):
        while not socketed.inbox.calls:
            await asyncio.sleep(0)
    assert not [wire for wire in socketed.slack.wire if wire.method == "ACK"]
    socketed.inbox.gate.set()
    await saying
    assert len([wire for wire in socketed.slack.wire if wire.method == "ACK"]) == 1


async def test_a_command_is_answered_to_its_author_alone(it: Stage) -> None:
    await it.slack.command("help", room="C1", user="U2")
    event = await it.inbox.wait()
    await it.adapter.send(event.address, Part("help!"), "k1")
    answer = await it.slack.wait_for(lambda seen: seen.is_bot)
    assert (answer.text, answer.only_for, answer.room) == ("help!", "U2", "C1")


async def test_a_used_up_response_address_is_replaced_by_a_new_private_message(it: Stage) -> None:
    await it.slack.command("ai", "write a book", room="C1")
    event = await it.inbox.wait()
    for chapter in range(7):
        await it.adapter.send(event.address, Part(f"chapter {chapter}"), f"k{chapter}")
    told = [seen for seen in it.slack.messages if seen.is_bot]
    assert [seen.text for seen in told] == [f"chapter {n}" for n in range(7)]
    assert {seen.only_for for seen in told} == {"U1"}


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "http://hooks.slack.com/commands/1",
        "https://hooks.slack.com.evil.example/1",
        "https://hooks.slack.com@evil.example/1",
        "https://evil.example\\.slack.com/1",
        "https://hooks.slack.com:8443/1",
        "https://notslack.com/1",
        "file:///etc/passwd",
        "https://[/",
        "",
    ],
)
def test_no_address_but_slacks_is_called(url: str) -> None:
    assert not is_slacks(url, "https://slack.com/api/")


async def test_an_answer_to_another_address_becomes_a_new_private_message(it: Stage) -> None:
    elsewhere = it.slack.url.replace("127.0.0.1", "localhost") + "/response/1"
    await it.adapter.send(Address(CHANNEL, "C1", reply=f"U1 {elsewhere}"), Part("psst"), "k1")
    assert (it.slack.messages[-1].only_for, it.slack.wire[-1].path) == ("U1", "/api/chat.postEphemeral")
    assert not [wire for wire in it.slack.wire if "/response/" in wire.path]


async def test_redirects_are_not_followed() -> None:
    asked = []

    async def redirect(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPFound("/elsewhere")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", redirect)
    async with TestServer(app) as server, ClientSession() as http:
        with pytest.raises(Undeliverable):
            await WebApi(http, str(server.make_url("/api/")), "xoxb-fake").call("chat.postMessage", {})
    assert asked == ["/api/chat.postMessage"]


def test_slacks_own_response_addresses_are_called() -> None:
    assert is_slacks("https://hooks.slack.com/commands/T1/1/x", "https://slack.com/api/")
    assert is_slacks("http://127.0.0.1:8/response/1", "http://127.0.0.1:8/api/")


async def test_an_edit_shows_the_new_text_and_takes_the_buttons_away(it: Stage) -> None:
    sent = await it.adapter.send(DIRECT, Part("wait…", (Choice("Stop", "s"),)), "k1")
    await it.adapter.edit(sent, Part("*done*"))
    await it.adapter.edit(sent, Part("*done*"))
    seen = it.slack.messages[-1]
    assert (seen.html, seen.choices, seen.edited) == ("<i>done</i>", [], True)


@pytest.mark.parametrize("thread", [None, "of its own"])
async def test_what_was_sent_is_found_by_its_key(it: Stage, thread: str | None) -> None:
    said = await it.slack.say("hi", room="C1")
    to = Address(CHANNEL, "C1", said.id if thread else None)
    sent = await it.adapter.send(to, Part("hello"), "key1")
    await it.adapter.edit(sent, Part("edited"))
    assert await it.adapter.find(to, Part("hello"), "key1", time.time() - 1) == sent
    assert await it.adapter.find(to, Part("hello"), "key2", time.time() - 1) is None
    assert await it.adapter.find(to, Part("hello"), "key1", time.time() + 60) is None


async def test_without_the_right_to_read_nothing_is_found_and_the_channel_stays_well(
    it: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(call: Any) -> Any:
        raise Refusal("missing_scope")

    sent = await it.adapter.send(DIRECT, Part("hello"), "key1")
    for method in ("conversations.history", "conversations.replies"):
        monkeypatch.setitem(it.slack.api._methods, method, deny)
    for thread in (None, sent.id):
        assert await it.adapter.find(Address(CHANNEL, "D1", thread), Part("hello"), "key1", 0) is None
    await it.adapter.probe()


async def test_the_longest_text_fits_over_buttons(it: Stage) -> None:
    longest = "x" * it.adapter.capabilities.max_text
    await it.adapter.send(DIRECT, Part(longest, (Choice("ok", "ok"),)), "k1")
    assert it.slack.messages[-1].choices == [("ok", "ok")]


async def test_links_get_no_previews_and_names_no_bell(it: Stage) -> None:
    await it.adapter.send(DIRECT, Part("@here <!channel> https://a.b", (Choice("ok", "ok"),)), "k1")
    await it.adapter.edit(await it.adapter.send(DIRECT, Part("x"), "k2"), Part("<@U1>"))
    post, _, update = (json.loads(wire.body) for wire in it.slack.wire if "chat." in wire.path)
    assert post["unfurl_links"] is post["unfurl_media"] is False
    assert "link_names" not in post
    assert "parse" not in post
    assert post["text"] == "@here &lt;!channel&gt; https://a.b"
    assert update["parse"] == "none"


async def test_calls_are_as_slacks_own_description_has_them(it: Stage) -> None:
    said = await it.slack.say("hi", room="C1")
    to = Address(CHANNEL, "C1", said.id)
    await it.adapter.edit(await it.adapter.send(to, Part("x", (Choice("a", "b"),)), "k1"), Part("y"))
    await it.adapter.find(to, Part("x"), "k1", 0)
    await it.adapter.find(DIRECT, Part("x"), "k1", 0)
    await it.adapter.send(Address(CHANNEL, "C1", reply="U1 "), Part("psst"), "k2")
    seen = set()
    for wire in it.slack.wire:
        if (method := wire.path.removeprefix("/api/")) in WEB_API and wire.body:
            seen.add(method)
            _check(json.loads(wire.body) if wire.method == "POST" else dict(parse_qsl(wire.body)), WEB_API[method])
    assert seen >= {
        "chat.postMessage",
        "chat.update",
        "chat.postEphemeral",
        "conversations.replies",
        "conversations.history",
    }


def _check(call: dict[str, Any], known: dict[str, str]) -> None:
    newer = {"metadata", "include_all_metadata"}  # than the description
    kinds = {"string": str, "boolean": bool, "integer": str, "number": str}  # in a query all is text
    assert call.keys() <= known.keys() | newer
    for name, value in call.items():
        if name not in newer and not isinstance(value, list):  # blocks: JSON in text, or as they are in a JSON body
            assert isinstance(value, kinds[known[name]])


async def test_a_status_is_shown_in_a_thread_and_gone_with_the_answer(it: Stage) -> None:
    said = await it.slack.say("@hub hi", room="C1")
    to = Address(CHANNEL, "C1", said.id)
    await it.adapter.typing(to)
    assert it.slack.typing[said.id] > time.monotonic() + 100
    await it.adapter.send(to, Part("hi"), "k1")
    assert said.id not in it.slack.typing


async def test_a_workspace_that_shows_no_status_is_asked_once(it: Stage) -> None:
    it.slack.api.status_works = False
    for _ in range(3):
        await it.adapter.typing(Address(CHANNEL, "C1", "17.1"))
    assert len([wire for wire in it.slack.wire if "setStatus" in wire.path]) == 1


async def test_a_throttled_status_holds_up_no_answer(it: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = {"ok": False, "error": "ratelimited"}
    monkeypatch.setitem(it.slack.api._methods, "assistant.threads.setStatus", lambda call: refusal)
    await it.adapter.typing(Address(CHANNEL, "C1", "17.1"))


async def test_a_throttled_call_says_how_long_to_wait(it: Stage) -> None:
    it.slack.faults.throttle, it.slack.faults.retry_after = 2, 7
    with pytest.raises(Throttled) as post:
        await it.adapter.send(DIRECT, Part("hi"), "k1")
    assert (post.value.retry_after, post.value.scope) == (7, "room")
    with pytest.raises(Throttled):
        await it.adapter.send(Address(CHANNEL, "D1", reply="U1 "), Part("hi"), "k1")
    assert not [seen for seen in it.slack.messages if seen.is_bot]


async def test_a_throttled_edit_holds_up_the_whole_workspace(it: Stage) -> None:
    sent = await it.adapter.send(DIRECT, Part("hi"), "k1")
    it.slack.faults.throttle = 1
    with pytest.raises(Throttled) as edit:
        await it.adapter.edit(sent, Part("ho"))
    assert edit.value.scope == "bot"


async def test_a_message_that_slack_takes_without_saying_so_is_in_doubt_and_not_sent_twice(it: Stage) -> None:
    it.slack.faults.fail_after_accepting = 1
    since = time.time()
    with pytest.raises(Unconfirmed):
        await it.adapter.send(DIRECT, Part("hi"), "k1")
    assert len(it.slack.messages) == 1
    assert await it.adapter.find(DIRECT, Part("hi"), "k1", since)


async def test_a_refused_message_was_not_sent(it: Stage) -> None:
    it.slack.faults.refuse = 1
    with pytest.raises(Unavailable):
        await it.adapter.send(DIRECT, Part("hi"), "k1")


async def test_a_closed_door_is_certain(it: Stage) -> None:
    await it.slack.stop()
    with pytest.raises(Unavailable):
        await it.adapter.send(DIRECT, Part("hi"), "k1")


async def test_a_late_answer_is_in_doubt() -> None:
    async with stage(SlackSimulator("http"), patience=0.2) as it:
        it.slack.faults.silent = True
        with pytest.raises(Unconfirmed):
            await it.adapter.send(DIRECT, Part("hi"), "k1")
        it.slack.faults.silent = False


@pytest.mark.parametrize("room", ["C404", ""])
async def test_what_slack_will_never_take_is_undeliverable(it: Stage, room: str) -> None:
    with pytest.raises(Undeliverable, match="channel_not_found"):
        await it.adapter.send(Address(CHANNEL, room), Part("hi"), "k1")
    with pytest.raises(Undeliverable, match="no_text"):
        await it.adapter.send(DIRECT, Part(" "), "k1")
    await it.adapter.probe()


async def test_a_revoked_token_is_noticed_when_something_is_sent(it: Stage) -> None:
    it.slack.api.tokens.clear()
    with pytest.raises(Undeliverable):
        await it.adapter.send(DIRECT, Part("hi"), "k1")
    with pytest.raises(BadCredentials, match="bot_token: the token is wrong"):
        await it.adapter.probe()


async def test_the_channel_knows_as_whom_it_is_connected(it: Stage) -> None:
    assert it.adapter.health.identity == "@hub in Acme"


@pytest.mark.parametrize("key", ["bot_token", "app_token"])
async def test_a_wrong_token_needs_an_admin(key: str) -> None:
    async with stage(SlackSimulator("socket"), started=False, **{key: "xoxb-wrong"}) as it:
        with pytest.raises(BadCredentials, match=f"{key}: the token is wrong"):
            await it.adapter.start()


async def test_a_missing_scope_is_named(it: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = {"ok": False, "error": "missing_scope", "needed": "chat:write"}
    monkeypatch.setitem(it.slack.api._methods, "chat.postMessage", lambda call: refusal)
    with pytest.raises(Undeliverable):
        await it.adapter.send(DIRECT, Part("hi"), "k1")
    with pytest.raises(BadCredentials, match="chat:write"):
        await it.adapter.probe()


async def test_tokens_in_each_others_place_are_told_apart() -> None:
    async with stage(SlackSimulator("socket"), started=False, app_token="xoxb-simulated-not-a-token") as it:
        with pytest.raises(BadCredentials, match="wrong kind of token"):
            await it.adapter.start()


async def test_a_platform_that_cannot_be_reached_is_not_ready() -> None:
    async with stage(SlackSimulator("http"), started=False) as it:
        await it.slack.stop()
        with pytest.raises(NotReady):
            await it.adapter.start()


@pytest.mark.parametrize("mode", ["http", "socket"])
async def test_a_channel_without_its_secret_does_not_start(mode: Any) -> None:
    key = "signing_secret" if mode == "http" else "app_token"
    async with stage(SlackSimulator(mode), started=False, **{key: " "}) as it:
        assert it.adapter.settings.missing() == (key,)
        with pytest.raises(BadCredentials, match=key):
            await it.adapter.start()
        async with it.http.post(it.url, data=b"{}") as response:
            assert response.status in (401, 404)


def test_secrets_are_not_shown() -> None:
    assert SIGNING_SECRET not in repr(SlackSettings(platform="slack", signing_secret=SIGNING_SECRET))


async def test_a_silent_socket_is_noticed(socketed: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await socketed.adapter.probe()
    socketed.adapter.health.alive_at -= 100
    socketed.adapter._socket.last_ping_pong_time = time.time() - 100
    with pytest.raises(NotReady, match="silent"):
        await socketed.adapter.probe()
    socketed.adapter._socket.last_ping_pong_time = time.time() - 1
    await socketed.adapter.probe()


async def test_slack_is_asked_once_a_minute_whether_it_hears_us(posted: Stage) -> None:
    asked = lambda: len([wire for wire in posted.slack.wire if wire.path == "/api/auth.test"])  # noqa: E731
    for _ in range(3):
        await posted.adapter.probe()
    assert asked() == 1
    posted.adapter.health.alive_at -= 61
    for _ in range(3):
        await posted.adapter.probe()
    assert asked() == 2


async def test_a_new_socket_is_taken_when_slack_asks_for_it(socketed: Stage) -> None:
    await socketed.slack.refresh()
    await socketed.slack.say("still there?")
    assert (await socketed.inbox.wait()).text == "still there?"


async def test_a_stop_is_safe_twice_and_without_a_start() -> None:
    async with stage(SlackSimulator("socket"), started=False) as it:
        await it.adapter.stop()
        await it.adapter.start()
        await it.adapter.stop()
        await it.adapter.stop()


async def test_a_private_answer_is_not_shown_growing_for_it_bears_few_edits(it: Stage) -> None:
    assert it.adapter.can_draft(Address("team", "C1", "1.1"))
    assert not it.adapter.can_draft(Address("team", "C1", reply="U1 https://hooks.example/1"))
