"""Slack's Web API, as far as a bot needs it, with its limits and its own error answers."""

import json
import time
from collections.abc import Awaitable, Callable
from math import ceil
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from simulators.limits import Limit, Meter
from simulators.slack.content import check
from simulators.slack.events import BOT, BOT_USER, TEAM, Payload, bot_message
from simulators.slack.refusal import Refusal
from simulators.slack.rooms import Rooms, own
from simulators.stage import Faults, Wire

STATUS_LASTS = 120.0
"""Seconds. https://docs.slack.dev/reference/methods/assistant.threads.setStatus"""
RESPONSES, RESPONSE_LASTS = 5, 1800.0
"""https://docs.slack.dev/interactivity/handling-user-interaction#message_responses"""
_WRITES = frozenset({"chat.postMessage", "chat.update", "chat.postEphemeral"})
_NO_JSON = frozenset({"auth.test", "conversations.history", "conversations.replies", "users.info"})
"""Methods that read take no JSON body: what is in one is not seen. https://docs.slack.dev/apis/web-api#post-bodies"""

_POSTS = Limit(25, 25.0, leaks=True)
"""One message a second and channel, "short bursts" allowed: https://docs.slack.dev/apis/web-api/rate-limits. How many
is not said; 25 were observed: https://github.com/RamblingCookieMonster/PSSlack/issues/52"""
_TIER_3, _TIER_4 = Limit(50, 60.0), Limit(100, 60.0)
"""Calls of one method in a workspace (same page). The tiers stand on the methods' own pages."""
_LIMITS = {
    "chat.update": _TIER_3,
    "chat.delete": _TIER_3,
    "chat.postEphemeral": _TIER_4,
    "conversations.history": _TIER_3,
    "conversations.replies": _TIER_3,
    "reactions.add": _TIER_3,
    "users.info": _TIER_4,
}

_SCOPES = {"users.info": "users:read"}
"""What an app must have been granted; so far only what an app may well do without."""

Call = dict[str, Any]


