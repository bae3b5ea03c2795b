"""The Bot API's methods (core.telegram.org/bots/api#available-methods), with its checks and its words for errors."""

import json
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from simulators.stage import Seen
from simulators.telegram import text as texts
from simulators.telegram.chats import Chat, Json, quoted
from simulators.telegram.queue import Queue


class Refusal(Exception):
    """An answer with `ok: false` (core.telegram.org/bots/api#making-requests)."""

    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code = code
        self.body: Json = {"ok": False, "error_code": code, "description": description}
        if parameters:
            self.body["parameters"] = parameters


def bad(description: str) -> Refusal:
    return Refusal(400, f"Bad Request: {description}")


async def parameters(request: web.Request) -> Json:
    """Passed in any of four ways: query string, form, JSON, multipart (#making-requests)."""
    given: Json = dict(request.query)
    if request.content_type == "application/json":
        given |= await request.json()
    elif request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        given |= dict(await request.post())
    return given


def _nested(given: Json, name: str, default: Any = None) -> Any:
    """#making-requests: nested values in a form are "JSON-serialized"."""
    value = given.get(name, default)
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise bad(f"can't parse {name} JSON object") from None


def _number(given: Json, name: str, default: int | None = None) -> int:
    try:
        return int(given[name]) if name in given or default is None else default
    except (KeyError, ValueError):
        raise bad(f"{name.replace('_', ' ')} is not specified" if name not in given else f"invalid {name}") from None


@dataclass(frozen=True, slots=True)
class Content:
    text: str
    entities: list[Json]
    keyboard: Json | None

    @property
    def choices(self) -> list[tuple[str, str]]:
        rows = self.keyboard["inline_keyboard"] if self.keyboard else []
        return [(button["text"], button.get("callback_data", "")) for row in rows for button in row]


def content(given: Json) -> Content:
    """Text and buttons as the server takes them (#sendmessage: "1-4096 characters after entities parsing")."""
    text = str(given.get("text", ""))
    try:
        match given.get("parse_mode"):
            case None | "":
                entities = texts.check(text, _nested(given, "entities", []))
            case "HTML" | "html":
                text, entities = texts.parse_html(text)
            case _:
                raise bad("unsupported parse_mode")
    except texts.ParseError as error:
        raise bad(str(error)) from None
    if not text.strip():
        raise bad("message text is empty")
    if texts.units(text) > 4096:
        raise bad("message is too long")
    keyboard = _nested(given, "reply_markup")
    for row in (keyboard or {}).get("inline_keyboard", ()):
        for button in row:
            # #inlinekeyboardbutton: "callback_data … 1-64 bytes"
            if not button.get("text") or not 1 <= len(button.get("callback_data", "url").encode()) <= 64:
                raise bad("BUTTON_DATA_INVALID")
    return Content(text, texts.find(text, entities), keyboard)


