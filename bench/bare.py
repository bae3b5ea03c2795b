"""Four echo bots in one process, each written the way its SDK's own guide says: what the hub is measured against.

Run as a child process with the settings as JSON on the command line; prints `ready` when all four listen."""

import asyncio
import json
import os
import signal
import sys
from typing import Any

import discord
import yarl
from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient
from telegram import Update
from telegram.ext import Application, ContextTypes, MessageHandler, filters
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client as Twilio

from core.site import Site


def slack(settings: dict[str, Any]) -> web.Application:
    """docs.slack.dev/tools/bolt-python/concepts/async: an async app served by aiohttp, a listener that says."""
    client = AsyncWebClient(token=settings["bot_token"], base_url=settings["api_url"])
    app = AsyncApp(client=client, signing_secret=settings["signing_secret"])

    @app.event("message")
    async def echo(event: dict[str, Any], say: Any) -> None:
        await say(text=event["text"], thread_ts=event.get("thread_ts"))

    return app.web_app(path="/slack/events")


async def telegram(settings: dict[str, Any]) -> Any:
    """docs.python-telegram-bot.org/examples.echobot: a message handler that replies, on polling."""

    async def echo(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        if update.message and update.message.text:
            await update.message.reply_text(update.message.text)

    app = Application.builder().token(settings["bot_token"]).base_url(settings["api_url"] + "/bot").build()
    app.add_handler(MessageHandler(filters.TEXT & ~filters.COMMAND, echo))
    await app.initialize()
    await app.start()
    if app.updater is not None:
        await app.updater.start_polling(allowed_updates=Update.ALL_TYPES)
    return app


def discord_client(settings: dict[str, Any]) -> tuple[discord.Client, str]:
    """discordpy.readthedocs.io/en/stable/quickstart.html: a client that answers in on_message."""
    discord.http.Route.BASE = settings["api_url"]
    if settings.get("gateway_url"):
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings["gateway_url"])
    intents = discord.Intents.default()
    intents.message_content = True
    client = discord.Client(intents=intents)

    @client.event
    async def on_message(message: discord.Message) -> None:
        if message.author != client.user:
            await message.channel.send(message.content)

    return client, settings["bot_token"]


def whatsapp(settings: dict[str, Any], public_url: str, http: AsyncTwilioHttpClient) -> Any:
    """www.twilio.com/docs/usage/webhooks/webhooks-security: check the signature, answer by REST."""
    client = Twilio(settings["account_sid"], settings["auth_token"], http_client=http)
    client.api.base_url = settings["api_url"]
    validator = RequestValidator(settings["auth_token"])

    async def echo(request: web.Request) -> web.Response:
        form = await request.post()
        signature = request.headers.get("X-Twilio-Signature", "")
        if not validator.validate(public_url + request.path_qs, form, signature):
            return web.Response(status=403)
        await client.messages.create_async(to=str(form["From"]), from_=str(form["To"]), body=str(form["Body"]))
        return web.Response(text="<Response/>", content_type="text/xml")

    return echo


async def main(settings: dict[str, Any]) -> None:
    app = slack(settings["slack"])
    twilio = AsyncTwilioHttpClient()
    app.router.add_post("/whatsapp", whatsapp(settings["whatsapp"], settings["public_url"], twilio))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await Site(runner, "127.0.0.1", settings["port"]).start()
    polling = await telegram(settings["telegram"])
    client, token = discord_client(settings["discord"])
    await client.login(token)
    gateway = asyncio.create_task(client.connect())
    await asyncio.wait_for(client.wait_until_ready(), 30)
    print("ready", os.getpid(), flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await client.close()
    await asyncio.wait([gateway])
    await twilio.close()
    await runner.cleanup()
    await polling.updater.stop()
    await polling.stop()
    await polling.shutdown()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
