"""The simulated workspace keeps Slack's rules, for the unmodified SDK."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from simulators.slack import SlackSimulator
from simulators.slack.display import show
from simulators.slack.workspace import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET

PAYLOADS = Path(__file__).parents[1] / "adapters" / "payloads" / "slack"


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with SlackSimulator("http", retry_after=(0.0, 0.01, 0.02), patience=0.5, echoes=False) as running:
        yield running


@pytest.fixture
async def client(slack: SlackSimulator) -> AsyncIterator[AsyncWebClient]:
    async with aiohttp.ClientSession() as session:
        web_client = AsyncWebClient(BOT_TOKEN, f"{slack.url}/api/", session=session, retry_handlers=[])
        web_client.proxy = None
        yield web_client


@asynccontextmanager
async def app(slack: SlackSimulator, statuses: list[int]) -> AsyncIterator[list[tuple[web.Request, bytes]]]:
    """An app that answers with the given statuses, then 200."""
    got: list[tuple[web.Request, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        got.append((request, await request.read()))
        return web.Response(status=statuses.pop(0) if statuses else 200)

    server = web.Application()
    server.router.add_post("/slack", take)
    async with TestServer(server) as running:
        slack.webhook_url = str(running.make_url("/slack"))
        yield got


def texts(got: list[tuple[web.Request, bytes]]) -> list[str]:
    return [json.loads(body)["event"]["text"] for _, body in got]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def refusal(call: Awaitable[Any]) -> str:
    with pytest.raises(SlackApiError) as error:
        await call
    return str(error.value.response["error"])


async def test_posts_are_signed_over_their_raw_body(slack: SlackSimulator) -> None:
    async with app(slack, []) as got:
        await slack.say("hi <there> & you")
    request, body = got[0]
    stamp = request.headers["X-Slack-Request-Timestamp"]
    digest = hmac.new(SIGNING_SECRET.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    assert request.headers["X-Slack-Signature"] == f"v0={digest}"
    assert abs(time.time() - int(stamp)) < 5
    assert texts(got) == ["hi &lt;there&gt; &amp; you"]


async def test_a_mention_in_a_channel_comes_as_message_and_as_mention(slack: SlackSimulator) -> None:
    async with app(slack, []) as got:
        await slack.say("@hub hi", room="C1")
        await slack.say("@hub hi", room="D1")
    told = [json.loads(body) for _, body in got]
    assert [payload["event"]["type"] for payload in told] == ["message", "app_mention", "message"]
    assert len({payload["event_id"] for payload in told}) == 3
    assert told[0]["event"]["ts"] == told[1]["event"]["ts"]


async def test_events_have_only_fields_that_slack_sends(slack: SlackSimulator) -> None:
    """Held against recorded and collected payloads."""
    known = _fields(
        "channel-mention", "streaming", "MessageChangedPayload", "MessageDeletedPayload", "MessageBotPayload"
    )
    known |= _fields("MemberJoinedChannelPayload", "ReactionRemovedPayload")
    async with app(slack, []) as got:
        said = await slack.say("@hub hi", room="C1")
        await slack.say("more", room="C1", thread=said.id)
        await slack.edit_message(said, "hello")
        await slack.react(said, "eyes")
        await slack.join("C1")
        await slack.delete_message(said)
    for _, body in got:
        payload = json.loads(body)
        assert payload["event"].keys() | payload.keys() <= known


def _fields(*names: str) -> set[str]:
    found: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            found.update(value)
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    for name in names:
        walk(json.loads((PAYLOADS / f"{name}.json").read_text()))
    return found


async def test_commands_have_the_fields_of_a_recorded_one(slack: SlackSimulator) -> None:
    async with app(slack, []) as got:
        await slack.command("ai", "hi", room="C1")
    request, body = got[0]
    recorded = json.loads((PAYLOADS / "slash-commands.json").read_text())["slashCommandWithArgs"]
    form = {pair.partition("=")[0] for pair in body.decode().split("&")}
    assert form == recorded.keys()
    assert request.content_type == "application/x-www-form-urlencoded"


async def test_an_event_that_is_not_taken_comes_three_times_more(slack: SlackSimulator) -> None:
    async with app(slack, [500] * 9) as got:
        await slack.say("hi")
        await until(lambda: bool(slack.round.lost))
    assert [request.headers.get("X-Slack-Retry-Num") for request, _ in got] == [None, "1", "2", "3"]
    assert len({body for _, body in got}) == 1


async def test_a_command_that_is_not_taken_is_not_repeated_and_its_author_is_told(slack: SlackSimulator) -> None:
    async with app(slack, [500]) as got:
        await slack.command("ai", "hi")
    assert len(got) == 1
    assert "dispatch_failed" in slack.messages[-1].text
    assert slack.messages[-1].only_for == "U1"


async def test_deliveries_are_doubled_and_reordered_on_demand(slack: SlackSimulator) -> None:
    async with app(slack, []) as got:
        slack.faults.duplicate = 1
        await slack.say("one")
        slack.faults.reorder = 2
        await slack.say("two")
        await slack.say("three")
    assert texts(got) == ["one", "one", "three", "two"]


async def test_a_silent_workspace_delivers_later(slack: SlackSimulator) -> None:
    async with app(slack, []) as got:
        slack.faults.silent = True
        await slack.say("hi")
        assert not got
        slack.faults.silent = False
        await until(lambda: len(got) == 1)


async def test_messages_are_posted_edited_and_deleted(slack: SlackSimulator, client: AsyncWebClient) -> None:
    post = await client.chat_postMessage(channel="D1", text="*hi*")
    assert slack.messages[0].html == "<b>hi</b>"
    await client.chat_update(channel="D1", ts=post["ts"], text="_ho_")
    assert (slack.messages[0].html, slack.messages[0].edited) == ("<i>ho</i>", True)
    await client.chat_delete(channel="D1", ts=post["ts"])
    assert slack.messages[0].deleted


async def test_refusals_are_slacks_own(slack: SlackSimulator, client: AsyncWebClient) -> None:
    assert await refusal(client.chat_postMessage(channel="C404", text="x")) == "channel_not_found"
    assert await refusal(client.api_call("chat.postMessage", json={"channel": "D1"})) == "no_text"
    assert await refusal(client.chat_update(channel="D1", ts="1.1", text="x")) == "message_not_found"
    assert await refusal(client.api_call("no.such")) == "unknown_method"
    said = await slack.say("mine")
    assert await refusal(client.chat_update(channel="D1", ts=said.id, text="x")) == "cant_update_message"
    bad_metadata = {"channel": "D1", "text": "x", "metadata": {"event_type": "x"}}
    assert await refusal(client.api_call("chat.postMessage", json=bad_metadata)) == "invalid_metadata_format"


async def test_tokens_are_checked(slack: SlackSimulator, client: AsyncWebClient) -> None:
    client.token = "xoxb-wrong"
    assert await refusal(client.auth_test()) == "invalid_auth"
    client.token = APP_TOKEN
    assert await refusal(client.auth_test()) == "not_allowed_token_type"
    client.token = ""
    assert await refusal(client.api_call("auth.test")) == "not_authed"


async def test_long_texts_are_cut_when_new_and_refused_in_an_edit(
    slack: SlackSimulator, client: AsyncWebClient
) -> None:
    post = await client.chat_postMessage(channel="D1", text="x" * 50_000)
    assert len(slack.messages[0].text) == 40_000
    assert await refusal(client.chat_update(channel="D1", ts=post["ts"], text="x" * 4001)) == "msg_too_long"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}},
        {"type": "actions", "elements": []},
        {"type": "actions", "elements": [{"type": "button", "action_id": "a", "text": {"text": "x" * 76}}]},
        {"type": "actions", "elements": [{"type": "button", "action_id": "a", "text": {"text": "x"}}] * 2},
    ],
)
async def test_blocks_keep_their_limits(client: AsyncWebClient, block: dict[str, Any]) -> None:
    assert (
        await refusal(client.api_call("chat.postMessage", json={"channel": "D1", "blocks": [block]}))
        == "invalid_blocks"
    )


async def test_sends_fail_as_asked(slack: SlackSimulator, client: AsyncWebClient) -> None:
    slack.faults.throttle, slack.faults.retry_after = 1, 3
    with pytest.raises(SlackApiError) as error:
        await client.chat_postMessage(channel="D1", text="x")
    assert (error.value.response.status_code, error.value.response.headers["Retry-After"]) == (429, "3")
    slack.faults.refuse = 1
    assert await refusal(client.chat_postMessage(channel="D1", text="x")) == "service_unavailable"
    assert not slack.messages
    slack.faults.fail_after_accepting = 1
    assert await refusal(client.chat_postMessage(channel="D1", text="x")) == "internal_error"
    assert len(slack.messages) == 1


async def test_a_response_address_works_five_times(slack: SlackSimulator) -> None:
    url = slack.api.response_url(slack.url, "C1", "U1", 77)
    statuses = []
    for number in range(6):
        async with slack.http.post(url, json={"text": f"{number}", "replace_original": number == 1}) as response:
            statuses.append(response.status)
    assert statuses == [200] * 5 + [404]
    assert [seen.text for seen in slack.messages] == ["1", "2", "3", "4"]
    assert {seen.only_for for seen in slack.messages} == {"U1"}


async def test_history_shows_metadata_only_when_asked(slack: SlackSimulator, client: AsyncWebClient) -> None:
    metadata = {"event_type": "part", "event_payload": {"key": "k"}}
    await client.api_call("chat.postMessage", json={"channel": "D1", "text": "x", "metadata": metadata})
    plain = await client.conversations_history(channel="D1")
    full = await client.conversations_history(channel="D1", include_all_metadata=True)
    assert "metadata" not in plain["messages"][0]
    assert full["messages"][0]["metadata"] == metadata


async def test_the_small_methods(slack: SlackSimulator, client: AsyncWebClient) -> None:
    said = await slack.say("hi", room="C1")
    await client.assistant_threads_setStatus(channel_id="C1", thread_ts=said.id, status="is thinking…")
    assert said.id in slack.typing
    await client.reactions_add(channel="C1", timestamp=said.id, name="eyes")
    assert await refusal(client.reactions_add(channel="C1", timestamp=said.id, name="eyes")) == "already_reacted"
    assert (await client.users_info(user="U1"))["user"]["profile"]["display_name"] == "Ada"
    await client.chat_postEphemeral(channel="C1", user="U1", text="psst")
    assert slack.messages[-1].only_for == "U1"


async def test_people_are_told_as_slack_tells_them(slack: SlackSimulator, client: AsyncWebClient) -> None:
    await slack.say("hi", room="C1", user="U9")
    told = {user: (await client.users_info(user=user))["user"] for user in ("U1", "U9", "UHUB")}
    assert [each["id"] for each in told.values()] == list(told)
    assert [each["profile"]["display_name"] for each in told.values()] == ["Ada", "", "hub"]
    assert told["U9"]["real_name"] == told["U9"]["profile"]["real_name"] == "U9"
    assert [each["is_bot"] for each in told.values()] == [False, False, True]
    assert [await refusal(client.users_info(user=user)) for user in ("U404", "C1", "BHUB")] == ["user_not_found"] * 3


async def test_people_are_told_only_to_apps_with_the_scope(slack: SlackSimulator, client: AsyncWebClient) -> None:
    slack.api.scopes = {"chat:write"}
    with pytest.raises(SlackApiError) as caught:
        await client.users_info(user="U1")
    told = {"ok": False, "error": "missing_scope", "needed": "users:read", "provided": "chat:write"}
    assert caught.value.response.data == told


class TestSocketMode:
    @pytest.fixture
    async def slack(self) -> AsyncIterator[SlackSimulator]:
        async with SlackSimulator("socket", retry_after=(0.0, 0.01, 0.02), patience=0.3) as running:
            yield running

    @asynccontextmanager
    async def connected(
        self, slack: SlackSimulator, client: AsyncWebClient, skip: int = 0
    ) -> AsyncIterator[list[SocketModeRequest]]:
        """The SDK's own client, which does not acknowledge the first few envelopes."""
        got: list[SocketModeRequest] = []

        async def take(socket: Any, request: SocketModeRequest) -> None:
            got.append(request)
            if len(got) > skip:
                await socket.send_socket_mode_response(SocketModeResponse(request.envelope_id))

        socket = SocketModeClient(APP_TOKEN, web_client=client, ping_interval=0.5)
        socket.proxy = None
        socket.socket_mode_request_listeners.append(take)
        await socket.connect()
        try:
            yield got
        finally:
            await socket.close()
            await asyncio.gather(
                socket.message_processor,
                socket.message_receiver,
                socket.current_session_monitor,
                return_exceptions=True,
            )

    async def test_an_event_comes_in_an_envelope(self, slack: SlackSimulator, client: AsyncWebClient) -> None:
        async with self.connected(slack, client) as got:
            await slack.say("hi")
        assert (got[0].type, got[0].payload["event"]["text"], got[0].retry_attempt) == ("events_api", "hi", 0)

    async def test_without_an_acknowledgement_it_comes_again(
        self, slack: SlackSimulator, client: AsyncWebClient
    ) -> None:
        async with self.connected(slack, client, skip=1) as got:
            await slack.say("hi")
            await until(lambda: len(got) == 2)
        assert got[0].payload == got[1].payload
        assert got[1].retry_attempt == 1

    async def test_a_dropped_socket_is_opened_again_and_nothing_is_lost(
        self, slack: SlackSimulator, client: AsyncWebClient
    ) -> None:
        async with self.connected(slack, client) as got:
            await slack.drop_sockets()
            await slack.say("hi")
            await until(lambda: len(got) == 1)

    async def test_a_silent_workspace_answers_no_ping(self, slack: SlackSimulator) -> None:
        async with slack.http.ws_connect(slack.api.socket_url, autoping=False) as socket:
            assert (await socket.receive_json())["type"] == "hello"
            await socket.ping(b"1")
            assert (await socket.receive()).type == aiohttp.WSMsgType.PONG
            slack.faults.silent = True
            await socket.ping(b"2")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.receive(), 0.05)


