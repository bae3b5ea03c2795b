"""Connects a Slack workspace: Socket Mode through Bolt, the Events API through one route, answers by the Web API."""

import asyncio
import logging
import math
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import msgspec
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from adapters.slack import refusals
from adapters.slack.inbound import Me, to_event
from adapters.slack.render import blocks, render
from adapters.slack.settings import SlackSettings
from adapters.slack.signature import is_authentic
from core.adapter import Adapter, Capabilities, Route, Wiring
from core.errors import (
    BadCredentials,
    IntakeError,
    NotReady,
    SendError,
    Throttled,
    Unavailable,
    Unconfirmed,
    Undeliverable,
)
from core.events import Address, Part, Sent

log = logging.getLogger(__name__)

METADATA = "switchboard_part"
"""Names the metadata by which a message of ours is found again."""
CALL_LIMIT = 30.0
"""Seconds for one Web API call."""
PING_EVERY = 10.0
"""Seconds between two signs of life on the socket."""
SILENCE = 60.0
"""Seconds without proof of life after which the channel is restarted (socket) or Slack is asked (http)."""
_SLACK_HOSTS = ("slack.com", "slack-gov.com")
_NO_STATUS_HERE = frozenset({"missing_scope", "not_allowed_token_type", "unknown_method", "access_denied"})
"""Refusals of a status that hold for the whole workspace; all others for one room."""


