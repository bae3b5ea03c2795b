"""Discord through discord.py: the gateway brings events, REST takes the answers."""

import asyncio
import logging

import aiohttp
import discord

from adapters.discord import handle, outbound
from adapters.discord.client import GatewayClient, code_of, said, setup_error
from adapters.discord.handle import Interaction, Opening, Quote
from adapters.discord.interactions import Interactions
from adapters.discord.places import Places
from adapters.discord.reader import Reader
from adapters.discord.settings import DiscordSettings
from core.adapter import Adapter, Capabilities, Wiring
from core.errors import HubError, NotReady, SendError, Unavailable, Undeliverable
from core.events import Address, Part, Sent

log = logging.getLogger(__name__)

THREAD_EXISTS = 160004


class DiscordAdapter(Adapter[DiscordSettings]):
    capabilities = Capabilities(
        max_text=2000, can_edit=True, edit_every=1.2, typing_lasts=10, max_choices=25, idempotent_send=True
    )
    silence_limit = 60.0
    """Seconds without an acknowledged heartbeat; Discord asks for one every 41."""
    start_limit = 30.0
    identify_every = 5.0

    def __init__(self, settings: DiscordSettings, wiring: Wiring) -> None:
        super().__init__(settings, wiring)
        self.places = Places(under_mentions=settings.reply == "thread")
        self.reader = Reader(wiring, self.places)
        self._client: GatewayClient | None = None
        self._interactions: Interactions | None = None
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        try:
            await self._connect()
        except (HubError, discord.DiscordException, aiohttp.ClientError, OSError) as error:
            await self.stop()
            raise setup_error(error) from error

    async def stop(self) -> None:
        if self._client is not None:
            await self._client.close()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self.reader.close()
        if self._interactions is not None:
            await self._interactions.close()

    async def probe(self) -> None:
        if self._running is None or self._client is None:
            raise NotReady("not started")
        if self._running.done():
            raise setup_error(self._running.exception())
        if heard := self._client.heard_at:
            self.health.alive_at = max(self.health.alive_at, heard)
        if self.health.silent_for > self.silence_limit:
            raise NotReady(f"no heartbeat was acknowledged for {self.health.silent_for:.0f} s")

    def measure(self, text: str) -> int:
        return len(outbound.render(text))

    async def send(self, to: Address, part: Part, key: str) -> Sent:
        body = outbound.message(part)
        match handle.read(to.reply):
            case Interaction() as asked:
                answered = await self._interactions_now().answer(asked, body, key)
                return Sent(to, answered) if answered else await self._post(to, to.room, body, key)
            case Opening() as opening:
                return await self._post_under(to, opening, body, key)
            case Quote(message):
                return await self._post(to, to.room, body | outbound.quoting(message), key)
            case None:
                return await self._post(to, to.room, body, key)

    async def edit(self, sent: Sent, part: Part) -> None:
        body = outbound.message(part)
        asked = handle.read(sent.to.reply)
        if isinstance(asked, Interaction) and asked.private:
            return await self._interactions_now().edit(asked, sent.id, body)
        path = "/channels/{channel_id}/messages/{message_id}"
        names = {"channel_id": sent.to.room, "message_id": sent.id}
        await self._connected().call("PATCH", path, names, json=body)
        return None

    async def typing(self, to: Address) -> None:
        opening = handle.read(to.reply)
        unopened = isinstance(opening, Opening) and to.room not in self.places.threads
        room = opening.parent if isinstance(opening, Opening) and unopened else to.room
        await self._connected().call("POST", "/channels/{channel_id}/typing", {"channel_id": room})

    # connecting

    async def _connect(self) -> None:
        intents = discord.Intents(
            guilds=True,
            guild_messages=True,
            guild_reactions=True,
            dm_messages=True,
            dm_reactions=True,
            message_content=True,
            members=self.settings.member_events,
        )
        client = self._client = GatewayClient(intents, self.settings.api_url, self.reader.take)
        client.identify_every = self.identify_every
        interactions = self._interactions = Interactions(client)
        await said(client.login(self.settings.bot_token.get_secret_value()), self.start_limit)
        client.rest.gateway_url = self.settings.gateway_url or await self._gateway_of(client)
        await self._list_commands(client)
        await self.reader.open(client, interactions)
        self._running = asyncio.create_task(client.connect())
        ready = asyncio.create_task(self.reader.ready.wait())
        await asyncio.wait([self._running, ready], timeout=self.start_limit, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._running.done():
            raise setup_error(self._running.exception())
        if not self.reader.ready.is_set():
            raise NotReady(f"the gateway was not ready within {self.start_limit:g} s")
        self.health.identity = f"@{client.user}"
        self.health.touch()

    async def _gateway_of(self, client: GatewayClient) -> str:
        """Discord resets the token of a bot that identifies more than 1000 times a day."""
        answer = await client.call("GET", "/gateway/bot")
        if answer["session_start_limit"]["remaining"] <= 0:
            raise NotReady("Discord allows no new session today: the bot connected too often")
        return str(answer["url"])

    async def _list_commands(self, client: GatewayClient) -> None:
        """Bulk overwriting is limited to 200 a day, so it is done only when something differs."""
        path, names = "/applications/{application_id}/commands", {"application_id": str(client.application_id)}
        wanted = [outbound.command(spec) for spec in self.wiring.commands]
        try:
            there = await client.call("GET", path, names)
            others = [command for command in there if command.get("type", 1) != 1]
            if not outbound.same_commands([*wanted, *others], there):
                await client.call("PUT", path, names, json=[*wanted, *others])
        except SendError as error:
            log.warning("channel %s: the slash commands could not be listed: %s", self.wiring.channel, error)

    def _connected(self) -> GatewayClient:
        if self._client is None:
            raise Unavailable("not started")
        return self._client

    def _interactions_now(self) -> Interactions:
        if self._interactions is None:
            raise Unavailable("not started")
        return self._interactions

    # sending

    async def _post(self, to: Address, room: str, body: outbound.Body, key: str) -> Sent:
        path = "/channels/{channel_id}/messages"
        answer = await self._connected().call("POST", path, {"channel_id": room}, json=body | outbound.once(key))
        return Sent(to, str(answer["id"]))

    async def _post_under(self, to: Address, opening: Opening, body: outbound.Body, key: str) -> Sent:
        try:
            await self._open(opening)
        except Undeliverable as error:
            log.warning("channel %s: no thread could be opened: %s", self.wiring.channel, error)
            beside = Address(to.channel, opening.parent, reply=opening.message)
            return await self._post(beside, opening.parent, body | outbound.quoting(opening.message), key)
        return await self._post(to, to.room, body, key)

    async def _open(self, opening: Opening) -> None:
        """A thread started from a message has the message's id."""
        if opening.message in self.places.threads:
            return
        path = "/channels/{channel_id}/messages/{message_id}/threads"
        names = {"channel_id": opening.parent, "message_id": opening.message}
        try:
            await self._connected().call("POST", path, names, json={"name": opening.title or "…"})
        except Undeliverable as error:
            if code_of(error) != THREAD_EXISTS:
                raise
        self.places.threads[opening.message] = opening.parent