class WebApi:
    def __init__(
        self,
        rooms: Rooms,
        faults: Faults,
        meter: Meter,
        typing: dict[str, float],
        note: Callable[[Wire], None],
        heard: Callable[[Payload], None],
    ) -> None:
        self.tokens: dict[str, str] = {}
        """Token -> whose it is: `bot` or `app`."""
        self.scopes = {"app_mentions:read", "chat:write", "commands", "im:history", "users:read"}
        """What the app was granted."""
        self.socket_url = ""
        self.status_works = True
        self.reactions: list[tuple[str, str, str]] = []
        """Room, message, emoji."""
        self._rooms = rooms
        self._faults = faults
        self._meter = meter
        self._typing = typing
        self._note = note
        self._heard = heard
        self._responses: dict[str, tuple[str, str, float, list[str]]] = {}
        """Of each response_url: room, user, until when, the messages made by it."""
        self._methods: dict[str, Callable[[Call], Awaitable[Payload] | Payload]] = {
            "auth.test": self._auth_test,
            "apps.connections.open": lambda call: {"url": self.socket_url},
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.delete": self._delete,
            "chat.postEphemeral": self._post_ephemeral,
            "conversations.replies": self._history,
            "conversations.history": self._history,
            "assistant.threads.setStatus": self._set_status,
            "reactions.add": self._react,
            "users.info": self._user,
        }

    def response_url(self, base: str, room: str, user: str, number: int) -> str:
        self._responses[str(number)] = (room, user, time.monotonic() + RESPONSE_LASTS, [])
        return f"{base}/response/{number}"

    async def handle(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        raw = await request.read()
        answer = await self._answer(method, request, raw)
        sent = raw.decode(errors="replace") or request.query_string
        self._note(Wire(request.method, request.path, sent, answer.status, inbound=True))
        return answer

    async def _answer(self, method: str, request: web.Request, raw: bytes) -> web.Response:
        await self._faults.speaking()
        is_write = method in _WRITES
        if is_write and (refused := self._misbehaved()):
            return refused
        try:
            call = {**request.query, **_read(method, request.content_type, raw)}
            self._authorise(method, request.headers.get("Authorization", ""), call)
            if method not in self._methods:
                raise Refusal("unknown_method")
            if wait := self._excess(method, call):
                return _throttled(wait)
            self._permit(method)
            answer = self._methods[method](call)
            result = answer if isinstance(answer, dict) else await answer
        except Refusal as refusal:
            # Logic errors are answered 200. https://docs.slack.dev/apis/web-api#responses
            return web.json_response(refusal.answer)
        if is_write and self._faults.take("fail_after_accepting"):
            return web.json_response({"ok": False, "error": "internal_error"}, status=500)
        return web.json_response({"ok": True, **result})

    def _excess(self, method: str, call: Call) -> float:
        """Seconds to wait, where this is one call too many."""
        if method == "chat.postMessage":
            return self._meter.take((_POSTS, str(call.get("channel"))))
        return self._meter.take((_LIMITS[method], method)) if method in _LIMITS else 0.0

    def _misbehaved(self) -> web.Response | None:
        if self._faults.take("throttle"):
            return _throttled(self._faults.retry_after)
        if self._faults.take("refuse"):
            return web.json_response({"ok": False, "error": "service_unavailable"}, status=503)
        return None

    def _authorise(self, method: str, header: str, call: Call) -> None:
        """https://docs.slack.dev/authentication/tokens"""
        token = header.removeprefix("Bearer ") or call.get("token", "")
        if not token:
            raise Refusal("not_authed")
        if token not in self.tokens:
            raise Refusal("invalid_auth")
        if (self.tokens[token] == "app") != (method == "apps.connections.open"):
            raise Refusal("not_allowed_token_type")

    def _permit(self, method: str) -> None:
        """The scope stands on the method's page; the answer: https://github.com/apache/superset/pull/15904"""
        needed = _SCOPES.get(method)
        if needed and needed not in self.scopes:
            raise Refusal("missing_scope", needed=needed, provided=",".join(sorted(self.scopes)))

    def _auth_test(self, call: Call) -> Payload:
        """https://docs.slack.dev/reference/methods/auth.test"""
        team = {"url": "https://acme.slack.com/", "team": "Acme", "team_id": TEAM}
        return {**team, "user": "hub", "user_id": BOT_USER, "bot_id": BOT, "is_enterprise_install": False}

    def _room(self, call: Call, key: str = "channel") -> str:
        if call.get(key) not in self._rooms.known:
            raise Refusal("channel_not_found")
        return str(call[key])

    def _post(self, call: Call) -> Payload:
        """https://docs.slack.dev/reference/methods/chat.postMessage"""
        room = self._room(call)
        check(call)
        # "Text longer than 40,000 characters is truncated": https://docs.slack.dev/changelog/2018-truncating-really-long-messages
        record = own(room, self._rooms.stamp(), {**call, "text": str(call.get("text", ""))[:40_000]})
        self._rooms.post(room, record, is_bot=True)
        self._clear_status(room, record.get("thread_ts"))
        self._heard(bot_message(room, record["text"], record["ts"], record.get("thread_ts")))
        return {"channel": room, "ts": record["ts"], "message": record}

    def _update(self, call: Call) -> Payload:
        """https://docs.slack.dev/reference/methods/chat.update"""
        room, ts = self._room(call), str(call.get("ts", ""))
        record = self._rooms.record(room, ts)
        if record is None:
            raise Refusal("message_not_found")
        if record.get("user") != BOT_USER:
            raise Refusal("cant_update_message")
        check(call)
        if len(call.get("text", "")) > 4000:  # an edit is refused where a new message is cut
            raise Refusal("msg_too_long")
        kept = {key: record[key] for key in ("metadata",) if key in record}
        changed = {**own(room, ts, {**call, "thread_ts": record.get("thread_ts")}), **kept}
        self._rooms.edit(room, ts, changed)
        return {"channel": room, "ts": ts, "text": changed["text"], "message": changed}

    def _delete(self, call: Call) -> Payload:
        """https://docs.slack.dev/reference/methods/chat.delete"""
        room, ts = self._room(call), str(call.get("ts", ""))
        if (record := self._rooms.record(room, ts)) is None:
            raise Refusal("message_not_found")
        if record.get("user") != BOT_USER:
            raise Refusal("cant_delete_message")
        self._rooms.delete(room, ts)
        return {"channel": room, "ts": ts}

    def _post_ephemeral(self, call: Call) -> Payload:
        """https://docs.slack.dev/reference/methods/chat.postEphemeral"""
        room = self._room(call)
        if not call.get("user"):
            raise Refusal("user_not_in_channel")
        check(call)
        record = own(room, self._rooms.stamp(), call)
        self._rooms.post(room, record, only_for=str(call["user"]), is_bot=True)
        return {"message_ts": record["ts"]}

    def _history(self, call: Call) -> Payload:
        """https://docs.slack.dev/reference/methods/conversations.replies · …/conversations.history

        Metadata only with `include_all_metadata`."""
        room, thread = self._room(call), call.get("ts")
        if thread and self._rooms.record(room, str(thread)) is None:
            raise Refusal("thread_not_found")
        found = self._rooms.history(room, thread and str(thread), float(call.get("oldest", 0)))
        limit = int(call.get("limit", 100))
        if call.get("include_all_metadata") not in (True, "true", "1"):
            found = [{key: value for key, value in record.items() if key != "metadata"} for record in found]
        return {"messages": found[:limit], "has_more": len(found) > limit}

    def _set_status(self, call: Call) -> Payload:
        """https://docs.slack.dev/reference/methods/assistant.threads.setStatus"""
        if not self.status_works:
            raise Refusal("missing_scope")
        room, thread = self._room(call, "channel_id"), str(call.get("thread_ts", ""))
        if self._rooms.record(room, thread) is None:
            raise Refusal("invalid_thread_ts")
        if call.get("status"):
            self._typing[room] = self._typing[thread] = time.monotonic() + STATUS_LASTS
        else:
            self._clear_status(room, thread)
        return {}

    def _clear_status(self, room: str, thread: str | None) -> None:
        """A status goes when the app says something."""
        self._typing.pop(room, None)
        self._typing.pop(thread or "", None)

    def _react(self, call: Call) -> Payload:
        """https://docs.slack.dev/reference/methods/reactions.add"""
        mark = (self._room(call), str(call.get("timestamp", "")), str(call.get("name", "")))
        if self._rooms.record(*mark[:2]) is None:
            raise Refusal("message_not_found")
        if mark in self.reactions:
            raise Refusal("already_reacted")
        self.reactions.append(mark)
        return {}

    def _user(self, call: Call) -> Payload:
        """https://docs.slack.dev/reference/methods/users.info. Many have no display name: then it is empty.
        Bots' own ids (B…) are none of users."""
        user = str(call.get("user", ""))
        if (name := self._rooms.people.get(user)) is None:
            raise Refusal("user_not_found")
        shown = name if name != user else ""
        profile = {
            "real_name": name,
            "real_name_normalized": name,
            "display_name": shown,
            "display_name_normalized": shown,
            "team": TEAM,
        }
        is_bot = user == BOT_USER
        who = {"id": user, "team_id": TEAM, "name": user.lower(), "deleted": False, "real_name": name}
        return {"user": {**who, "profile": profile, "is_bot": is_bot, "is_app_user": False, "updated": 0}}

    async def respond(self, request: web.Request) -> web.Response:
        """A response_url: no token, JSON. https://docs.slack.dev/interactivity/handling-user-interaction"""
        await self._faults.speaking()
        raw = await request.read()
        answer = self._responded(request.match_info["number"], raw)
        self._note(Wire("POST", request.path, raw.decode(errors="replace"), answer.status, inbound=True))
        return answer

    def _responded(self, number: str, raw: bytes) -> web.Response:
        if refused := self._misbehaved():
            return refused
        room, user, until, made = self._responses.get(number, ("", "", 0.0, []))
        if until < time.monotonic():
            return web.json_response({"ok": False, "error": "expired_url"}, status=404)
        if len(made) >= RESPONSES:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        call: Call = json.loads(raw)
        only_for = None if call.get("response_type") == "in_channel" else user
        if call.get("replace_original") and made:
            self._rooms.edit(room, made[-1], own(room, made[-1], call))
            made.append(made[-1])
        else:
            made.append(self._rooms.post(room, own(room, self._rooms.stamp(), call), only_for=only_for, is_bot=True).id)
        if self._faults.take("fail_after_accepting"):
            return web.Response(status=500)
        return web.Response(text="ok")


def _throttled(seconds: float) -> web.Response:
    """https://docs.slack.dev/apis/web-api/rate-limits: whole seconds"""
    headers = {"Retry-After": str(ceil(seconds))}
    return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)


def _read(method: str, content_type: str, raw: bytes) -> Call:
    """JSON or a form; unknown fields are left alone."""
    if content_type != "application/json":
        return dict(parse_qsl(raw.decode(), keep_blank_values=True))
    if method in _NO_JSON:
        return {}
    try:
        call = json.loads(raw)
    except ValueError:
        raise Refusal("invalid_json") from None
    if not isinstance(call, dict):
        raise Refusal("json_not_object")
    return call
