"""Discord through discord.py: the gateway brings events, REST takes the answers."""

import asyncio
import logging
from typing import Any

import aiohttp
import discord

from adapters.discord import render
from adapters.discord.client import GatewayClient, setup_error
from adapters.discord.inbound import COMMAND, Payload, Places, is_private
from adapters.discord.intake import Intake
from adapters.discord.settings import DiscordSettings
from core.adapter import Adapter, Capabilities, Wiring
from core.errors import HubError, NotReady, SendError, Undeliverable
from core.events import Address, Part, Sent
from core.tasks import Tasks

log = logging.getLogger(__name__)

DEFER_MESSAGE, DEFER_UPDATE = 5, 6
EPHEMERAL, LOADING = 1 << 6, 1 << 7
THREAD_EXISTS = 160004

_COMMANDS = "/applications/{application_id}/commands"
_MESSAGES = "/channels/{channel_id}/messages"
_MESSAGE = "/channels/{channel_id}/messages/{message_id}"


class DiscordAdapter(Adapter[DiscordSettings]):
    capabilities = Capabilities(
        max_text=2000,
        can_edit=True,
        edit_every=1.2,
        typing_lasts=10,
        max_choices=25,
        idempotent_send=True,
        redelivers=False,
    )
    silence_limit = 60.0
    """Seconds without an acknowledged heartbeat; Discord asks for one every 41."""
    start_limit = 30.0

    def __init__(self, settings: DiscordSettings, wiring: Wiring) -> None:
        super().__init__(settings, wiring)
        self.here = Places(wiring.channel, under_mentions=settings.reply == "thread")
        self.client = GatewayClient(settings.api_url)
        self.intake = Intake(wiring.cursors, self.here, self.client, self.keep, self._acknowledge)
        self._running: asyncio.Task[None] | None = None
        self._deferring = Tasks()
        """Acknowledgements under way, by their interaction's token."""

    async def start(self) -> None:
        try:
            async with asyncio.timeout(self.start_limit):
                await self.client.login(self.settings.bot_token.get_secret_value())
                self.client.rest.gateway_url = self.settings.gateway_url or await self._gateway()
                await self._list_commands()
                await self.intake.open()
                self._running = asyncio.create_task(self.client.connect())
                self._running.add_done_callback(lambda _: self.intake.ready.set())
                await self.intake.ready.wait()
                if self._running.done():
                    raise setup_error(self._running.exception())
        except (HubError, discord.DiscordException, aiohttp.ClientError, OSError) as error:
            await self.stop()
            raise setup_error(error) from error
        self.health.connected(f"@{self.client.user}")

    async def stop(self) -> None:
        await self.client.close()
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        await self.intake.close()
        await self._deferring.end(grace=None)

    async def probe(self) -> None:
        if self._running is None:
            raise NotReady("not started")
        if self._running.done():
            raise setup_error(self._running.exception())
        if self.intake.is_overrun:
            raise NotReady("too many events wait for the store")
        self.health.alive_at = max(self.health.alive_at, self.client.heard_at)
        self.health.expect(self.silence_limit, "no heartbeat was acknowledged")

    def measure(self, text: str) -> int:
        return len(render.render(text))

    async def send(self, to: Address, part: Part, key: str) -> Sent:
        body = render.message(part)
        kind, _, handle = (to.reply or "").partition(":")
        if kind == "quote":
            body |= render.quoting(handle)
        elif kind == "under" and not await self._open_thread(handle, to.room, body):
            to, body = Address(to.channel, handle), body | render.quoting(to.room)
        elif kind in ("public", "private"):
            return await self._answer(to, handle, body, key, private=kind == "private")
        return await self._post(to, body, key)

    async def edit(self, sent: Sent, part: Part) -> None:
        body = render.message(part)
        kind, _, token = (sent.to.reply or "").partition(":")
        if kind == "private":
            await self._by_token(token, "PATCH", f"/messages/{sent.id}", body)
        else:
            await self.client.call("PATCH", _MESSAGE, body, channel_id=sent.to.room, message_id=sent.id)

    async def typing(self, to: Address) -> None:
        kind, _, parent = (to.reply or "").partition(":")
        is_unopened = kind == "under" and to.room not in self.here.threads
        await self.client.call("POST", "/channels/{channel_id}/typing", channel_id=parent if is_unopened else to.room)

    # connecting

    async def _gateway(self) -> str:
        """Discord resets the token of a bot that identifies more than 1000 times a day."""
        answer = await self.client.call("GET", "/gateway/bot")
        if answer["session_start_limit"]["remaining"] <= 0:
            raise NotReady("Discord allows no new session today: the bot connected too often")
        return str(answer["url"])

    async def _list_commands(self) -> None:
        """New commands are limited to 200 a day, so they are sent only when something differs."""
        application = str(self.client.application_id)
        wanted = [render.command(spec) for spec in self.wiring.commands]
        try:
            listed = await self.client.call("GET", _COMMANDS, application_id=application)
            if render.essence(wanted) != render.essence(listed):
                await self.client.call("PUT", _COMMANDS, wanted, application_id=application)
        except SendError as error:
            log.warning("channel %s: the slash commands could not be listed: %s", self.wiring.channel, error)

    # sending

    async def _post(self, to: Address, body: render.Body, key: str) -> Sent:
        """A second message with the same nonce within some minutes is answered with the first, unchanged."""
        once = {"nonce": key, "enforce_nonce": True}
        answer = await self.client.call("POST", _MESSAGES, body | once, channel_id=to.room)
        if answer["content"] != body["content"]:
            await self.client.call("PATCH", _MESSAGE, body, channel_id=to.room, message_id=answer["id"])
        return Sent(to, answer["id"])

    async def _open_thread(self, parent: str, message: str, body: render.Body) -> bool:
        """Whether there is a thread under the message now; it has the message's id."""
        if message in self.here.threads:
            return True
        name = {"name": " ".join(body["content"].split())[:90] or "…"}
        try:
            await self.client.call("POST", _MESSAGE + "/threads", name, channel_id=parent, message_id=message)
        except Undeliverable as error:
            if getattr(error.__cause__, "code", 0) != THREAD_EXISTS:
                log.warning("channel %s: no thread could be opened: %s", self.wiring.channel, error)
                return False
        return True

    # commands: https://docs.discord.com/developers/interactions/receiving-and-responding

    def _acknowledge(self, asked: Payload) -> None:
        """Discord wants to hear within 3 seconds; the room's next event need not wait for that."""
        self._deferring.start(self._defer(asked), asked["token"])

    async def _defer(self, asked: Payload) -> None:
        path = "/interactions/{webhook_id}/{webhook_token}/callback"
        body: render.Body = {"type": DEFER_UPDATE}
        if asked["type"] == COMMAND:
            flags = EPHEMERAL if is_private(asked["data"]["name"]) else 0
            body = {"type": DEFER_MESSAGE, "data": {"flags": flags}}
        try:
            await self.client.call("POST", path, body, webhook_id=asked["id"], webhook_token=asked["token"])
        except SendError as error:
            log.warning("channel %s: an interaction was not acknowledged: %s", self.wiring.channel, error)

    async def _answer(self, to: Address, token: str, body: render.Body, key: str, private: bool) -> Sent:
        """The first part fills the placeholder that the acknowledgement made; the others follow it."""
        if await self._is_awaited(token, body):
            answer = await self._by_token(token, "PATCH", "/messages/@original", body)
        elif private:
            body["flags"] |= EPHEMERAL
            answer = await self._by_token(token, "POST", "?wait=true", body)
        else:
            return await self._post(to, body, key)
        return Sent(to, answer["id"])

    async def _is_awaited(self, token: str, body: render.Body) -> bool:
        """Whether the placeholder is empty, or holds just this because we were not told that it was sent."""
        await self._deferring.settled(token)
        try:
            shown = await self._by_token(token, "GET", "/messages/@original")
        except Undeliverable:  # it was never acknowledged, or the token's 15 minutes are over
            return False
        return bool(shown.get("flags", 0) & LOADING) or shown["content"] == body["content"]

    async def _by_token(self, token: str, method: str, what: str, body: render.Body | None = None) -> Any:
        path, application = "/webhooks/{webhook_id}/{webhook_token}" + what, str(self.client.application_id)
        return await self.client.call(method, path, body, webhook_id=application, webhook_token=token)