class Methods:
    """One bot's view of the server; each method is named as in the Bot API."""

    def __init__(self, queue: Queue, bot: Json) -> None:
        self.queue = queue
        self.bot = bot
        self.chats: dict[int, Chat] = {}
        self.seen: dict[tuple[int, int], Seen] = {}
        self.messages: list[Seen] = []
        self.typing: dict[str, float] = {}
        self.commands: list[Json] = []
        self.presses: set[str] = set()
        """Presses not answered yet: their buttons spin."""

    async def getMe(self, given: Json) -> Json:  # noqa: N802
        return self.bot

    async def getUpdates(self, given: Json) -> list[Json]:  # noqa: N802
        # #getupdates: "will not work if an outgoing webhook is set up"
        if self.queue.webhook:
            raise Refusal(
                409,
                "Conflict: can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first",
            )
        if "allowed_updates" in given:
            self.queue.allow(_nested(given, "allowed_updates"))
        limit = min(100, max(1, _number(given, "limit", 100)))
        updates = await self.queue.poll(_number(given, "offset", 0), limit, _number(given, "timeout", 0))
        if updates is None:
            raise Refusal(
                409,
                "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
            )
        return updates

    async def setWebhook(self, given: Json) -> bool:  # noqa: N802
        url = str(given.get("url", ""))
        where = urlsplit(url)
        if url and where.scheme != "https" and not _on_loopback(where.hostname or ""):
            raise bad("bad webhook: An HTTPS URL must be provided for webhook")
        if "allowed_updates" in given:
            self.queue.allow(_nested(given, "allowed_updates"))
        self.queue.listen(url, str(given.get("secret_token", "")), bool(_nested(given, "drop_pending_updates", False)))
        return True

    async def deleteWebhook(self, given: Json) -> bool:  # noqa: N802
        self.queue.listen("", "", bool(_nested(given, "drop_pending_updates", False)))
        return True

    async def getWebhookInfo(self, given: Json) -> Json:  # noqa: N802
        info = {
            "url": self.queue.webhook,
            "has_custom_certificate": False,
            "pending_update_count": len(self.queue.updates),
        }
        return info | ({"last_error_message": self.queue.last_error} if self.queue.last_error else {})

    async def setMyCommands(self, given: Json) -> bool:  # noqa: N802
        self.commands = _nested(given, "commands", [])
        return True

    async def getMyCommands(self, given: Json) -> list[Json]:  # noqa: N802
        return self.commands

    async def sendMessage(self, given: Json) -> Json:  # noqa: N802
        chat, thread = self._place(given)
        what = content(given)
        replied = None
        if reply := _nested(given, "reply_parameters"):
            replied = chat.messages.get(int(reply["message_id"]))
            if replied is None and not reply.get("allow_sending_without_reply"):
                raise bad("message to be replied not found")
        message = chat.new_message(
            self._sender(),
            thread,
            text=what.text,
            entities=what.entities,
            reply_to_message=quoted(replied) if replied else None,
            reply_markup=what.keyboard,
        )
        self.show(
            message,
            Seen(
                id=str(message["message_id"]),
                room=str(chat.id),
                author=str(self.bot["id"]),
                text=what.text,
                html=texts.to_html(what.text, what.entities),
                name=self.bot["first_name"],
                thread=str(thread) if thread is not None else None,
                is_bot=True,
                reply_to=str(replied["message_id"]) if replied else None,
                choices=what.choices,
            ),
        )
        # #sendchataction: "when a message arrives from your bot, Telegram clients clear its typing status"
        self.typing.pop(str(thread or chat.id), None)
        return message

    async def editMessageText(self, given: Json) -> Json:  # noqa: N802
        chat, _ = self._place(given)
        message = self._own(given, chat, "edit")
        what = content(given)
        if (what.text, what.entities, what.keyboard) == (
            message["text"],
            message.get("entities", []),
            message.get("reply_markup"),
        ):
            raise bad(
                "message is not modified: specified new message content and reply markup are exactly the same "
                "as a current content and reply markup of the message"
            )
        message |= {"text": what.text, "entities": what.entities, "edit_date": int(time.time())}
        message.pop("reply_markup", None)
        if what.keyboard:
            message["reply_markup"] = what.keyboard
        shown = self.seen[chat.id, message["message_id"]]
        shown.text, shown.html = what.text, texts.to_html(what.text, what.entities)
        shown.choices, shown.edited = what.choices, True
        return message

    async def deleteMessage(self, given: Json) -> bool:  # noqa: N802
        chat, _ = self._place(given)
        message = self._own(given, chat, "delete")
        del chat.messages[message["message_id"]]
        self.seen[chat.id, message["message_id"]].deleted = True
        return True

    async def sendChatAction(self, given: Json) -> bool:  # noqa: N802
        chat, thread = self._place(given)
        # #sendchataction: "The status is set for 5 seconds or less"
        self.typing[str(thread or chat.id)] = time.monotonic() + 5
        return True

    async def setMessageReaction(self, given: Json) -> bool:  # noqa: N802
        chat, _ = self._place(given)
        if _number(given, "message_id") not in chat.messages:
            raise bad("message to react not found")
        return True

    async def answerCallbackQuery(self, given: Json) -> bool:  # noqa: N802
        press = str(given.get("callback_query_id"))
        if press not in self.presses:
            raise bad("query is too old and response timeout expired or query ID is invalid")
        self.presses.discard(press)
        return True

    def show(self, message: Json, seen: Seen) -> None:
        self.seen[message["chat"]["id"], message["message_id"]] = seen
        self.messages.append(seen)

    def _place(self, given: Json) -> tuple[Chat, int | None]:
        chat = self.chats.get(_number(given, "chat_id"))
        if chat is None:
            raise bad("chat not found")
        if chat.blocked:
            raise Refusal(403, f"Forbidden: {chat.blocked}")
        if "message_thread_id" not in given:
            return chat, None
        thread = _number(given, "message_thread_id")
        if thread not in chat.topics:
            raise bad("message thread not found")
        return chat, thread

    def _own(self, given: Json, chat: Chat, verb: str) -> Json:
        message = chat.messages.get(_number(given, "message_id"))
        if message is None:
            raise bad(f"message to {verb} not found")
        if message["from"]["id"] != self.bot["id"]:
            raise bad(f"message can't be {verb.removesuffix('e')}ed")
        return message

    def _sender(self) -> Json:
        return {name: self.bot[name] for name in ("id", "is_bot", "first_name", "username")}


def _on_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