async def test_a_workspace_keeps_all_when_it_starts_again_on_its_port(
    client: AsyncWebClient, slack: SlackSimulator
) -> None:
    await slack.say("hi")
    port = int(slack.url.rpartition(":")[2])
    await slack.stop()
    await slack.start(port)
    assert (await client.auth_test())["user_id"] == slack.bot_id
    assert [seen.text for seen in slack.messages] == ["hi"]


@pytest.mark.parametrize(
    ("mrkdwn", "html"),
    [
        ("*b* _i_ ~s~ `c`", "<b>b</b> <i>i</i> <s>s</s> <code>c</code>"),
        ("*<https://a.b?x=1&amp;y|l*nk>*", '<b><a href="https://a.b?x=1&amp;y" rel="noopener noreferrer">l*nk</a></b>'),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("&lt;img onerror=x&gt;", "&lt;img onerror=x&gt;"),
        ("<javascript:alert(1)|x>", "&lt;javascript:alert(1)|x&gt;"),
        ('<https://a.b/"onclick="x|y>', '<a href="https://a.b/&quot;onclick=&quot;x" rel="noopener noreferrer">y</a>'),
        ("<@U1> <!here>", "<mark>@Ada</mark> <mark>@here</mark>"),
        ("```\n<b> *x*\n```", "<pre>&lt;b&gt; *x*</pre>"),
        ("> q\n&gt; r", "<blockquote>q</blockquote><br><blockquote>r</blockquote>"),
        ("snake_case_name 2*3*4", "snake_case_name 2*3*4"),
    ],
)
def test_looks_as_in_slack_and_is_safe(mrkdwn: str, html: str) -> None:
    assert show(mrkdwn, {"U1": "Ada"}) == html
