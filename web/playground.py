"""The playground: one page on which somebody types as the users of several places and sees the hub answer in each."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress

import msgspec
from aiohttp import web

from core.persona.settings import Personality
from web.feed import Feed
from web.files import page, static
from web.guard import HEADERS, LOOPBACK, Guard
from web.panes import Pane, Person, Place, Room, Seen
from web.personas import Personas

__all__ = ["LOOPBACK", "Pane", "Person", "Playground", "Room"]

log = logging.getLogger(__name__)

PACE = 0.03
"""Seconds in which changes are gathered before they are sent."""
BEAT = 1.0
"""Seconds of quiet after which a stream is proved alive, and looked at for changes that nobody announced."""
LONGEST_TEXT = 20_000

_COMMAND = re.compile(r"/([\w-]{1,32})\s*(.*)", re.DOTALL)


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


class Playground:
    """`Playground(panes).mount(app)`. Whoever reaches it can speak as any simulated user: keep it on loopback.

    `hosts`: the names under which it answers, so that a foreign site that points its own name here is refused;
    None for any name."""

    def __init__(
        self,
        panes: Sequence[Pane],
        *,
        hosts: Collection[str] | None = LOOPBACK,
        personalities: Callable[[], Mapping[str, Personality]] = dict,
    ) -> None:
        """`personalities`: who can be looked at on the page beside; asked anew each time, since the file may change."""
        self.panes = panes
        self._guard = Guard(hosts)
        self._personas = Personas(personalities, self._guard)
        self._streams: set[asyncio.Event] = set()
        self._closing = False

    def mount(self, app: web.Application) -> None:
        app.add_routes(self.routes())
        app.on_shutdown.append(self.close)

    def routes(self) -> list[web.RouteDef]:
        """The page and what it calls; `close` belongs in the application's `on_shutdown`."""
        return [
            web.get("/", _to_playground),
            web.get("/playground", page("playground.html")),
            *static(),
            *self._personas.routes(),
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
        self._guard.check(request)
        response = web.StreamResponse(headers=HEADERS | {"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
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
        said = await self._guard.posted(request, _Say)
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
        pressed = await self._guard.posted(request, _Press)
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


async def _to_playground(_: web.Request) -> web.Response:
    raise web.HTTPFound("/playground")


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
