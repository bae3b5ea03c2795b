"""Connects a Slack workspace: Socket Mode through Bolt, the Events API through one route, answers by the Web API."""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.client import Refused, WebApi, decode
from adapters.slack.inbound import Me, to_event
from adapters.slack.names import Names
from adapters.slack.render import blocks, render
from adapters.slack.settings import SlackSettings
from adapters.slack.signature import is_authentic
from core.adapter import Adapter, Capabilities, Route, Wiring
from core.errors import BadCredentials, IntakeError, Throttled
from core.events import Address, AnyEvent, Edited, Message, Part, Sent
from core.tasks import Tasks

# It warns where SLACK_BOT_TOKEN is in the environment, which is where we tell people to put it.
logging.getLogger("slack_bolt.AsyncApp").addFilter(lambda record: record.levelno >= logging.ERROR)

PING_EVERY = 10.0
"""Seconds between two signs of life on the socket."""
SILENCE = 60.0
"""Seconds without proof of life after which the channel is restarted (socket) or Slack is asked (http)."""


class SlackAdapter(Adapter[SlackSettings]):
    # 3,000 characters are the most that text over buttons may have; alone it might have 4,000.
    capabilities = Capabilities(
        max_text=3000, can_edit=True, edit_every=1.2, typing_lasts=100, max_choices=25, can_find=True
    )

    def __init__(self, settings: SlackSettings, wiring: Wiring) -> None:
        super().__init__(settings, wiring)
        self._secret = settings.signing_secret.get_secret_value().encode()
        self._api = WebApi(wiring.http, settings.api_url, settings.bot_token.get_secret_value())
        self._names = Names(self._api)
        self._me: Me | None = None
        self._socket: SocketModeClient | None = None
        self._taking = Tasks()
        """Envelopes on their way into the inbox; the SDK keeps no hold of these tasks."""
        self._refused: BadCredentials | None = None
        self._without_status: set[str] = set()
        """Rooms where Slack refuses a status."""

    # Life

    def routes(self) -> Iterable[Route]:
        return (Route(self._webhook),) if self.settings.mode == "http" else ()

    async def start(self) -> None:
        if missing := self.settings.missing():
            raise BadCredentials(f"{', '.join(missing)}: not set")
        await self._introduce()
        if self.settings.mode == "socket":
            await self._connect()

    async def stop(self) -> None:
        self._me = None
        await self._names.stop()
        socket, self._socket = self._socket, None
        if socket is None:
            return
        await self._taking.end(grace=None)
        await socket.close()  # type: ignore[no-untyped-call]
        tasks = (socket.message_processor, socket.message_receiver, socket.current_session_monitor)
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)

    async def _introduce(self) -> None:
        """Prove the bot token, and learn who we are by it."""
        answer = await self._api.prove("auth.test", "bot_token")
        self._me = Me(answer["user_id"], answer.get("bot_id", ""))
        self.health.connected(f"@{answer['user']} in {answer['team']}")

    async def _connect(self) -> None:
        """Open the socket. The SDK would try for ever where the token is wrong, so it is proven first."""
        token = self.settings.app_token.get_secret_value()
        opened = await WebApi(self.wiring.http, self.settings.api_url, token).prove(
            "apps.connections.open", "app_token"
        )
        bot_token = self.settings.bot_token.get_secret_value()
        client = AsyncWebClient(bot_token, self.settings.api_url, session=self.wiring.http)
        # Everything is taken before Bolt's own steps, of which none is needed then.
        app = AsyncApp(client=client, before_authorize=self._take, process_before_response=True)
        self._socket = AsyncSocketModeHandler(app, token, ping_interval=PING_EVERY).client
        self._socket.wss_uri = opened["url"]
        client.proxy = self._socket.proxy = None  # the SDK takes one from the environment for every address
        await self._socket.connect()  # type: ignore[no-untyped-call]

    async def probe(self) -> None:
        if self._refused:
            raise self._refused
        if self._socket is None:
            if self.health.silent_for > SILENCE:
                await self._introduce()
            return
        answered = self._socket.last_ping_pong_time
        if answered is not None and time.time() - answered < 2 * PING_EVERY:
            self.health.touch()
        self.health.expect(SILENCE, "Slack's socket has been silent")

    # In

    async def _take(self, request: AsyncBoltRequest) -> BoltResponse:
        """An envelope from the socket: Bolt acknowledges it with a 200, and Slack sends it again otherwise."""
        if task := asyncio.current_task():
            self._taking.hold(task)
        try:
            await self._accept(request.body)
        except IntakeError:
            return BoltResponse(status=503)
        return BoltResponse(status=200)

    async def _webhook(self, request: web.Request) -> web.Response:
        """Events, commands and button presses. Forgeries touch nothing; what is not for us is answered 200, for
        Slack would send it again otherwise. Raises IntakeError."""
        body = await request.read()
        if not is_authentic(self._secret, request.headers, body, time.time()):
            return web.Response(status=401)
        try:
            payload = _parse(request.content_type, body)
        except (ValueError, RecursionError):
            return web.Response(status=400)
        if payload.get("type") == "url_verification":
            return web.json_response({"challenge": payload.get("challenge")})
        await self._accept(payload)
        return web.Response()

    async def _accept(self, payload: dict[str, Any]) -> None:
        """Returns when the event, if there is one in it, is durable. Raises IntakeError."""
        if self._me is None:
            raise IntakeError("the channel is not running")
        self.health.touch()
        if event := to_event(self.wiring.channel, payload, self._me):
            await self.wiring.inbox(await self._named(event))

    async def _named(self, event: AnyEvent) -> AnyEvent:
        """With its author's name, where others read along and it can be had."""
        if event.direct or event.user.name or event.user.is_bot:
            return event
        user = event.user.id.rpartition(":")[2]
        if not isinstance(event, Message | Edited):
            await self._names.settled(user)
            return event
        name = await self._names.of(user)
        return msgspec.structs.replace(event, user=msgspec.structs.replace(event.user, name=name))

    # Out

    def measure(self, text: str) -> int:
        return len(render(text))

    async def send(self, to: Address, part: Part, key: str) -> Sent:
        if to.reply:
            await self._whisper(to, to.reply, part)
            return Sent(to, key)
        message = {
            "channel": to.room,
            "thread_ts": to.thread,
            **_content(part),
            "unfurl_links": False,
            "unfurl_media": False,
            "metadata": {"event_type": "switchboard_part", "event_payload": {"key": key}},
        }
        answer = await self._post("chat.postMessage", message)
        return Sent(to, answer["ts"])

    async def find(self, to: Address, part: Part, key: str, since: float) -> Sent | None:
        if to.reply:
            return None  # what one user alone sees is in no history
        method = "conversations.replies" if to.thread else "conversations.history"
        query = {
            "channel": to.room,
            "ts": to.thread,
            "oldest": f"{since - 5:.6f}",  # the two clocks may differ
            "include_all_metadata": "true",
            "limit": "200",
        }
        try:
            answer = await self._api.read(method, query)
        except Refused:
            return None  # without the right to read it cannot be known
        for message in answer["messages"]:
            if message.get("metadata", {}).get("event_payload", {}).get("key") == key:
                return Sent(to, message["ts"])
        return None

    def can_draft(self, to: Address) -> bool:
        """What one user alone sees bears few edits."""
        return to.reply is None

    async def edit(self, sent: Sent, part: Part) -> None:
        if sent.to.reply:
            await self._whisper(sent.to, sent.to.reply, part, replace=True)
            return
        # Without `parse` an edit, unlike a new message, is searched for bare names to mention.
        message = {"channel": sent.to.room, "ts": sent.id, "parse": "none", "blocks": [], **_content(part)}
        await self._post("chat.update", message)

    async def typing(self, to: Address) -> None:
        """Slack shows a status in threads, and not in every workspace; where it refuses it is not asked again."""
        if to.thread is None or to.room in self._without_status:
            return
        status = {"channel_id": to.room, "thread_ts": to.thread, "status": "is thinking…"}
        try:
            await self._api.call("assistant.threads.setStatus", status)
        except Refused:
            self._without_status.add(to.room)
        except Throttled:
            pass  # Slack counts each method by itself: the answer need not wait

    async def _post(self, method: str, message: dict[str, Any]) -> dict[str, Any]:
        """Notes a refused token for the next `probe`."""
        try:
            answer = await self._api.call(method, message)
        except Refused as error:
            if error.advice:
                self._refused = BadCredentials(f"bot_token: {error.advice}")
            raise
        self.health.touch()
        return answer

    async def _whisper(self, to: Address, reply: str, part: Part, *, replace: bool = False) -> None:
        """Answer one user alone, by the address that came with the command: five times within half an hour
        (https://docs.slack.dev/interactivity/handling-user-interaction#message_responses), then as a new message."""
        user, _, url = reply.partition(" ")
        message = {"thread_ts": to.thread, **_content(part)}
        if not await self._api.respond(url, {**message, "response_type": "ephemeral", "replace_original": replace}):
            await self._post("chat.postEphemeral", {**message, "channel": to.room, "user": user})


def _content(part: Part) -> dict[str, Any]:
    text = render(part.text)
    return {"text": text, "blocks": blocks(text, part.choices)} if part.choices else {"text": text}


def _parse(content_type: str, body: bytes) -> dict[str, Any]:
    """JSON, or a form (with JSON in its field `payload`). Raises ValueError or RecursionError."""
    if content_type != "application/x-www-form-urlencoded":
        return decode(body)
    form = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100, errors="strict"))
    return decode(form["payload"]) if "payload" in form else form
