"""The people, groups and topics around a bot, and the HTTP surface of the Bot API."""

import json
import re
import time
from collections.abc import Awaitable, Callable
from itertools import count
from math import ceil
from typing import Any

from aiohttp import web

from simulators.limits import Limit
from simulators.stage import Seen, Simulator, Wire
from simulators.telegram import text as texts
from simulators.telegram.api import Methods, Refusal, parameters
from simulators.telegram.chats import Chat, Json, concerns, quoted, run_number, typed
from simulators.telegram.queue import Queue

_SENDS = ("sendMessage", "editMessageText")
_CHAT, _GROUP, _ALL = Limit(20, 20.0, leaks=True), Limit(20, 60.0), Limit(30, 1.0)
"""core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this: one message a second in a chat ("short
bursts" allowed, how many is not said: as many as a group takes), 20 a minute in a group, 30 a second in all. Edits
count (grammy.dev/advanced/flood)."""


class TelegramSimulator(Simulator):
    platform = "telegram"
    bot_id = "7000000001"
    token = "7000000001:FAKE-bot-token-of-the-simulator"
    group = "-100500"
    """A supergroup; the bot is a plain member there."""
    forum = "-100600"
    """A supergroup with topics, `9` among them."""

    def __init__(self, *, limits: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(limits=limits, clock=clock)
        self.queue = Queue(self.faults, self._log)
        self.mode = "polling"
        """What `settings` says."""
        self.api = Methods(
            self.queue,
            {
                "id": int(self.bot_id),
                "is_bot": True,
                "first_name": "Hub",
                "username": "hub_bot",
                "can_join_groups": True,
                "can_read_all_group_messages": False,
                "supports_inline_queries": False,
            },
        )
        self.api.messages, self.api.typing = self.messages, self.typing
        self._presses = count(run_number())
        self.people: dict[int, str] = {42: "Ann", 43: "Ben"}
        group = Chat(int(self.group), "supergroup", "Team")
        forum = Chat(int(self.forum), "supergroup", "Help desk", is_forum=True, topics={9: "Support", 10: "Ideas"})
        self.api.chats |= {group.id: group, forum.id: forum}
        for person in self.people:
            self._private(person)

    def settings(self) -> dict[str, Any]:
        keys = {"platform": "telegram", "bot_token": self.token, "api_url": self.url, "mode": self.mode}
        return keys | ({"webhook_secret": "FAKE-webhook-secret"} if self.mode == "webhook" else {})

    def app(self) -> web.Application:
        app = web.Application(client_max_size=50 << 20)
        app.router.add_route("*", "/bot{token}/{method}", self._call)
        return app

    async def start(self, port: int = 0) -> None:
        await super().start(port)
        self.queue.http = self.http
        if self.queue.webhook:
            self.queue.listen(self.queue.webhook, self.queue.secret, drop=False)

    async def stop(self) -> None:
        await self.queue.stop()
        await super().stop()

    async def say(
        self,
        text: str,
        *,
        user: str = "",
        room: str = "",
        thread: str | None = None,
        reply_to: Seen | None = None,
        **content: Any,
    ) -> Seen:
        """`reply_to`: the message it answers; `content`: further fields of `Message`, such as `photo`.

        A thread that does not exist yet is opened as a topic."""
        author = int(user or 42)
        chat = self._chat(room, author)
        topic = int(thread) if thread is not None else None
        if topic is not None and topic not in chat.topics:
            chat.topics[topic] = f"Topic {topic}"
        if reply_to is not None:
            content["reply_to_message"] = quoted(chat.messages[int(reply_to.id)])
        message = chat.new_message(self._person(author), topic, **typed(self._named(text)), **content)
        seen = self._show(message, reply_to=reply_to.id if reply_to else None)
        if concerns(message, chat, self.api.bot):
            await self.queue.put(message=message)
        return seen

    async def command(self, name: str, text: str = "", **where: Any) -> Seen:
        """A user picks one of the bot's commands."""
        return await self.say(f"/{name} {text}".strip(), **where)

    async def edit_message(self, seen: Seen, text: str) -> None:
        """A user changes what he said."""
        chat = self.api.chats[int(seen.room)]
        message = chat.messages[int(seen.id)]
        message |= typed(self._named(text)) | {"edit_date": message["date"] + 1}
        seen.text, seen.html, seen.edited = message["text"], texts.to_html(message["text"], message["entities"]), True
        self.changed()
        if concerns(message, chat, self.api.bot):
            await self.queue.put(edited_message=message)

    async def react(self, seen: Seen, emoji: str, *, user: str = "", added: bool = True) -> None:
        """#update: "the bot must be an administrator in the chat" to hear of it in a group."""
        chat = self.api.chats[int(seen.room)]
        kinds = [{"type": "emoji", "emoji": emoji}]
        if chat.type == "private" or chat.admin:
            await self.queue.put(
                message_reaction={
                    "chat": chat.json(),
                    "message_id": int(seen.id),
                    "user": self._person(int(user or 42)),
                    "date": int(seen.time) + 1,
                    "old_reaction": [] if added else kinds,
                    "new_reaction": kinds if added else [],
                }
            )

    async def press(self, message: Seen, value: str, *, user: str = "") -> None:
        query = str(next(self._presses))
        self.api.presses.add(query)
        await self.queue.put(
            callback_query={
                "id": query,
                "from": self._person(int(user or 42)),
                "message": self.api.chats[int(message.room)].messages[int(message.id)],
                "chat_instance": f"-{message.room.lstrip('-')}",
                "data": value,
            }
        )

    async def join(self, user: str = "", room: str = "") -> None:
        """A user comes into a group."""
        chat = self._chat(room or self.group, 0)
        person = self._person(int(user or 43))
        await self.queue.put(message=chat.new_message(person, new_chat_members=[person]))

    async def invite(self, room: str = "") -> None:
        """Ann takes the bot into a group."""
        chat = self._chat(room or self.group, 0)
        chat.blocked = ""
        await self._membership(chat, 42, "left", "member")

    async def block(self, user: str = "", *, blocked: bool = True) -> None:
        """A user blocks the bot, or lifts the block."""
        chat = self._private(int(user or 42))
        chat.blocked = "bot was blocked by the user" if blocked else ""
        await self._membership(chat, chat.id, *(("member", "kicked") if blocked else ("kicked", "member")))

    async def _membership(self, chat: Chat, by: int, before: str, after: str) -> None:
        bot = {name: self.api.bot[name] for name in ("id", "is_bot", "first_name", "username")}

        def member(status: str) -> Json:
            return {"status": status, "user": bot} | ({"until_date": 0} if status == "kicked" else {})

        await self.queue.put(
            my_chat_member={
                "chat": chat.json(),
                "from": self._person(by),
                "date": 1790000000,
                "old_chat_member": member(before),
                "new_chat_member": member(after),
            }
        )

    async def _call(self, request: web.Request) -> web.Response:
        name = request.match_info["method"]
        given: Json = {}
        try:
            # #authorizing-your-bot: a token of the wrong form is 404, a wrong one 401
            if request.match_info["token"] != self.token:
                raise Refusal(401, "Unauthorized") if ":" in request.match_info["token"] else Refusal(404, "Not Found")
            method: Callable[[Json], Awaitable[Any]] | None = getattr(self.api, name, None)
            if method is None or not re.fullmatch(r"[a-z]+[A-Z]\w+", name):
                raise Refusal(404, "Not Found")
            given = await parameters(request)
            status, body = 200, {"ok": True, "result": await self._answered(name, method, given)}
        except Refusal as error:
            status, body = error.code, error.body
        self.webhook_url = self.queue.webhook or None
        if name != "getUpdates" or body.get("result"):
            self.wire.append(
                Wire(request.method, f"/bot<token>/{name}", json.dumps(given, default=str), status, inbound=True)
            )
        self.changed()
        return web.json_response(body, status=status)

    async def _answered(self, name: str, method: Callable[[Json], Awaitable[Any]], given: Json) -> Any:
        await self.faults.speaking()
        if name not in _SENDS:
            result = await method(given)
            await self.faults.speaking()  # a poll may have begun before
            return result
        if self.faults.take("throttle"):
            raise _flood(self.faults.retry_after)
        if wait := self._excess(str(given.get("chat_id"))):
            raise _flood(wait)
        if self.faults.take("refuse"):
            raise Refusal(502, "Bad Gateway")
        result = await method(given)
        if self.faults.take("fail_after_accepting"):
            raise Refusal(502, "Bad Gateway")
        return result

    def _log(self, wire: Wire) -> None:
        self.wire.append(wire)
        self.changed()

    def _excess(self, chat: str) -> float:
        """Seconds to wait, where this is one message too many."""
        return self.meter.take((_GROUP if chat.startswith("-") else _CHAT, chat), (_ALL, ""))

    def _show(self, message: Json, reply_to: str | None = None) -> Seen:
        thread = message.get("message_thread_id")
        text = message.get("text", "")
        seen = Seen(
            id=str(message["message_id"]),
            room=str(message["chat"]["id"]),
            author=str(message["from"]["id"]),
            text=text,
            html=texts.to_html(text, message.get("entities", [])),
            name=message["from"]["first_name"],
            thread=str(thread) if thread is not None else None,
            reply_to=reply_to,
        )
        self.api.show(message, seen)
        self.changed()
        return seen

    def _named(self, text: str) -> str:
        return re.sub(r"@hub\b(?!_)", f"@{self.api.bot['username']}", text)

    def _person(self, number: int) -> Json:
        name = self.people.setdefault(number, f"User {number}")
        username = re.sub(r"\W", "_", name.lower())
        return {"id": number, "is_bot": False, "first_name": name, "username": username, "language_code": "en"}

    def _private(self, number: int) -> Chat:
        return self.api.chats.setdefault(number, Chat(number, "private", self._person(number)["first_name"]))

    def _chat(self, room: str, person: int) -> Chat:
        if not room or not room.startswith("-"):
            return self._private(int(room or person))
        return self.api.chats.setdefault(int(room), Chat(int(room), "supergroup", f"Group {room}"))


def _flood(seconds: float) -> Refusal:
    """#responseparameters: `retry_after`, whole seconds"""
    wait = ceil(seconds)
    return Refusal(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
