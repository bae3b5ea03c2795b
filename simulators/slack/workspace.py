"""A Slack workspace on loopback: its people type, press and react; its app is the hub."""

import itertools
import secrets
import time
from collections.abc import Callable
from typing import Any, Literal

from aiohttp import web

from simulators.slack import events
from simulators.slack.delivery import PATIENCE, RETRY_AFTER, Outcome, Parcel, Postman, Round, Sockets
from simulators.slack.events import BOT_USER, HUMAN, Payload
from simulators.slack.rooms import Rooms, wire_text
from simulators.slack.webapi import WebApi
from simulators.stage import Seen, Simulator

BOT_TOKEN = "xoxb-simulated-not-a-token"
APP_TOKEN = "xapp-simulated-not-a-token"
SIGNING_SECRET = "simulated-not-a-secret"


class SlackSimulator(Simulator):
    """`retry_after` and `patience`: Slack's clock, in seconds, to be made short in tests. `echoes`: whether the app
    hears of its own messages, as it does where it is subscribed to a channel's messages."""

    platform = "slack"
    bot_id = BOT_USER

    def __init__(
        self,
        mode: Literal["socket", "http"] = "socket",
        *,
        retry_after: tuple[float, ...] = RETRY_AFTER,
        patience: float = PATIENCE,
        echoes: bool = True,
        limits: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(limits=limits, clock=clock)
        self.mode = mode
        self.echoes = echoes
        self.rooms = Rooms(self.messages, self.changed)
        self.api = WebApi(self.rooms, self.faults, self.meter, self.typing, self.wire.append, self._echo)
        self.api.tokens = {BOT_TOKEN: "bot", APP_TOKEN: "app"}
        self.sockets = Sockets(patience, self.wire.append, self.faults)
        self.postman = Postman(SIGNING_SECRET, patience, self.wire.append)
        bring = self.sockets.bring if mode == "socket" else self.postman.bring
        self.round = Round(bring, self.faults, retry_after)
        self._numbers = itertools.count(1)
        self._run = secrets.token_hex(3).upper()
        """In every event id: the hub remembers those of an earlier run."""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/{method}", self.api.handle)
        app.router.add_get("/api/{method}", self.api.handle, allow_head=False)
        app.router.add_post("/response/{number}", self.api.respond)
        app.router.add_get("/socket", self.sockets.serve)
        return app

    def settings(self) -> dict[str, Any]:
        secrets = {"app_token": APP_TOKEN} if self.mode == "socket" else {"signing_secret": SIGNING_SECRET}
        return {
            "platform": "slack",
            "mode": self.mode,
            "bot_token": BOT_TOKEN,
            **secrets,
            "api_url": f"{self.url}/api/",
        }

    async def start(self, port: int = 0) -> None:
        await super().start(port)
        self.api.socket_url = f"{self.url.replace('http', 'ws', 1)}/socket"
        self.postman.http = self.http

    async def stop(self) -> None:
        await self.round.stop()
        await self.sockets.drop()
        await super().stop()

    async def say(
        self,
        text: str,
        *,
        user: str = "",
        room: str = "",
        thread: str | None = None,
        files: list[Payload] | None = None,
    ) -> Seen:
        """Rooms are C… (channels), G… (groups) and D… (direct with the hub)."""
        author = user or HUMAN
        room = room or f"D{author[1:]}"
        parent = (self.rooms.record(room, thread) or {}) if thread else {}
        said = events.message(room, author, wire_text(text), self.rooms.stamp(), thread, parent.get("user"))
        if files:  # https://docs.slack.dev/reference/events/message/file_share
            said |= {"subtype": "file_share", "files": files}
        seen = self.rooms.post(room, said)
        await self._event(said)
        # With both subscriptions a mention comes twice: https://docs.slack.dev/reference/events/app_mention
        if f"<@{BOT_USER}>" in said["text"] and not room.startswith("D"):
            await self._event(events.app_mention(said))
        return seen

    async def press(self, message: Seen, value: str, *, user: str = "") -> None:
        label = next(label for label, choice in message.choices if choice == value)
        record = self.rooms.record(message.room, message.id) or {"ts": message.id, "thread_ts": message.thread}
        presser = user or message.only_for or HUMAN
        number = next(self._numbers)
        button = {
            "type": "button",
            "action_id": f"choice_{[choice for _, choice in message.choices].index(value)}",
            "text": {"type": "plain_text", "text": label, "emoji": False},
            "value": value,
        }
        payload = events.block_actions(
            message.room,
            presser,
            record,
            button,
            f"{number}.{self._run}.trigger",
            self.api.response_url(self.url, message.room, presser, number),
            at=self.rooms.stamp(),
            is_ephemeral=message.only_for is not None,
        )
        await self._deliver(Parcel("interactive", payload))

    async def command(self, name: str, text: str = "", *, user: str = "", room: str = "") -> Seen:
        """`/name text`, which only its author sees; so is what the app answers the request with."""
        author = user or HUMAN
        room = room or f"D{author[1:]}"
        typed: Payload = {"user": author, "ts": self.rooms.stamp(), "text": f"/{name} {text}".rstrip()}
        seen = self.rooms.post(room, typed, only_for=author)
        number = next(self._numbers)
        url = self.api.response_url(self.url, room, author, number)
        form = events.slash_command(name, text, room, author, f"{number}.{self._run}.trigger", url)
        outcome = await self._deliver(Parcel("slash_commands", form))
        # https://docs.slack.dev/interactivity/implementing-slash-commands#responding_to_commands
        answer = outcome.answer if outcome.taken else f"/{name} failed with the error “dispatch_failed”"
        if answer:
            told: Payload = {"user": "USLACKBOT", "ts": self.rooms.stamp(), "text": answer}
            self.rooms.post(room, told, only_for=author)
        return seen

    async def edit_message(self, message: Seen, text: str) -> None:
        before = self._record(message)
        await self._event(events.message_changed(message.room, before, wire_text(text), self.rooms.stamp()))
        self.rooms.edit(message.room, message.id, {**before, "text": wire_text(text)})

    async def unfurl(self, message: Seen) -> None:
        """Slack adds a link's preview and tells of it as a change."""
        before = self._record(message)
        await self._event(events.message_changed(message.room, before, before["text"], self.rooms.stamp()))

    async def delete_message(self, message: Seen) -> None:
        before = self._record(message)
        self.rooms.delete(message.room, message.id)
        await self._event(events.message_deleted(message.room, before, self.rooms.stamp()))

    async def react(self, message: Seen, emoji: str, *, added: bool = True, user: str = "") -> None:
        kind = "reaction_added" if added else "reaction_removed"
        author, at = user or HUMAN, self.rooms.stamp()
        await self._event(events.reaction(kind, message.room, author, emoji, message.id, message.author, at))

    async def join(self, room: str = "C1", *, user: str = BOT_USER) -> None:
        self.rooms.known.add(room)
        await self._event(events.member_joined(room, user, self.rooms.stamp()))

    async def refresh(self, reason: str = "refresh_requested") -> None:
        """Slack asks for a new socket."""
        await self.sockets.disconnect(reason)

    async def drop_sockets(self) -> None:
        await self.sockets.drop()

    def _record(self, message: Seen) -> Payload:
        record = self.rooms.record(message.room, message.id)
        if record is None:
            raise LookupError(f"no such message: {message.id}")
        return record

    def _echo(self, event: Payload) -> None:
        if self.echoes:
            self.round.start(self._event(event))

    async def _event(self, event: Payload) -> None:
        payload = events.envelope(event, f"Ev{self._run}{next(self._numbers):06d}", time.time())
        await self._deliver(Parcel("events_api", payload))

    async def _deliver(self, parcel: Parcel) -> Outcome:
        self.postman.url = self.webhook_url
        return await self.round.deliver(parcel)
