"""What one open page has been told of one pane, so that it is sent only what is new."""

import time
from collections.abc import Sequence

import msgspec

from web.panes import Place, Seen, Wire

KEPT = 200
"""So many messages of a pane a page shows."""
KEPT_WIRE = 50
LONGEST_BODY = 4_000
"""Characters of a request's body that are shown."""


class Shown(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message as the page gets it."""

    id: str
    room: str
    author: str
    text: str
    html: str
    name: str
    time: float
    thread: str | None = None
    is_bot: bool = False
    reply_to: str | None = None
    choices: tuple[tuple[str, str], ...] = ()
    edited: bool = False
    deleted: bool = False
    only_for: str | None = None


class Crossed(msgspec.Struct, frozen=True):
    """A request as the page gets it."""

    method: str
    path: str
    body: str
    status: int
    inbound: bool
    time: float


class News(msgspec.Struct, frozen=True, omit_defaults=True):
    """What changed in one pane."""

    pane: int
    messages: tuple[Shown, ...] = ()
    """New, or changed since they were last sent."""
    gone: tuple[tuple[str, str], ...] = ()
    """Room and id of messages that are no longer there."""
    typing: dict[str, float] | None = None
    """Room or thread -> for how many seconds from now; None when nothing changed."""
    wire: tuple[Crossed, ...] = ()
    """New requests, oldest first."""


class Feed:
    """A new feed knows nothing yet: its first news is all there is, even if that is nothing."""

    def __init__(self, number: int, place: Place) -> None:
        self._number = number
        self._place = place
        self._shown: dict[tuple[str, str], Shown] = {}
        self._typing: dict[str, float] | None = None
        self._crossed: Wire | None = None

    def news(self) -> News | None:
        """What changed since the last call, if anything did."""
        news = News(self._number, *self._messages(), self._signs(), self._wire())
        return news if news != News(self._number) else None

    def _messages(self) -> tuple[tuple[Shown, ...], tuple[tuple[str, str], ...]]:
        now = {(message.room, message.id): _shown(message) for message in self._place.messages[-KEPT:]}
        changed = tuple(message for key, message in now.items() if message != self._shown.get(key))
        gone = tuple(key for key in self._shown if key not in now)
        self._shown = now
        return changed, gone

    def _signs(self) -> dict[str, float] | None:
        now = time.monotonic()
        typing = {where: until for where, until in self._place.typing.items() if until > now}
        if typing == self._typing:
            return None
        self._typing = typing
        return {where: round(until - now, 2) for where, until in typing.items()}

    def _wire(self) -> tuple[Crossed, ...]:
        new: list[Wire] = []
        for crossed in reversed(self._place.wire):
            if crossed is self._crossed or len(new) == KEPT_WIRE:
                break
            new.append(crossed)
        if new:
            self._crossed = new[0]
        return tuple(map(_crossed, reversed(new)))


def _shown(message: Seen) -> Shown:
    return Shown(
        id=message.id,
        room=message.room,
        author=message.author,
        text=message.text,
        html=message.html,
        name=message.name,
        time=message.time,
        thread=message.thread,
        is_bot=message.is_bot,
        reply_to=message.reply_to,
        choices=_pairs(message.choices),
        edited=message.edited,
        deleted=message.deleted,
        only_for=message.only_for,
    )


def _pairs(choices: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((label, value) for label, value in choices)


def _crossed(wire: Wire) -> Crossed:
    body = wire.body if len(wire.body) <= LONGEST_BODY else wire.body[:LONGEST_BODY] + " …"
    return Crossed(wire.method, wire.path, body, wire.status, wire.inbound, wire.time)
