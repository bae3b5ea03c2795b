"""Parts that work and keep what they were given, where no platform is needed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from core.adapter import Adapter, Capabilities, Settings, Wiring
from core.bot import Bot, BotSettings, Turn
from core.errors import HubError
from core.events import Accepted, Address, AnyEvent, Choice, Command, Message, Part, Sent, User

ANN = User("ann", "Ann")


def turn(text: str = "hi") -> Turn:
    return Turn(text, ANN, "fake", "fake/room", direct=True)


class FakeAdapter(Adapter[Settings]):
    """A platform with no wire: what is sent lies in `sent`; errors to raise are taken from `trouble`, first to last."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        max_text=200, can_edit=True, edit_every=0.01, typing_lasts=5, max_choices=3, can_find=True
    )

    def __init__(self, settings: Settings, wiring: Wiring) -> None:
        super().__init__(settings, wiring)
        self.sent: list[tuple[Address, Part, str]] = []
        self.trouble: list[HubError] = []
        self.edits: list[str] = []
        self.edit_trouble: list[HubError] = []
        self.accept_before_trouble = False
        self.typed = asyncio.Event()
        self.started = 0
        self.stopped = 0
        self.start_error: Exception | None = None
        self.probe_error: Exception | None = None

    async def start(self) -> None:
        self.started += 1
        if self.start_error:
            raise self.start_error
        self.health.identity = "@fake"

    async def stop(self) -> None:
        self.stopped += 1

    async def probe(self) -> None:
        if self.probe_error:
            raise self.probe_error

    async def send(self, to: Address, part: Part, key: str) -> Sent:
        if self.trouble:
            if self.accept_before_trouble:
                self.sent.append((to, part, key))
            raise self.trouble.pop(0)
        self.sent.append((to, part, key))
        return Sent(to, f"m{len(self.sent)}")

    async def find(self, to: Address, part: Part, key: str, since: float) -> Sent | None:
        return next((Sent(to, f"m{n}") for n, sent in enumerate(self.sent, 1) if sent[2] == key), None)

    async def edit(self, sent: Sent, part: Part) -> None:
        if self.edit_trouble:
            raise self.edit_trouble.pop(0)
        self.edits.append(part.text)
        self.sent[int(sent.id[1:]) - 1] = (sent.to, part, "")

    async def typing(self, to: Address) -> None:
        self.typed.set()

    @property
    def texts(self) -> list[str]:
        return [part.text for _, part, _ in self.sent]


class FakeBot(Bot[BotSettings]):
    """Echoes, but says and does what a test told it to for certain words."""

    def __init__(self) -> None:
        super().__init__(BotSettings(use="fake"))
        self.answers: dict[str, list[str | Part]] = {}
        self.errors: list[Exception] = []
        self.holds: dict[str, asyncio.Event] = {}
        self.turns: list[Turn] = []

    async def respond(self, turn: Turn) -> AsyncIterator[str | Part]:
        self.turns.append(turn)
        if turn.text in self.holds:
            await self.holds[turn.text].wait()
        if self.errors:
            raise self.errors.pop(0)
        for piece in self.answers.get(turn.text, [turn.text]):
            yield piece


class NoCursors:
    async def read(self) -> Mapping[str, str]:
        return {}


async def nowhere(event: AnyEvent) -> Accepted:
    return Accepted.NEW


def said(text: str, n: int = 1, *, room: str = "r1", user: User = ANN, **more: object) -> Message:
    """A direct message; `n` makes it another one."""
    return Message(
        uid=f"{room}-{n}",
        address=Address("fake", room, more.pop("thread", None)),
        user=user,
        message_id=str(n),
        text=text,
        direct=bool(more.pop("direct", True)),
        **more,
    )


def command(name: str, text: str = "", n: int = 1) -> Command:
    return Command(uid=f"c{n}", address=Address("fake", "r1"), user=ANN, name=name, text=text, direct=True)


def menu(text: str, *labels: str) -> Part:
    return Part(text, tuple(Choice(label, f"value of {label}") for label in labels))
