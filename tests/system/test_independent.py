"""Events from a sender that shares no code with the hub: each platform is answered in place, the same event once.

Slack's stands in test_serve.py. Signatures are made here after the platforms' own pages.
"""

import base64
import hashlib
import hmac
import json
from urllib.parse import urlencode

import aiohttp
import pytest

from simulators.discord import DiscordSimulator
from simulators.telegram import TelegramSimulator
from simulators.twilio import TwilioSimulator


@pytest.fixture
async def running(hub_process):
    """Starts a hub with one channel, named like its platform."""

    async def start(stage):
        hub = hub_process({stage.platform: {"enabled": True, **stage.settings()}})
        await hub.start()
        await hub.until(stage.platform, "running")
        return hub, f"{hub.url}/webhooks/{stage.platform}"

    return start


async def posted(url, body, headers):
    async with aiohttp.ClientSession() as http, http.post(url, data=body, headers=headers) as answer:
        return answer.status


async def counted(hub):
    events = (await hub.health())["events"]
    return events["accepted"], events["answered"]


async def test_a_whatsapp_message_that_twilio_would_sign_is_answered_to_the_same_number(running):
    """https://www.twilio.com/docs/usage/webhooks/webhooks-security#validating-signatures-from-twilio: the full address,
    then each field's name and value, sorted by name and without delimiters; HMAC-SHA1 with the auth token; base64."""
    async with TwilioSimulator(auth_token="fake-token-of-the-test") as twilio:
        hub, url = await running(twilio)
        form = {
            "MessageSid": "SM" + "9" * 32,
            "AccountSid": twilio.account_sid,
            "From": "whatsapp:+15551230009",
            "To": f"whatsapp:{twilio.bot_id}",
            "Body": "Grüße & more",
            "NumMedia": "0",
            "ProfileName": "",
        }
        twilio.heard[form["From"]] = twilio.clock()
        signed = url + "".join(f"{name}{form[name]}" for name in sorted(form))
        digest = hmac.new(b"fake-token-of-the-test", signed.encode("utf-8"), hashlib.sha1).digest()
        headers = {
            "X-Twilio-Signature": base64.b64encode(digest).decode("ascii"),
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        }
        body = urlencode(form)
        assert [await posted(url, body, headers) for _ in range(2)] == [200, 200]
        assert await posted(url, body.replace("more", "less"), headers) == 403
        seen = await twilio.wait_for(lambda message: message.is_bot)
        assert (seen.room, seen.text) == ("whatsapp:+15551230009", "Grüße & more")
        assert await counted(hub) == (1, 1)


async def test_a_telegram_update_with_the_secret_is_answered_in_the_topic_it_came_from(running):
    """https://core.telegram.org/bots/api#setwebhook: the header holds the token that the hub gave to setWebhook."""
    async with TelegramSimulator() as telegram:
        telegram.mode = "webhook"
        hub, url = await running(telegram)
        secret = telegram.queue.secret
        assert (telegram.queue.webhook, bool(secret)) == (url, True)
        message = {
            "message_id": 77,
            "date": 1790000000,
            "chat": {"id": int(telegram.forum), "type": "supergroup", "title": "Help desk", "is_forum": True},
            "from": {"id": 99, "is_bot": False, "first_name": "Zoe"},
            "message_thread_id": 9,
            "is_topic_message": True,
            "text": "@hub_bot hello there",
            "entities": [{"type": "mention", "offset": 0, "length": 8}],
        }
        body = json.dumps({"update_id": 990001, "message": message})
        headers = {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": secret}
        assert [await posted(url, body, headers) for _ in range(2)] == [200, 200]
        assert await posted(url, body, headers | {"X-Telegram-Bot-Api-Secret-Token": secret + "x"}) == 401
        seen = await telegram.wait_for(lambda message: message.is_bot)
        assert (seen.room, seen.thread, seen.text) == (telegram.forum, "9", "hello there")
        assert await counted(hub) == (1, 1)


async def test_a_discord_message_of_the_gateway_is_answered_with_a_reference_to_it(running):
    """Only the gateway brings Discord's messages, so here the simulator is the sender; the frame is written out after
    https://docs.discord.com/developers/resources/message#message-object."""
    async with DiscordSimulator() as discord:
        hub, _ = await running(discord)
        said = await discord.say("@hub hello there", room="70")
        frame = discord.world.posted[said.id].data
        message = {
            **{name: frame[name] for name in ("id", "channel_id", "timestamp", "type", "flags")},
            "guild_id": "7",
            "author": {"id": "42", "username": "ann", "discriminator": "0", "global_name": None, "avatar": None},
            "content": "<@900> hello there",
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [{"id": "900", "username": "hub", "discriminator": "0", "avatar": None, "bot": True}],
            "mention_roles": [],
            "attachments": [],
            "embeds": [],
            "pinned": False,
            "components": [],
        }
        discord.gateway.dispatch("MESSAGE_CREATE", message)
        seen = await discord.answer_to(said)
        assert (seen.room, seen.reply_to, seen.text) == ("70", said.id, "hello there")
        assert await counted(hub) == (1, 1)
