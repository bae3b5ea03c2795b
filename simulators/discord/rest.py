"""Discord's REST API, as far as a bot needs it: https://docs.discord.com/developers/reference."""

import json
import time
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from math import ceil
from typing import Any

from aiohttp import web

from simulators.discord.errors import Refused
from simulators.discord.gateway import Gateway
from simulators.discord.world import APPLICATION, BOT, EPHEMERAL, LOADING, Interaction, Json, Posted, World, check
from simulators.limits import Left, Limit, Meter
from simulators.stage import Faults, Wire

ANSWER_WITHIN, TOKEN_LIVES = 3.0, 15 * 60.0
"""Seconds: https://docs.discord.com/developers/interactions/receiving-and-responding"""
TYPING_LASTS = 10.0
"""Seconds: https://docs.discord.com/developers/resources/channel#trigger-typing-indicator"""
GLOBAL = Limit(50, 1.0)
"""Requests of one bot, interactions aside: https://docs.discord.com/developers/topics/rate-limits#global-rate-limit"""
MESSAGES = Limit(5, 5.0)
"""Of one method in one channel. The page tells bots to go by the headers and names no number; this is the one commonly
observed in them for messages."""
Call = Callable[[web.Request, Any], Awaitable[Any]]


class Rest:
    def __init__(
        self, world: World, gateway: Gateway, faults: Faults, meter: Meter, log: Callable[[Wire], None]
    ) -> None:
        self.world = world
        self.gateway = gateway
        self.faults = faults
        self.meter = meter
        self.log = log
        self.typing: dict[str, float] = {}
        self.changed: Callable[[], None] = lambda: None
        self.puts = 0
        """How often the commands were overwritten."""

    def routes(self) -> list[web.RouteDef]:
        channel, message = "/channels/{channel}", "/channels/{channel}/messages/{message}"
        hook = "/webhooks/" + APPLICATION + "/{token}"
        calls: list[tuple[str, str, Call, bool]] = [
            ("GET", "/users/@me", self.me, False),
            ("GET", "/oauth2/applications/@me", self.application, False),
            ("GET", "/applications/@me", self.application, False),
            ("GET", "/gateway", self.where, False),
            ("GET", "/gateway/bot", self.where, False),
            ("POST", "/users/@me/channels", self.open_direct, False),
            ("GET", "/applications/" + APPLICATION + "/commands", self.commands, False),
            ("PUT", "/applications/" + APPLICATION + "/commands", self.put_commands, False),
            ("GET", channel, self.channel, False),
            ("POST", channel + "/typing", self.type, False),
            ("GET", channel + "/messages", self.history, False),
            ("POST", channel + "/messages", self.post, True),
            ("GET", message, self.message, False),
            ("PATCH", message, self.edit, True),
            ("DELETE", message, self.delete, False),
            ("POST", message + "/threads", self.open_thread, False),
            ("PUT", message + "/reactions/{emoji}/@me", self.react, False),
            ("DELETE", message + "/reactions/{emoji}/@me", self.unreact, False),
            ("POST", "/interactions/{id}/{token}/callback", self.callback, False),
            ("POST", hook, self.follow, True),
            ("GET", hook + "/messages/{message}", self.answer, False),
            ("PATCH", hook + "/messages/{message}", self.edit_answer, True),
        ]
        return [
            web.route(method, "/api/v10" + path, self._handler(call, is_send)) for method, path, call, is_send in calls
        ]

    def _handler(self, call: Call, is_send: bool) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            text = await request.text()
            answer = await self._answer(request, text, call, is_send)
            self.log(Wire(request.method, request.path_qs, text, answer.status, inbound=True))
            self.changed()
            return answer

        return handle

    async def _answer(self, request: web.Request, text: str, call: Call, is_send: bool) -> web.Response:
        await self.faults.speaking()
        open_to_all = "token" in request.match_info
        if not open_to_all and request.headers.get("Authorization") != f"Bot {self.gateway.token}":
            return _json(401, {"message": "401: Unauthorized", "code": 0})
        if is_send and self.faults.take("throttle"):
            return _throttled(self.faults.retry_after)
        if not open_to_all and (wait := self.meter.take((GLOBAL, ""))):
            return _throttled(wait, is_global=True)
        bucket = f"{request.method} {room}" if is_send and (room := request.match_info.get("channel")) else ""
        if bucket and (wait := self.meter.take((MESSAGES, bucket))):
            return _throttled(wait, bucket=self._bucket(bucket))
        if is_send and self.faults.take("refuse"):
            return _json(503, {"message": "503: Service Unavailable", "code": 0})
        try:
            status, body = await _status_and_body(call(request, json.loads(text) if text else {}))
        except Refused as refused:
            return _json(refused.status, refused.body)
        except json.JSONDecodeError:
            return _json(400, {"message": "400: Bad Request", "code": 50109})
        if is_send and self.faults.take("fail_after_accepting"):
            return _json(500, {"message": "500: Internal Server Error", "code": 0})
        return _json(status, body, self._bucket(bucket))

    def _bucket(self, name: str) -> dict[str, str] | None:
        """The headers of a bucket; None: one that never runs empty."""
        if not name or not self.meter.enabled:
            return None
        left: Left = self.meter.left(MESSAGES, name)
        return {
            "X-RateLimit-Limit": str(MESSAGES.calls),
            "X-RateLimit-Remaining": str(left.calls),
            "X-RateLimit-Reset": f"{time.time() + left.reset_after:.3f}",
            "X-RateLimit-Reset-After": f"{left.reset_after:.3f}",
            "X-RateLimit-Bucket": blake2b(name.encode(), digest_size=8).hexdigest(),
        }

    async def me(self, _: web.Request, __: Any) -> Json:
        return self.world.user(BOT)

    async def application(self, _: web.Request, __: Any) -> Json:
        """https://docs.discord.com/developers/resources/application#application-object"""
        return {
            "id": APPLICATION,
            "name": "hub",
            "icon": None,
            "description": "",
            "summary": "",
            "flags": 0,
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "0" * 64,
            "team": None,
            "owner": self.world.user("42"),
            "interactions_endpoint_url": None,
        }

    async def where(self, request: web.Request, _: Any) -> Json:
        if request.path.endswith("/gateway"):
            return {"url": self.gateway.url}
        limit = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}
        return {"url": self.gateway.url, "shards": 1, "session_start_limit": limit}

    async def open_direct(self, _: web.Request, body: Any) -> Json:
        return self.world.channel(self.world.direct_room(str(body["recipient_id"])))

    async def commands(self, _: web.Request, __: Any) -> list[Json]:
        return self.world.commands

    async def put_commands(self, _: web.Request, body: Any) -> list[Json]:
        """https://docs.discord.com/developers/interactions/application-commands#bulk-overwrite-global-application-commands"""
        self.puts += 1
        self.world.commands = [
            {"id": self.world.snowflake(), "application_id": APPLICATION, "version": "1", "type": 1} | dict(command)
            for command in body
        ]
        return self.world.commands

    async def channel(self, request: web.Request, _: Any) -> Json:
        return self.world.channel(request.match_info["channel"])

    async def type(self, request: web.Request, _: Any) -> None:
        channel = self.world.channel(request.match_info["channel"])
        self.typing[channel["id"]] = time.monotonic() + TYPING_LASTS

    async def history(self, request: web.Request, _: Any) -> list[Json]:
        limit = min(int(request.query.get("limit", "50")), 100)
        return self.world.page(request.match_info["channel"], request.query.get("after"), limit)

    async def post(self, request: web.Request, body: Any) -> Json:
        room = request.match_info["channel"]
        self.typing.pop(room, None)
        return self.world.send(room, body).data

    async def message(self, request: web.Request, _: Any) -> Json:
        return self._posted(request).data

    async def edit(self, request: web.Request, body: Any) -> Json:
        return self.world.edit(self._own(request), body).data

    async def delete(self, request: web.Request, _: Any) -> None:
        self.world.delete(self._own(request))

    async def open_thread(self, request: web.Request, body: Any) -> tuple[int, Json]:
        return 201, self.world.open_thread(request.match_info["channel"], request.match_info["message"], body)

    async def react(self, request: web.Request, _: Any) -> None:
        self._reaction("MESSAGE_REACTION_ADD", request)

    async def unreact(self, request: web.Request, _: Any) -> None:
        self._reaction("MESSAGE_REACTION_REMOVE", request)

    async def callback(self, request: web.Request, body: Any) -> None:
        """https://docs.discord.com/developers/interactions/receiving-and-responding#create-interaction-response"""
        asked = self.world.interactions.get(request.match_info["token"])
        if asked is None or asked.id != request.match_info["id"] or time.monotonic() - asked.asked_at > ANSWER_WITHIN:
            raise Refused(404, 10062, "Unknown interaction")
        if asked.answered:
            raise Refused(400, 40060, "Interaction has already been acknowledged.")
        data = body.get("data") or {}
        asked.private = bool(data.get("flags", 0) & EPHEMERAL)
        if body["type"] == 4:
            check(data)
        asked.answered = body["type"]
        if body["type"] in (4, 5):
            flags = (EPHEMERAL if asked.private else 0) | (LOADING if body["type"] == 5 else 0)
            asked.original = self.world.post(asked.room, BOT, data, kind=20, flags=flags, private=asked.private)
            if body["type"] == 4:
                self._show(asked, asked.original)
            else:
                self.typing[asked.room] = time.monotonic() + TOKEN_LIVES

    async def follow(self, request: web.Request, body: Any) -> Json:
        """https://docs.discord.com/developers/interactions/receiving-and-responding#create-followup-message"""
        asked = self._asked(request)
        check(body)
        private = bool(body.get("flags", 0) & EPHEMERAL)
        posted = self.world.post(asked.room, BOT, body, kind=20, flags=EPHEMERAL if private else 0, private=private)
        self._show(asked, posted)
        return posted.data

    async def answer(self, request: web.Request, _: Any) -> Json:
        return self._answered(request).data

    async def edit_answer(self, request: web.Request, body: Any) -> Json:
        asked, posted = self._asked(request), self._answered(request)
        is_first = bool(posted.data["flags"] & LOADING)
        self.world.edit(posted, body)
        if is_first:
            posted.seen.edited = False
            self.typing.pop(asked.room, None)
            self._show(asked, posted)
        return posted.data

    def _show(self, asked: Interaction, posted: Posted) -> None:
        posted.seen.only_for = asked.user if posted.private else None
        posted.seen.time = time.time()
        self.world.seen.append(posted.seen)

    def _asked(self, request: web.Request) -> Interaction:
        asked = self.world.interactions.get(request.match_info["token"])
        if asked is None or not asked.answered:
            raise Refused(404, 10015, "Unknown Webhook")
        if time.monotonic() - asked.asked_at > TOKEN_LIVES:
            raise Refused(401, 50027, "Invalid Webhook Token")
        return asked

    def _answered(self, request: web.Request) -> Posted:
        asked, wanted = self._asked(request), request.match_info["message"]
        posted = asked.original if wanted == "@original" else self.world.posted.get(wanted)
        if posted is None or posted.seen.author != BOT:
            raise Refused(404, 10008, "Unknown Message")
        return posted

    def _posted(self, request: web.Request) -> Posted:
        return self.world.message(request.match_info["channel"], request.match_info["message"])

    def _own(self, request: web.Request) -> Posted:
        posted = self._posted(request)
        if posted.seen.author != BOT:
            raise Refused(403, 50005, "Cannot edit a message authored by another user")
        return posted

    def _reaction(self, name: str, request: web.Request) -> None:
        data = self._posted(request).data
        emoji = {"id": None, "name": request.match_info["emoji"]}
        told = {"user_id": BOT, "channel_id": data["channel_id"], "message_id": data["id"], "emoji": emoji}
        self.world.dispatch(name, told | self.world.guild_of(data["channel_id"]))


async def _status_and_body(call: Awaitable[Any]) -> tuple[int, Any]:
    answer = await call
    if answer is None:
        return 204, None
    return answer if isinstance(answer, tuple) else (200, answer)


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    """The type without a charset, and a bucket that never runs empty:
    https://docs.discord.com/developers/topics/rate-limits#header-format"""
    bucket = {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "49", "X-RateLimit-Reset-After": "1.000"}
    kind = {"Content-Type": "application/json"} if body is not None else {}
    return web.Response(
        status=status,
        body=json.dumps(body).encode() if body is not None else None,
        headers=kind | {"Via": "1.1 google"} | (bucket if headers is None else headers),
    )


def _throttled(retry_after: float, *, is_global: bool = False, bucket: dict[str, str] | None = None) -> web.Response:
    """https://docs.discord.com/developers/topics/rate-limits#exceeding-a-rate-limit"""
    body = {"message": "You are being rate limited.", "retry_after": round(retry_after, 3), "global": is_global}
    headers = {"Retry-After": str(ceil(retry_after)), "X-RateLimit-Scope": "global" if is_global else "user"}
    return _json(429, body, (bucket or {}) | headers | ({"X-RateLimit-Global": "true"} if is_global else {}))
