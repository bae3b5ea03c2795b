"""The playground: one page on which somebody types as the users of several places and sees the hub answer in each."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Collection, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from web.feed import Feed
from web.panes import Pane, Person, Place, Room, Seen

__all__ = ["LOOPBACK", "Pane", "Person", "Playground", "Room"]

log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PACE = 0.03
"""Seconds in which changes are gathered before they are sent."""
BEAT = 1.0
"""Seconds of quiet after which a stream is proved alive, and looked at for changes that nobody announced."""
LONGEST_TEXT = 20_000

_COMMAND = re.compile(r"/([\w-]{1,32})\s*(.*)", re.DOTALL)
_HERE = Path(__file__).parent
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Say(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pane: int
    user: str
    room: str
    text: str
    thread: str | None = None
    quoted: str | None = None
    """The message that this one answers."""


class _Press(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pane: int
    user: str
    room: str
    message: str
    value: str


class _Described(msgspec.Struct, frozen=True):
    """A pane as the page gets it."""

    title: str
    platform: str
    users: Sequence[Person]
    rooms: Sequence[Room]
    bot: str
    threads: bool
    quotes: bool
    suggestions: Sequence[str]


_Posted = TypeVar("_Posted", _Say, _Press)


class Playground:
    """`Playground(panes).mount(app)`. Whoever reaches it can speak as any simulated user: keep it on loopback.

    `hosts`: the names under which it answers, so that a foreign site that points its own name here is refused;
    None for any name."""

    def __init__(self, panes: Sequence[Pane], *, hosts: Collection[str] | None = LOOPBACK) -> None:
        self.panes = panes
        self._hosts = hosts
        self._streams: set[asyncio.Event] = set()
        self._closing = False

    def mount(self, app: web.Application) -> None:
        app.add_routes(self.routes())
        app.on_shutdown.append(self.close)

    def routes(self) -> list[web.RouteDef]:
        """The page and what it calls; `close` belongs in the application's `on_shutdown`."""
        files = sorted(file for file in (_HERE / "static").iterdir() if file.suffix in _TYPES)
        return [
            web.get("/playground", partial(_file, _HERE / "pages" / "playground.html", "text/html")),
            *(web.get(f"/playground/static/{file.name}", partial(_file, file, _TYPES[file.suffix])) for file in files),
            web.get("/playground/events", self._events),
            web.post("/playground/say", self._say),
            web.post("/playground/press", self._press),
        ]

    async def close(self, _: web.Application | None = None) -> None:
        """End the open streams, which would otherwise hold up the server's shutdown."""
        self._closing = True
        for woken in self._streams:
            woken.set()

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """All there is, and from then on what changes, as server-sent events."""
        self._guard(request)
        response = web.StreamResponse(headers=_HEADERS | {"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        response.content_type = "text/event-stream"
        await response.prepare(request)
        feeds = [Feed(number, pane.simulator) for number, pane in enumerate(self.panes)]
        woken = asyncio.Event()
        self._streams.add(woken)
        followers = [asyncio.create_task(_follow(pane.simulator, woken)) for pane in self.panes]
        try:
            with suppress(ConnectionResetError):
                await response.write(b"retry: 1000\n" + _frame("hello", [_described(pane) for pane in self.panes]))
                while not self._closing:
                    woken.clear()
                    for feed in feeds:
                        if news := feed.news():
                            await response.write(_frame("news", news))
                    if not await _woke(woken):
                        await response.write(b":\n\n")
        finally:
            self._streams.discard(woken)
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)
        return response

    async def _say(self, request: web.Request) -> web.Response:
        said = await self._posted(request, _Say)
        pane = self._pane(said.pane, said.user)
        if not said.text.strip() or len(said.text) > LONGEST_TEXT:
            raise web.HTTPBadRequest(text=f"A message has 1 to {LONGEST_TEXT} characters.")
        acting = _acting(pane, said)
        try:
            await acting
        except Exception as error:
            raise _not_taken(pane, error) from error
        return web.Response(status=204)

    async def _press(self, request: web.Request) -> web.Response:
        pressed = await self._posted(request, _Press)
        pane = self._pane(pressed.pane, pressed.user)
        message = _find(pane.simulator.messages, pressed.room, pressed.message)
        if pressed.value not in (value for _, value in message.choices):
            raise web.HTTPNotFound(text="That button is gone.")
        try:
            await pane.simulator.press(message, pressed.value, user=pressed.user)
        except Exception as error:
            raise _not_taken(pane, error) from error
        return web.Response(status=204)

    def _pane(self, number: int, user: str) -> Pane:
        if not 0 <= number < len(self.panes):
            raise web.HTTPNotFound(text="There is no such pane.")
        pane = self.panes[number]
        if user not in (person.id for person in pane.users):
            raise web.HTTPNotFound(text="There is no such user.")
        return pane

    async def _posted(self, request: web.Request, kind: type[_Posted]) -> _Posted:
        self._guard(request)
        # Without asking first, a foreign page can post forms and plain text, but no JSON.
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="Only JSON is taken.")
        try:
            return msgspec.json.decode(await request.read(), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error

    def _guard(self, request: web.Request) -> None:
        """Only our own page may ask: no other site, and no other name that leads here."""
        origin = request.headers.get("Origin")
        try:
            known = self._hosts is None or urlsplit(f"//{request.host}").hostname in self._hosts
            same = origin is None or urlsplit(origin).netloc == request.host
        except ValueError:
            known = same = False
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        if not known or not same or site not in ("same-origin", "none"):
            raise web.HTTPForbidden(text="The playground answers its own page only.")


async def _file(file: Path, content_type: str, _: web.Request) -> web.Response:
    text = await asyncio.to_thread(file.read_text, "utf-8")
    return web.Response(text=text, content_type=content_type, headers=_HEADERS)


async def _follow(place: Place, woken: asyncio.Event) -> None:
    while True:
        await place.next_change()
        woken.set()


async def _woke(woken: asyncio.Event) -> bool:
    """Wait for a change and those that come with it; False when none came for a while."""
    try:
        async with asyncio.timeout(BEAT):
            await woken.wait()
    except TimeoutError:
        return False
    await asyncio.sleep(PACE)
    return True


def _frame(name: str, data: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))


def _described(pane: Pane) -> _Described:
    return _Described(
        pane.title,
        pane.platform,
        pane.users,
        pane.rooms,
        pane.bot,
        pane.threads,
        pane.quote is not None,
        pane.suggestions,
    )


def _acting(pane: Pane, said: _Say) -> Awaitable[object]:
    """What the user does with these words: answer a message, give a command, or just say them."""
    if pane.quote is not None and said.quoted is not None:
        return pane.quote(said.text, _find(pane.simulator.messages, said.room, said.quoted), said.user)
    if pane.command is not None and said.thread is None and (command := _COMMAND.fullmatch(said.text)):
        return pane.command(command[1].lower(), command[2], said.user, said.room)
    return pane.simulator.say(said.text, user=said.user, room=said.room, thread=said.thread)


def _find(messages: Sequence[Seen], room: str, message_id: str) -> Seen:
    for message in messages:
        if (message.room, message.id) == (room, message_id) and not message.deleted:
            return message
    raise web.HTTPNotFound(text="That message is gone.")


def _not_taken(pane: Pane, error: Exception) -> web.HTTPBadGateway:
    log.exception("%s: the event did not reach the hub", pane.title)
    return web.HTTPBadGateway(text=f"The hub did not take it: {error or type(error).__name__}")
