"""Telegram through python-telegram-bot: polling or webhook in, the Bot API out."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web
from telegram import Bot

from adapters.telegram import inbound, render
from adapters.telegram.request import AiohttpRequest, OtherPoller, WrongToken, last_message
from adapters.telegram.settings import TelegramSettings
from core.adapter import Adapter, Capabilities, Route, Wiring, is_only
from core.errors import BadCredentials, NotReady, SendError, Throttled, Undeliverable, setting_up
from core.events import Address, AnyEvent, Part, Sent
from core.tasks import Tasks

log = logging.getLogger(__name__)
logging.getLogger("telegram").setLevel(logging.WARNING)  # it logs what it calls with, the webhook's secret too

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105
_GRACE = 30.0  # seconds that a poll may be late before the platform counts as silent


class TelegramAdapter(Adapter[TelegramSettings]):
    # A group takes 20 messages a minute, and edits count (core.telegram.org/bots/faq): at this pace no edit is refused
    # there, so the last one is never late.
    capabilities = Capabilities(max_text=4096, can_edit=True, edit_every=3.0, typing_lasts=5.0, max_choices=30)
    poll_pause = 2.0
    """Seconds after a poll that failed."""

    def __init__(self, settings: TelegramSettings, wiring: Wiring) -> None:
        super().__init__(settings, wiring)
        self._request = AiohttpRequest(wiring.http)
        self._bot = Bot(
            settings.bot_token.get_secret_value(),
            base_url=f"{settings.api_url.rstrip('/')}/bot",
            request=self._request,
            get_updates_request=self._request,
        )
        self._me: inbound.User
        self._poller: asyncio.Task[None] | None = None
        self._tasks = Tasks()

    def routes(self) -> Iterable[Route]:
        return (Route(self._webhook),) if self.settings.mode == "webhook" else ()

    async def start(self) -> None:
        secret = self.settings.webhook_secret.get_secret_value()
        with setting_up("Telegram"):
            me = await self._bot.get_me()
            await self._bot.set_my_commands([(known.name, known.summary[:256]) for known in self.wiring.commands])
            self._me = inbound.User(me.id, username=me.username or "")
            self.health.connected(f"@{me.username}")
            if self.settings.mode == "webhook":
                await self._bot.set_webhook(self.wiring.webhook_url, secret_token=secret, allowed_updates=inbound.KINDS)
            else:
                await self._bot.delete_webhook()
                self._poller = self._tasks.start(self._poll())

    async def stop(self) -> None:
        await self._tasks.end()

    async def probe(self) -> None:
        if self._poller is None:
            if self.health.silent_for > self.settings.poll_timeout:
                with setting_up("Telegram"):
                    await self._bot.get_me()
                self.health.touch()
        elif self._poller.done():
            self._poller.result()
        else:
            self.health.expect(self.settings.poll_timeout + _GRACE, "Telegram has been silent")

    def measure(self, text: str) -> int:
        return render.measure(text)

    async def send(self, to: Address, part: Part, key: str) -> Sent:
        options: dict[str, Any] = {}
        if to.reply is not None:
            options["reply_parameters"] = {"message_id": int(to.reply), "allow_sending_without_reply": True}
        if to.thread is not None:
            options["message_thread_id"] = int(to.thread)
        await _deliver(partial(self._bot.send_message, int(to.room)), part, options)
        return Sent(to, str(last_message.get()))

    async def edit(self, sent: Sent, part: Part) -> None:
        call = partial(self._bot.edit_message_text, chat_id=int(sent.to.room), message_id=int(sent.id))
        await _deliver(call, part, {})

    async def typing(self, to: Address) -> None:
        thread = int(to.thread) if to.thread is not None else None
        await self._bot.send_chat_action(int(to.room), "typing", thread)

    async def _poll(self) -> None:
        """Lets Telegram forget updates only after all of them were made durable. Raises SetupError."""
        offset = 0
        while True:
            try:
                updates = await self._next_updates(offset)
            except OtherPoller as error:
                raise NotReady("another poller takes this bot's updates: stop it, or use a bot of its own") from error
            except WrongToken as error:
                raise BadCredentials(str(error)) from error
            except SendError as error:
                log.warning("%s: polling failed, trying again: %s", self.wiring.channel, error)
                await asyncio.sleep(error.retry_after if isinstance(error, Throttled) else self.poll_pause)
            else:
                self.health.touch()
                await self.keep_all(self._events(updates))
                offset = max((update["update_id"] + 1 for update in updates), default=offset)

    async def _next_updates(self, offset: int) -> Any:
        # `Bot.get_updates` would build 0.14 ms worth of objects from each update.
        timeout = self.settings.poll_timeout
        kinds = msgspec.json.encode(inbound.KINDS).decode()
        wanted = urlencode({"offset": offset, "timeout": timeout, "allowed_updates": kinds})
        return await self._request.post(f"{self._bot.base_url}/getUpdates?{wanted}", read_timeout=timeout + 10.0)

    def _events(self, updates: list[dict[str, Any]]) -> Iterator[AnyEvent]:
        for raw in updates:
            try:
                if event := self._event(inbound.parse(raw)):
                    yield event
            except ValueError as error:
                log.warning("%s: update %s passed over: %s", self.wiring.channel, raw["update_id"], error)

    def _event(self, update: inbound.Update) -> AnyEvent | None:
        if update.callback_query is not None:
            self._tasks.start(self._release(update.callback_query.id))
        return inbound.to_event(self.wiring.channel, update, self._me)

    async def _release(self, press: str) -> None:
        """Until this the pressed button spins."""
        try:
            await self._bot.answer_callback_query(press)
        except SendError as error:
            log.info("%s: a button was left spinning: %s", self.wiring.channel, error)

    async def _webhook(self, request: web.Request) -> web.Response:
        """Raises IntakeError."""
        if not is_only(request.headers.getall(SECRET_HEADER, ()), self.settings.webhook_secret.get_secret_value()):
            return web.Response(status=401)
        try:
            event = self._event(inbound.parse(await request.read()))
        except ValueError:
            return web.Response(status=400)
        self.health.touch()
        if event is not None:
            await self.wiring.inbox(event)
        return web.Response()


async def _deliver(call: Callable[..., Awaitable[Any]], part: Part, options: dict[str, Any]) -> None:
    """Without what Telegram does not take: a topic that is gone, or our markup."""
    # All but the text goes as plain data: building the library's objects for it costs 0.02 ms a message.
    options |= {"link_preview_options": {"is_disabled": True}, "parse_mode": "HTML"}
    if part.choices:
        buttons = [[{"text": choice.label, "callback_data": choice.value}] for choice in part.choices]
        options["reply_markup"] = {"inline_keyboard": buttons}
    html = text = render.render(part.text)
    while True:
        try:
            await call(text=text, api_kwargs=options)
        except Undeliverable as error:
            if "not modified" in str(error):
                return
            if "parse entities" in str(error) and options.pop("parse_mode", None):
                text = render.plain(html)
            elif "thread not found" not in str(error) or not options.pop("message_thread_id", None):
                raise
        else:
            return