class SlackAdapter(Adapter[SlackSettings]):
    capabilities = Capabilities(
        max_text=4000, can_edit=True, edit_every=1.2, typing_lasts=100, max_choices=25, can_find=True
    )

    def __init__(self, settings: SlackSettings, wiring: Wiring) -> None:
        super().__init__(settings, wiring)
        self._secret = settings.signing_secret.get_secret_value().encode()
        self._me: Me | None = None
        self._web: AsyncWebClient
        self._headers: dict[str, str]
        self._socket: AsyncSocketModeHandler | None = None
        self._taking: set[asyncio.Task[Any]] = set()
        """Envelopes on their way into the inbox; the SDK keeps no hold of these tasks."""
        self._refused: BadCredentials | None = None
        self._no_status: set[str] = set()
        """Rooms where Slack refuses a status; "" for all."""

    # Life

    def routes(self) -> Iterable[Route]:
        return (Route(self._webhook),) if self.settings.mode == "http" else ()

    async def start(self) -> None:
        if missing := self.settings.missing():
            raise BadCredentials(f"{', '.join(missing)}: not set")
        self._web = AsyncWebClient(
            self.settings.bot_token.get_secret_value(),
            self.settings.api_url,
            session=self.wiring.http,
            retry_handlers=[],  # the SDK's own would post twice: Slack knows no idempotency key
        )
        self._headers = {
            "Authorization": f"Bearer {self._web.token}",
            "Content-Type": "application/json; charset=utf-8",
        }
        if _is_loopback(self._web.base_url):
            self._web.proxy = None  # the SDK takes one from the environment for every address
        me = await self._introduce()
        if self.settings.mode == "socket":
            await self._connect(me)
        self._me = me
        self.health.touch()

    async def stop(self) -> None:
        self._me = None
        if self._taking:
            await asyncio.wait(self._taking, timeout=5)
        if self._socket is None:
            return
        socket, self._socket = self._socket.client, None
        await socket.close()  # type: ignore[no-untyped-call]
        tasks = [task for task in (socket.message_processor, socket.message_receiver) if task]
        tasks += [socket.current_session_monitor] if socket.current_session_monitor else []
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _introduce(self) -> Me:
        """Prove the bot token, and learn who we are by it."""
        try:
            async with asyncio.timeout(CALL_LIMIT):
                answer = await self._web.auth_test()
        except refusals.FAILURES as error:
            raise refusals.at_start(error, "bot_token") from error
        self.health.identity = f"@{answer.get('user')} in {answer.get('team')}"
        return Me(str(answer["user_id"]), str(answer.get("bot_id") or ""))

    async def _connect(self, me: Me) -> None:
        """Open the socket. The SDK would try for ever where the token is wrong, so it is proven first."""
        token = self.settings.app_token.get_secret_value()
        try:
            async with asyncio.timeout(CALL_LIMIT):
                opened = await self._web.apps_connections_open(app_token=token)
        except refusals.FAILURES as error:
            raise refusals.at_start(error, "app_token") from error

        async def take(req: AsyncBoltRequest) -> BoltResponse:
            return await self._take(req.body, me)

        app = AsyncApp(
            client=self._web,
            name="switchboard",
            signing_secret="",  # a socket has no signatures
            before_authorize=take,  # everything is taken here, so nothing after it runs
            process_before_response=True,
            request_verification_enabled=False,
            ssl_check_enabled=False,
        )
        self._socket = AsyncSocketModeHandler(app, token, ping_interval=PING_EVERY)
        socket = self._socket.client
        socket.wss_uri = opened["url"]
        if _is_loopback(socket.wss_uri):
            socket.proxy = None
        try:
            async with asyncio.timeout(CALL_LIMIT):
                await socket.connect()  # type: ignore[no-untyped-call]
        except TimeoutError as error:
            raise NotReady("Slack's socket does not open") from error

    async def probe(self) -> None:
        if self._refused:
            raise self._refused
        if self._socket is not None:
            self._note_pong(self._socket.client.last_ping_pong_time)
            if self.health.silent_for > SILENCE:
                raise NotReady(f"Slack's socket has been silent for {self.health.silent_for:.0f} s")
        elif self.health.silent_for > SILENCE:
            await self._introduce()
            self.health.touch()

    def _note_pong(self, pong: float | None) -> None:
        """`pong`: when the last ping that was answered was sent, Unix seconds."""
        if pong is not None:
            self.health.alive_at = max(self.health.alive_at, time.monotonic() - max(0.0, time.time() - pong))

    # In

    async def _take(self, payload: dict[str, Any], me: Me) -> BoltResponse:
        """An envelope from the socket: Bolt acknowledges it with a 200, and Slack sends it again otherwise."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - Bolt calls this from its own task
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)
        self.health.touch()
        if (event := to_event(self.wiring.channel, payload, me)) is None:
            return BoltResponse(status=200)
        try:
            await self.wiring.inbox(event)
        except IntakeError as error:
            log.warning("%s: an event was not taken, Slack will send it again: %s", self.wiring.channel, error)
            return BoltResponse(status=503)
        return BoltResponse(status=200)

    async def _webhook(self, request: web.Request) -> web.Response:
        """Events, commands and button presses. Forgeries touch nothing; what is not for us is answered 200, for
        Slack would send it again otherwise."""
        if "Content-Encoding" in request.headers:  # reading would unpack it
            return web.Response(status=415)
        body = await request.read()
        if not is_authentic(self._secret, request.headers, body, time.time()):
            return web.Response(status=401)
        if self._me is None:
            return web.Response(status=503, headers={"Retry-After": "2"})
        try:
            payload = _parse(request.content_type, body)
        except (ValueError, RecursionError):
            return web.Response(status=400)
        self.health.touch()
        if payload.get("type") == "url_verification":
            return web.json_response({"challenge": str(payload.get("challenge", ""))})
        if (event := to_event(self.wiring.channel, payload, self._me)) is None:
            return web.Response()
        try:
            await self.wiring.inbox(event)
        except IntakeError as error:
            return web.Response(status=503, headers={"Retry-After": str(math.ceil(error.retry_after))})
        return web.Response()

    # Out

    def measure(self, text: str) -> int:
        return len(render(text))

    async def send(self, to: Address, part: Part, key: str) -> Sent:
        if to.reply:
            await self._whisper(to, to.reply, part)
            return Sent(to, key)
        call: dict[str, Any] = {
            "channel": to.room,
            **_body(part),
            "unfurl_links": False,
            "unfurl_media": False,
            "metadata": {"event_type": METADATA, "event_payload": {"key": key}},
        }
        if to.thread:
            call["thread_ts"] = to.thread
        answer = await self._call("chat.postMessage", call)
        return Sent(to, str(answer.get("ts", "")))

    async def find(self, to: Address, part: Part, key: str, since: float) -> Sent | None:
        if to.reply or self._me is None:
            return None  # what one user alone sees is in no history
        method = "conversations.replies" if to.thread else "conversations.history"
        call = {
            "channel": to.room,
            "oldest": f"{since - 5:.6f}",  # the two clocks may differ
            "include_all_metadata": "true",
            "limit": "200",
        }
        if to.thread:
            call["ts"] = to.thread
        try:
            answer = await self._ask(method, query=call)
        except refusals.FAILURES as error:
            failure = refusals.of_send(error)
            if isinstance(failure, Undeliverable):
                return None  # without the right to read it cannot be known
            raise failure from error
        for message in answer.get("messages") or ():
            metadata = message.get("metadata") or {}
            ours = message.get("user") == self._me.user_id or message.get("bot_id") == self._me.bot_id
            if ours and (metadata.get("event_payload") or {}).get("key") == key:
                return Sent(to, message["ts"])
        return None

    async def edit(self, sent: Sent, part: Part) -> None:
        if sent.to.reply:
            await self._whisper(sent.to, sent.to.reply, part, replace=True)
            return
        # Without `parse` an edit, unlike a new message, is searched for bare names to mention.
        call = {"channel": sent.to.room, "ts": sent.id, "parse": "none", "blocks": [], **_body(part)}
        await self._call("chat.update", call, whole_channel=True)

    async def typing(self, to: Address) -> None:
        """Slack shows a status in threads, and not in every workspace; where it refuses it is not asked again."""
        if to.thread is None or not self._no_status.isdisjoint(("", to.room)):
            return
        call = {"channel_id": to.room, "thread_ts": to.thread, "status": "is thinking…"}
        try:
            await self._ask("assistant.threads.setStatus", call)
        except refusals.FAILURES as error:
            reason = refusals.code(error)
            if reason and not isinstance(refusals.of_send(error), Throttled | Unavailable | Unconfirmed):
                if len(self._no_status) > 1000:
                    self._no_status.clear()
                self._no_status.add("" if reason in _NO_STATUS_HERE else to.room)

    async def _call(
        self,
        method: str,
        call: dict[str, Any] | None = None,
        *,
        query: dict[str, str] | None = None,
        whole_channel: bool = False,
    ) -> dict[str, Any]:
        try:
            answer = await self._ask(method, call, query)
        except refusals.FAILURES as error:
            self._refused = refusals.credentials(error, "bot_token") or self._refused
            raise refusals.of_send(error, whole_channel=whole_channel) from error
        self.health.touch()
        return answer

    async def _ask(
        self, method: str, call: dict[str, Any] | None = None, query: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """By the pooled session itself: the SDK's way to it costs as much again. `query` instead of `call` where Slack
        reads no JSON. Raises one of `refusals.FAILURES`."""
        async with (
            asyncio.timeout(CALL_LIMIT),
            self.wiring.http.request(
                "GET" if query else "POST",
                self._web.base_url + method,
                params=query,
                data=msgspec.json.encode(call) if call else None,
                headers={"Authorization": self._headers["Authorization"]} if query else self._headers,
                proxy=self._web.proxy,
            ) as response,
        ):
            answer = refusals.Answer(response.status, response.headers, await response.read())
        if not answer.is_ok:
            raise SlackApiError(method, answer)  # type: ignore[no-untyped-call]
        return answer.data

    async def _whisper(self, to: Address, reply: str, part: Part, *, replace: bool = False) -> None:
        """Answer one user alone, by the address that came with the command: five times within half an hour
        (https://docs.slack.dev/interactivity/handling-user-interaction#message_responses), then as a new message."""
        user, _, url = reply.partition(" ")
        call = {**_body(part), "response_type": "ephemeral", "replace_original": replace}
        if to.thread:
            call["thread_ts"] = to.thread
        if _is_slacks(url, self.settings.api_url) and await self._respond(url, call):
            return
        fresh = {"channel": to.room, "user": user, **_body(part)}
        if to.thread:
            fresh["thread_ts"] = to.thread
        await self._call("chat.postEphemeral", fresh)

    async def _respond(self, url: str, call: dict[str, Any]) -> bool:
        """False: the address is used up."""
        limit = aiohttp.ClientTimeout(total=CALL_LIMIT)
        try:
            async with self.wiring.http.post(URL(url), json=call, timeout=limit, allow_redirects=False) as answer:
                if answer.status == 429:
                    raise Throttled(float(answer.headers.get("Retry-After", 1)))
                if answer.status >= 500:
                    raise Unconfirmed(f"HTTP {answer.status}")
                return answer.status == 200
        except SendError:
            raise
        except refusals.FAILURES as error:
            raise refusals.of_send(error) from error


def _body(part: Part) -> dict[str, Any]:
    text = render(part.text)
    return {"text": text, "blocks": blocks(text, part.choices)} if part.choices else {"text": text}


def _parse(content_type: str, body: bytes) -> dict[str, Any]:
    """JSON, or a form (with JSON in its field `payload`). Raises ValueError or RecursionError."""
    if content_type != "application/x-www-form-urlencoded":
        return _object(body)
    form = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100, errors="strict"))
    return _object(form["payload"].encode()) if "payload" in form else form


def _object(body: bytes) -> dict[str, Any]:
    return msgspec.json.decode(body, type=dict[str, Any])


def _is_loopback(url: str) -> bool:
    return URL(url).host in ("127.0.0.1", "localhost", "::1")


def _is_slacks(url: str, api_url: str) -> bool:
    """Whether an address from a payload may be called: one of Slack's, or of the server that plays it."""
    try:
        target, api = URL(url), URL(api_url)
        if target.host is None:
            return False
        if target.origin() == api.origin():
            return True
    except ValueError:
        return False
    known = any(target.host == host or target.host.endswith("." + host) for host in _SLACK_HOSTS)
    return known and target.scheme == "https" and target.port == 443
