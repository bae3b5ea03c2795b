"""The simulated Discord, held against what its pages say; spoken to without our adapter."""

import asyncio
import json
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from simulators.discord import DiscordSimulator

INTENTS = 1 | 1 << 9 | 1 << 10 | 1 << 12 | 1 << 13 | 1 << 15


@pytest.fixture
async def discord() -> AsyncIterator[DiscordSimulator]:
    async with DiscordSimulator() as simulator:
        yield simulator


async def call(discord, method, path, body=None, token="fake-discord-bot-token"):
    headers = {"Authorization": f"Bot {token}"}
    async with discord.http.request(method, discord.url + "/api/v10" + path, json=body, headers=headers) as response:
        text = await response.text()
        return response, json.loads(text) if text else None


class Ears:
    """A bare gateway client."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, op, data):
        await self.socket.send_json({"op": op, "d": data})

    async def next(self, name=None):
        async with asyncio.timeout(5):
            while True:
                frame = await self.socket.receive_json()
                if name is None or frame["t"] == name:
                    return frame

    async def identify(self, token="fake-discord-bot-token", intents=INTENTS):
        assert (await self.next())["op"] == 10
        await self.say(2, {"token": token, "intents": intents, "properties": {}})


@asynccontextmanager
async def ears(discord, query=""):
    async with discord.http.ws_connect(discord.gateway.url + query) as socket:
        yield Ears(socket)


async def test_a_wrong_token_is_401(discord):
    response, body = await call(discord, "GET", "/users/@me", token="fake-but-wrong")
    assert (response.status, body["message"]) == (401, "401: Unauthorized")


async def test_json_is_answered_without_a_charset(discord):
    response, _ = await call(discord, "GET", "/users/@me")
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"content": "x" * 2001}, 400, 50035),
        ({"content": "  "}, 400, 50006),
        ({"content": "x", "nonce": "n" * 26}, 400, 50035),
        ({"content": "x", "message_reference": {"message_id": "1"}}, 400, 50035),
        ({"content": "x", "message_reference": {"message_id": "1", "fail_if_not_exists": False}}, 200, None),
    ],
)
async def test_limits_are_refused_as_discord_does(discord, body, status, code):
    response, answer = await call(discord, "POST", "/channels/70/messages", body)
    assert (response.status, answer.get("code")) == (status, code)


async def test_an_enforced_nonce_is_answered_with_the_first_message(discord):
    body = {"content": "x", "nonce": "one", "enforce_nonce": True}
    _, first = await call(discord, "POST", "/channels/70/messages", body)
    _, second = await call(discord, "POST", "/channels/70/messages", body)
    assert first["id"] == second["id"]
    assert len(discord.messages) == 1


async def test_without_allowed_mentions_everybody_is_disturbed(discord):
    await call(discord, "POST", "/channels/70/messages", {"content": "@everyone <@42>"})
    assert [who for _, who in discord.world.notified] == ["everyone", "42"]


async def test_a_thread_has_the_id_of_its_message_and_is_opened_once(discord):
    said = await discord.say("hello", room="70")
    path = f"/channels/70/messages/{said.id}/threads"
    response, thread = await call(discord, "POST", path, {"name": "here"})
    assert (response.status, thread["id"]) == (201, said.id)
    _, again = await call(discord, "POST", path, {"name": "here"})
    assert again["code"] == 160004


async def test_only_its_own_messages_can_be_edited_by_a_bot(discord):
    said = await discord.say("hello", room="70")
    response, _ = await call(discord, "PATCH", f"/channels/70/messages/{said.id}", {"content": "x"})
    assert response.status == 403


async def test_a_429_has_via_and_retry_after_in_the_body(discord):
    discord.faults.throttle, discord.faults.retry_after = 1, 0.3
    response, body = await call(discord, "POST", "/channels/70/messages", {"content": "x"})
    assert (response.status, body["retry_after"]) == (429, 0.3)
    assert "Via" in response.headers


async def test_the_history_after_a_message_comes_newest_first(discord):
    said = [await discord.say(str(number), room="70") for number in range(4)]
    _, page = await call(discord, "GET", f"/channels/70/messages?after={said[0].id}&limit=2")
    assert [message["content"] for message in page] == ["2", "1"]


async def test_an_interaction_is_answered_once_through_its_token(discord):
    await discord.command("ai", room="70")
    (asked,) = discord.world.interactions.values()
    path = f"/interactions/{asked.id}/{asked.token}/callback"
    assert (await call(discord, "POST", path, {"type": 5}))[0].status == 204
    assert (await call(discord, "POST", path, {"type": 5}))[1]["code"] == 40060
    await call(discord, "PATCH", f"/webhooks/800/{asked.token}/messages/@original", {"content": "done"})
    assert [message.text for message in discord.messages] == ["/ai", "done"]


async def test_an_interaction_left_alone_for_three_seconds_is_lost(discord):
    await discord.command("ai", room="70")
    (asked,) = discord.world.interactions.values()
    asked.asked_at -= 3.1
    _, body = await call(discord, "POST", f"/interactions/{asked.id}/{asked.token}/callback", {"type": 5})
    assert body["code"] == 10062


async def test_the_gateway_greets_and_tells_the_bot_of_its_own_messages(discord):
    async with ears(discord) as gateway:
        await gateway.identify()
        assert (await gateway.next("READY"))["d"]["user"]["id"] == "900"
        assert (await gateway.next("GUILD_CREATE"))["d"]["id"] == "7"
        await call(discord, "POST", "/channels/70/messages", {"content": "mine"})
        assert (await gateway.next("MESSAGE_CREATE"))["d"]["author"]["id"] == "900"


async def test_a_lost_session_is_resumed_with_all_that_was_missed(discord):
    async with ears(discord) as gateway:
        await gateway.identify()
        ready = await gateway.next("READY")
        await gateway.next("GUILD_CREATE")
        await asyncio.gather(discord.drop_socket(), gateway.socket.receive())
    await discord.say("missed")
    async with ears(discord) as gateway:
        await gateway.next()
        resume = {"token": "fake-discord-bot-token", "session_id": ready["d"]["session_id"], "seq": 2}
        await gateway.say(6, resume)
        assert (await gateway.next("MESSAGE_CREATE"))["d"]["content"] == "missed"
        await gateway.next("RESUMED")


async def test_an_unknown_session_is_invalid(discord):
    async with ears(discord) as gateway:
        await gateway.next()
        await gateway.say(6, {"token": "fake-discord-bot-token", "session_id": "gone", "seq": 2})
        frame = await gateway.next()
        assert (frame["op"], frame["d"]) == (9, False)


@pytest.mark.parametrize(("token", "privileged", "code"), [("fake-but-wrong", 1 << 15, 4004), (None, 0, 4014)])
async def test_the_gateway_closes_on_a_wrong_token_and_on_intents_not_granted(discord, token, privileged, code):
    discord.gateway.privileged = privileged
    async with ears(discord) as gateway:
        await gateway.identify(token or discord.gateway.token)
        assert (await gateway.socket.receive()).data == code


async def test_heartbeats_are_acknowledged_unless_it_is_silent(discord):
    async with ears(discord) as gateway:
        await gateway.identify()
        await gateway.next("GUILD_CREATE")
        discord.faults.silent = True
        await gateway.say(1, 2)
        await discord.say("not heard")
        discord.faults.silent = False
        await gateway.say(1, 2)
        asked = time.monotonic()
        assert (await gateway.next())["op"] == 11
        assert time.monotonic() - asked >= 0.04  # as over a network: see ACK_AFTER


async def test_zlib_stream_is_one_stream_over_all_frames(discord):
    inflate = zlib.decompressobj()
    async with ears(discord, "?v=10&encoding=json&compress=zlib-stream") as gateway:
        hello = await gateway.socket.receive_bytes()
        assert hello.endswith(b"\x00\x00\xff\xff")
        assert json.loads(inflate.decompress(hello))["op"] == 10
        await gateway.say(2, {"token": discord.gateway.token, "intents": INTENTS, "properties": {}})
        assert json.loads(inflate.decompress(await gateway.socket.receive_bytes()))["t"] == "READY"


async def test_deliveries_can_be_reordered_and_doubled(discord):
    async with ears(discord) as gateway:
        await gateway.identify()
        await gateway.next("GUILD_CREATE")
        discord.faults.reorder = 2
        await discord.say("one")
        await discord.say("two")
        discord.faults.duplicate = 1
        await discord.say("three")
        heard = [(await gateway.next("MESSAGE_CREATE"))["d"]["content"] for _ in range(4)]
        assert heard == ["two", "one", "three", "three"]


async def test_what_was_said_survives_a_restart_on_the_same_port(discord):
    port = int(discord.url.rpartition(":")[2])
    await discord.say("hello", room="70")
    await discord.stop()
    await discord.start(port)
    _, page = await call(discord, "GET", "/channels/70/messages")
    assert [message["content"] for message in page] == ["hello"]
