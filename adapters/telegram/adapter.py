"""Telegram through python-telegram-bot: polling or webhook in, the Bot API out."""

import asyncio
import hmac
import logging
import math
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlencode

import msgspec
from aiohttp import web
from telegram import Bot, BotCommand
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, TelegramError

from adapters.telegram import inbound, render
from adapters.telegram.request import AiohttpRequest, Flooded, Refused, last_message
from adapters.telegram.settings import TelegramSettings
from core.adapter import Adapter, Capabilities, Route, Wiring
from core.errors import (
    BadCredentials,
    IntakeError,
    NotReady,
    SendError,
    SetupError,
    Throttled,
    Unavailable,
    Unconfirmed,
    Undeliverable,
)
from core.events import Address, Choice, Part, Sent

log = logging.getLogger(__name__)
for _name in ("httpx", "httpcore", "telegram"):  # they log URLs, and the token is part of each
    logging.getLogger(_name).setLevel(logging.WARNING)

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105
_GRACE = 30.0  # seconds that a poll may be late before the platform counts as silent
_TOKEN_REFUSED = "Telegram refuses the bot token: ask @BotFather for a new one and set TELEGRAM_BOT_TOKEN"  # noqa: S105
T = TypeVar("T")


class TelegramAdapter(Adapter[TelegramSettings]):
    # A group takes 20 messages a minute, and edits count (core.telegram.org/bots/faq): at this pace no edit is refused
    # there, so the last one is never late.
    capabilities: ClassVar = Capabilities(
        max_text=4096, can_edit=True, edit_every=3.0, typing_lasts=5.0, max_choices=30
    )
    first_pause: ClassVar[float] = 1.0
    """Seconds after the first poll that failed; doubled each time up to 30."""

    def __init__(self, settings: TelegramSettings, wiring: Wiring) -> None:
        super().__init__(settings, wiring)
        api = settings.api_url.rstrip("/")
        self._request = AiohttpRequest(wiring.http)
        self._bot = Bot(
            settings.bot_token.get_secret_value(),
            base_url=f"{api}/bot",
            base_file_url=f"{api}/file/bot",
            request=self._request,
            get_updates_request=self._request,
        )
        self._me: inbound.User | None = None
        self._failure: SetupError | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def routes(self) -> Iterable[Route]:
        return (Route(self._webhook),) if self.settings.mode == "webhook" else ()

    async def start(self) -> None:
        me = await _set_up(self._bot.get_me())
        await self._list_commands()
        if self.settings.mode == "webhook":
            await _set_up(
                self._bot.set_webhook(
                    self.wiring.webhook_url,
                    secret_token=self.settings.webhook_secret.get_secret_value(),
                    allowed_updates=inbound.KINDS,
                )
            )
        elif (await _set_up(self._bot.get_webhook_info())).url:
            await _set_up(self._bot.delete_webhook())
        self._me = inbound.User(me.id, username=me.username or "")
        self.health.identity = f"@{me.username}"
        self.health.touch()
        if self.settings.mode == "polling":
            self._spawn(self._poll())

    async def stop(self) -> None:
        self._me = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def probe(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self.settings.mode == "webhook" and self.health.silent_for > self.settings.poll_timeout:
            await _set_up(self._bot.get_me())
            self.health.touch()
        if self.health.silent_for > self.settings.poll_timeout + _GRACE:
            raise NotReady(f"Telegram has been silent for {self.health.silent_for:.0f} s")

    def measure(self, text: str) -> int:
        return render.render(text).size

    async def send(self, to: Address, part: Part, key: str) -> Sent:
        options: dict[str, Any] = {}
        if to.thread is not None:
            options["message_thread_id"] = int(to.thread)
        if to.reply is not None:
            options["reply_parameters"] = {"message_id": int(to.reply), "allow_sending_without_reply": True}
        await self._deliver(partial(self._bot.send_message, chat_id=int(to.room)), part, options)
        return Sent(to, str(last_message.get()))

    async def edit(self, sent: Sent, part: Part) -> None:
        call = partial(self._bot.edit_message_text, chat_id=int(sent.to.room), message_id=int(sent.id))
        try:
            await self._deliver(call, part, {})
        except Undeliverable as error:
            if "message is not modified" not in str(error).lower():
                raise

    async def typing(self, to: Address) -> None:
        thread = int(to.thread) if to.thread is not None else None
        await self._said(self._bot.send_chat_action(int(to.room), "typing", thread))

    async def _poll(self) -> None:
        """Takes updates in order, and lets Telegram forget one only after it was made durable."""
        offset = 0
        pause = self.first_pause
        while self._failure is None:
            try:
                updates = await self._next_updates(offset)
            except Conflict:
                self._failure = NotReady("another poller takes this bot's updates: stop it, or use a bot of its own")
            except InvalidToken:
                self._failure = BadCredentials(_TOKEN_REFUSED)
            except Flooded as error:
                await asyncio.sleep(error.retry_after)
            except (TelegramError, ValueError) as error:
                log.warning("%s: polling failed, trying again: %s", self.wiring.channel, error)
                await asyncio.sleep(random.uniform(pause / 2, pause))
                pause = min(pause * 2, 30.0)
            else:
                pause = self.first_pause
                self.health.touch()
                for update in updates:
                    await self._take(update)
                    offset = int(update["update_id"]) + 1

    async def _next_updates(self, offset: int) -> list[dict[str, Any]]:
        # `Bot.get_updates` would build 0.14 ms worth of objects from each update.
        wanted = {
            "offset": offset,
            "timeout": self.settings.poll_timeout,
            "allowed_updates": msgspec.json.encode(inbound.KINDS).decode(),
        }
        updates: Any = await self._request.post(
            f"{self._bot.base_url}/getUpdates?{urlencode(wanted)}", read_timeout=self.settings.poll_timeout + 10.0
        )
        msgspec.convert(updates, list[_Numbered])
        return list(updates)

    async def _take(self, raw: dict[str, Any]) -> None:
        try:
            update = inbound.parse(raw)
        except ValueError as error:
            log.warning("%s: update %s passed over: %s", self.wiring.channel, raw["update_id"], error)
            return None
        while True:
            try:
                return await self._accept(update)
            except IntakeError as error:
                self.health.touch()  # it is not Telegram that is silent
                await asyncio.sleep(error.retry_after)

    async def _accept(self, update: inbound.Update) -> None:
        """Returns when the update is durable. Raises IntakeError."""
        if self._me is None:
            raise IntakeError("the channel is not running")
        event = inbound.to_event(self.wiring.channel, update, self._me)
        if event is not None:
            await self.wiring.inbox(event)
        if update.callback_query is not None:
            self._spawn(self._release(update.callback_query.id))

    async def _release(self, press: str) -> None:
        """Until this the pressed button spins."""
        try:
            await self._said(self._bot.answer_callback_query(press))
        except SendError as error:
            log.info("%s: a button was left spinning: %s", self.wiring.channel, error)

    async def _webhook(self, request: web.Request) -> web.Response:
        given = request.headers.getall(SECRET_HEADER, [])
        if not given:
            return web.Response(status=401)
        secret = self.settings.webhook_secret.get_secret_value().encode()
        right = hmac.compare_digest(given[0].encode("utf-8", "surrogateescape"), secret)
        if len(given) > 1 or not right or not secret:
            return web.Response(status=403)
        if "Content-Encoding" in request.headers:
            return web.Response(status=415)
        try:
            update = inbound.parse(await request.read())
        except ValueError:
            return web.Response(status=400)
        self.health.touch()
        try:
            await self._accept(update)
        except IntakeError as error:
            return web.Response(status=503, headers={"Retry-After": str(math.ceil(error.retry_after))})
        return web.Response()

    async def _list_commands(self) -> None:
        wanted = tuple(BotCommand(command.name, command.summary[:256]) for command in self.wiring.commands)
        try:
            if wanted and await self._bot.get_my_commands() != wanted:
                await self._bot.set_my_commands(wanted)
        except TelegramError as error:
            log.warning("%s: the list of commands could not be set: %s", self.wiring.channel, error)

    async def _deliver(self, call: Callable[..., Awaitable[Any]], part: Part, options: dict[str, Any]) -> None:
        # All but the text goes as plain data: building the library's objects for it costs 0.02 ms a message.
        options["link_preview_options"] = {"is_disabled": True}
        if part.choices:
            options["reply_markup"] = {"inline_keyboard": _keyboard(part.choices)}
        rendered = render.render(part.text)
        while True:
            try:
                await self._said(call(text=rendered.text, api_kwargs=options | _entities(rendered)))
            except Undeliverable as error:
                rendered, options = _gentler(error, rendered, options)
            else:
                return

    async def _said(self, call: Awaitable[T]) -> T:
        """Await a call that speaks to users, and tell its failures in our words."""
        try:
            return await call
        except Flooded as error:
            raise Throttled(error.retry_after) from error
        except InvalidToken as error:
            self._failure = BadCredentials(_TOKEN_REFUSED)
            raise Undeliverable(_TOKEN_REFUSED) from error
        except (BadRequest, Forbidden, ChatMigrated) as error:
            raise Undeliverable(str(error)) from error
        except Refused as error:
            raise Unavailable(str(error)) from error
        except TelegramError as error:  # time-outs, lost connections and 5xx: nobody knows whether it was taken
            raise Unconfirmed(str(error)) from error

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: stopped by an error", self.wiring.channel, exc_info=error)
            self._failure = self._failure or NotReady(f"stopped by an error: {type(error).__name__}")


class _Numbered(msgspec.Struct):
    update_id: int


async def _set_up(call: Awaitable[T]) -> T:
    """Await a call that the channel cannot start without."""
    try:
        return await call
    except InvalidToken as error:
        raise BadCredentials(_TOKEN_REFUSED) from error
    except (BadRequest, Forbidden) as error:  # a webhook that is not https, for one
        raise BadCredentials(f"Telegram refuses the set-up: {error}") from error
    except TelegramError as error:
        raise NotReady(f"Telegram cannot be reached: {error}") from error


def _keyboard(choices: tuple[Choice, ...]) -> list[list[dict[str, str]]]:
    buttons = [{"text": choice.label, "callback_data": choice.value} for choice in choices]
    width = 3 if all(len(choice.label) <= 12 for choice in choices) else 1
    return [buttons[start : start + width] for start in range(0, len(buttons), width)]


def _entities(rendered: render.Rendered) -> dict[str, Any]:
    return {"entities": msgspec.to_builtins(rendered.entities)} if rendered.entities else {}


def _gentler(
    error: Undeliverable, rendered: render.Rendered, options: dict[str, Any]
) -> tuple[render.Rendered, dict[str, Any]]:
    """The same message with less to object to; the error again where nothing is left to leave out."""
    reason = str(error).lower()
    if "thread not found" in reason and "message_thread_id" in options:
        return rendered, {name: value for name, value in options.items() if name != "message_thread_id"}
    if "entit" in reason and rendered.entities:
        return render.plain(rendered), options
    raise error
