"""Discord's people: what they type, press and do, and what they see."""

import secrets
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from simulators.discord.gateway import Gateway
from simulators.discord.rest import Rest
from simulators.discord.world import (
    APPLICATION,
    BOT,
    DEFAULT_USER,
    GUILD,
    TEXT_CHANNEL,
    Interaction,
    Json,
    World,
    show,
)
from simulators.stage import Seen, Simulator

TOKEN = "fake-discord-bot-token"


class DiscordSimulator(Simulator):
    """User 42 is ann, 43 bob; guild 7 has the text channel 70; without a room things are said in the direct chat."""

    platform = "discord"
    bot_id = BOT
    guild = GUILD
    text_channel = TEXT_CHANNEL

    def __init__(self, *, limits: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(limits=limits, clock=clock)
        self.gateway = Gateway(TOKEN, self.faults)
        self.world = self.gateway.world = World(self.messages, self.gateway.dispatch)
        self.rest = Rest(self.world, self.gateway, self.faults, self.meter, self.wire.append)
        self.rest.typing = self.typing
        self.rest.changed = self.changed

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([*self.rest.routes(), web.get("/gateway/", self.gateway.handle)])
        return app

    async def start(self, port: int = 0) -> None:
        await super().start(port)
        self.gateway.url = self.url.replace("http", "ws", 1) + "/gateway/"

    async def stop(self) -> None:
        await self.gateway.drop(resumable=True)
        await super().stop()

    def settings(self) -> dict[str, Any]:
        return {"platform": "discord", "bot_token": self.gateway.token, "api_url": self.url + "/api/v10"}

    async def say(
        self, text: str, *, user: str = "", room: str = "", thread: str | None = None, reply_to: Seen | None = None
    ) -> Seen:
        who = user or DEFAULT_USER
        where = thread or room or self.world.direct_room(who)
        body: Json = {"content": text.replace("@hub", f"<@{BOT}>")}
        if reply_to is not None:
            body["message_reference"] = {"message_id": reply_to.id}
        posted = self.world.post(where, who, body)
        self.messages.append(posted.seen)
        return await self._told(posted.seen)

    async def edit_message(self, message: Seen, text: str) -> Seen:
        """The user changes what they said."""
        self.world.edit(self.world.posted[message.id], {"content": text.replace("@hub", f"<@{BOT}>")})
        return await self._told(message)

    async def unfurl(self, message: Seen) -> Seen:
        """Discord adds a link preview: an update without an edit."""
        data = self.world.posted[message.id].data
        data["embeds"] = [{"type": "link", "url": "https://example.com/"}]
        self.gateway.dispatch("MESSAGE_UPDATE", self.world.with_place(data))
        return await self._told(message)

    async def delete_message(self, message: Seen) -> Seen:
        self.world.delete(self.world.posted[message.id])
        return await self._told(message)

    async def purge(self, *messages: Seen) -> None:
        """A moderator deletes several messages of one channel at once."""
        posted = [self.world.posted[message.id] for message in messages]
        self.world.purge(posted[0].data["channel_id"], posted)
        for message in messages:
            await self._told(message)

    async def react(self, message: Seen, emoji: str = "👍", *, user: str = "", added: bool = True) -> Seen:
        """https://docs.discord.com/developers/events/gateway-events#message-reaction-add"""
        data = self.world.posted[message.id].data
        told = {
            "user_id": user or DEFAULT_USER,
            "channel_id": data["channel_id"],
            "message_id": data["id"],
            "message_author_id": data["author"]["id"],
            "emoji": {"id": None, "name": emoji},
            "burst": False,
            "type": 0,
        }
        name = "MESSAGE_REACTION_ADD" if added else "MESSAGE_REACTION_REMOVE"
        self.gateway.dispatch(name, told | self.world.guild_of(data["channel_id"]))
        return await self._told(message)

    async def command(
        self, name: str, text: str = "", *, user: str = "", room: str = "", thread: str | None = None
    ) -> Seen:
        """The user gives a slash command; what they see of it is the line above the answer."""
        who = user or DEFAULT_USER
        where = thread or room or self.world.direct_room(who)
        unlisted: Json = {"id": "55"}
        known = next((command for command in self.world.commands if command["name"] == name), unlisted)
        data: Json = {"id": known["id"], "name": name, "type": 1}
        if text:
            option = (known.get("options") or [{"name": "text"}])[0]
            data["options"] = [{"name": option["name"], "type": 3, "value": text}]
        asked = self._interact(where, who, 2, data)
        line = f"/{name} {text}".strip()
        channel = self.world.channels[where]
        is_thread = channel["type"] == 11
        seen = Seen(
            id=asked.id,
            room=channel["parent_id"] if is_thread else where,
            author=who,
            text=line,
            html=show(line),
            name=self.world.user(who)["username"],
            thread=where if is_thread else None,
        )
        self.messages.append(seen)
        return await self._told(seen)

    async def press(self, message: Seen, value: str, *, user: str = "") -> None:
        posted = self.world.posted[message.id]
        who, room = user or DEFAULT_USER, posted.data["channel_id"]
        self._interact(room, who, 3, {"component_type": 2, "custom_id": value, "id": 1}, message=posted.data)
        await self._told(message)

    async def join(self, user: str = "43") -> Seen:
        """Somebody joins the guild, which greets them in its system channel."""
        posted = self.world.post(TEXT_CHANNEL, user, {}, kind=7)
        posted.seen.text = f"{posted.seen.name} joined"
        posted.seen.html = show(posted.seen.text)
        self.messages.append(posted.seen)
        return await self._told(posted.seen)

    async def invite(self, guild: str = "8", room: str = "80") -> None:
        """Somebody asks the bot into another guild."""
        self.world.add_guild(guild, room)
        self.gateway.dispatch("GUILD_CREATE", self.world.guild(guild))
        await self.gateway.flushed()

    async def drop_socket(self, resumable: bool = True) -> None:
        """The connection breaks; without `resumable` the session is over too."""
        await self.gateway.drop(resumable)

    def _interact(self, room: str, user: str, kind: int, data: Json, **more: Any) -> Interaction:
        """https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object"""
        asked = Interaction(self.world.snowflake(), "fake-interaction-" + secrets.token_hex(8), room, user)
        self.world.interactions[asked.token] = asked
        channel = self.world.channel(room)
        who = self.world.user(user)
        guild = channel.get("guild_id")
        payload: Json = {
            "id": asked.id,
            "application_id": APPLICATION,
            "type": kind,
            "token": asked.token,
            "version": 1,
            "channel_id": room,
            "channel": channel,
            "data": data,
            "locale": "en-US",
            "entitlements": [],
            "app_permissions": "0",
            "authorizing_integration_owners": {},
            "attachment_size_limit": 10485760,
        }
        if guild:
            payload |= {"guild_id": guild, "member": {"user": who, "nick": None, "roles": []}, "context": 0}
        else:
            payload |= {"user": who, "context": 1}
        self.gateway.dispatch("INTERACTION_CREATE", payload | more)
        return asked

    async def _told(self, seen: Seen) -> Seen:
        self.changed()
        await self.gateway.flushed()
        return seen
