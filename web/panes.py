"""What the playground shows: panes, each one simulated place with its people and rooms."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Seen(Protocol):
    """A message as somebody in the room sees it."""

    @property
    def id(self) -> str: ...
    @property
    def room(self) -> str: ...
    @property
    def author(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def html(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def thread(self) -> str | None: ...
    @property
    def is_bot(self) -> bool: ...
    @property
    def reply_to(self) -> str | None: ...
    @property
    def choices(self) -> Sequence[tuple[str, str]]: ...
    @property
    def edited(self) -> bool: ...
    @property
    def deleted(self) -> bool: ...
    @property
    def only_for(self) -> str | None: ...
    @property
    def time(self) -> float: ...


class Wire(Protocol):
    """A request that crossed the wire; `inbound` when the hub made it."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def body(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def inbound(self) -> bool: ...
    @property
    def time(self) -> float: ...


class Place(Protocol):
    """A simulated platform, as far as a pane needs it."""

    @property
    def messages(self) -> Sequence[Seen]:
        """All rooms, oldest first."""
        ...

    @property
    def typing(self) -> Mapping[str, float]:
        """Room or thread -> until when, by the monotonic clock, the bot's sign of life is shown."""
        ...

    @property
    def wire(self) -> Sequence[Wire]: ...

    async def next_change(self) -> None: ...

    async def say(self, text: str, *, user: str = "", room: str = "", thread: str | None = None) -> object: ...

    async def press(self, message: Any, value: str, *, user: str = "") -> None:
        """`message` is one of its own `messages`."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom the reader can be."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Room:
    """A place to talk in."""

    id: str
    label: str
    group: bool = False
    only: str = ""
    """The one person whose direct chat this is; without it the room is everybody's."""


@dataclass(frozen=True, slots=True)
class Pane:
    """One simulated place on the page."""

    title: str
    platform: str
    """The look: a class in `static/themes.css`."""
    simulator: Place
    users: Sequence[Person]
    rooms: Sequence[Room]
    bot: str = "hub"
    """What users type after the @ to name the bot."""
    threads: bool = False
    """Messages can have threads, which open beside the room: `say(thread=…)` is the id of the first message."""
    quote: Callable[[str, Any, str], Awaitable[object]] | None = None
    """`quote(text, message, user)`: how a message here answers another; None where it cannot."""
    command: Callable[[str, str, str, str], Awaitable[object]] | None = None
    """`command(name, rest, user, room)`: how `/name rest` is given here; None where it is a message like others."""
    suggestions: Sequence[str] = ("how do I connect Slack?", "what can you do?")
