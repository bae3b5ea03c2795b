"""The port of a platform: what an adapter is given, and what it must and may do."""

import asyncio
import hmac
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Annotated, ClassVar, Generic, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

import aiohttp
import structlog
from aiohttp import web
from pydantic import Field, SecretStr

from core.access.settings import AccessSettings
from core.archive.retention import Retention
from core.errors import IntakeError, NotReady
from core.events import Accepted, Address, AnyEvent, Part, Sent

log = structlog.get_logger(__name__)

Inbox = Callable[[AnyEvent], Awaitable[Accepted]]
"""Makes an event durable, and only then returns; the platform is acknowledged after that.

Raises `IntakeError` when it could not: answer 503 with `Retry-After`, or do not move the offset."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a platform can do, as data. The defaults are the poorest platform's."""

    max_text: int
    """The longest message, in the units that the adapter's `measure` counts."""
    can_edit: bool = False
    edit_every: float = 0.0
    """Seconds between two edits of one message that the platform bears."""
    typing_lasts: float = 0.0
    """Seconds a sign of life stays; 0 where the platform has none."""
    max_choices: int = 0
    """Buttons under one message; 0: choices are written out as a numbered list."""
    idempotent_send: bool = False
    """Sending the same `key` again does no harm."""
    can_find: bool = False
    """`find` recognises what was sent before a crash."""
    redelivers: bool = True
    """The platform brings again what was not acknowledged; where it does not, events wait in a local file while the
    store is away."""


class Settings(AccessSettings):
    """The YAML keys that every channel has; each adapter adds its own beside itself."""

    platform: str
    enabled: Literal["auto"] | bool = "auto"
    """auto: on when its secrets are there | true | false"""
    bot: str = "assistant"
    """Which of the bots answers here."""
    answer: Literal["mentions", "threads", "all"] = "mentions"
    """In groups: only when mentioned | also in threads the bot is in | always. Direct messages always."""
    conversation: Literal["thread", "user", "room"] = "thread"
    """What shares one memory: a thread (else room + user) | a user in a room | the whole room."""
    overlap: Literal["queue", "collect", "interrupt"] = "queue"
    """Messages that come while one is being answered: each gets its answer in turn | quick ones become one question |
    a new one ends the answer before it."""
    collect_for: Annotated[float, Field(gt=0, le=30, allow_inf_nan=False)] = 1.5
    """`collect`: seconds without a further message until the question is taken as whole."""
    retention: Retention = None
    """How long the archive keeps what was said here, as in `90 days`; `off`, or left empty: for ever."""
    answer_bots: bool = False
    """Whether other bots are answered (at most 5 a minute and conversation)."""

    environment: ClassVar[Mapping[str, str]] = {}
    """Secret key -> the environment name people use for it."""

    @property
    def needed(self) -> tuple[str, ...]:
        """The keys without which this channel cannot start, given its other settings."""
        return tuple(self.environment)

    @property
    def exclusive(self) -> str | None:
        """What only one process at a time may use, as `platform:its id`; None where any number may."""
        return None

    def missing(self) -> tuple[str, ...]:
        """Those of the needed keys that are not set."""
        return tuple(key for key in self.needed if not _shown(getattr(self, key)).strip())


def _shown(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A command as platforms list it: `/name`, one line on what it does, the word for what follows it."""

    name: str
    summary: str
    argument: str = ""


class Cursors(Protocol):
    """How far this channel's adapter had read when the last accepted events were made durable."""

    async def read(self) -> Mapping[str, str]:
        """Cursor name -> the last value that came in with an accepted event."""
        ...


@dataclass(frozen=True, slots=True)
class Wiring:
    """What an adapter is handed."""

    channel: str
    """Its name in the YAML file."""
    inbox: Inbox
    http: aiohttp.ClientSession
    """The one pooled client session of the process; the adapter never closes it."""
    public_url: str
    """How the world reaches this hub, without a slash at the end."""
    cursors: Cursors
    commands: Sequence[CommandSpec] = ()

    @property
    def webhook_url(self) -> str:
        """The public address of this channel's routes."""
        return f"{self.public_url}/webhooks/{self.channel}"


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """A webhook, mounted by the one web server at `/webhooks/<channel><path>`."""

    handler: Handler
    path: str = ""
    method: str = "POST"


def is_only(sent: Sequence[str], secret: str) -> bool:
    """Whether a header came once and holds just this secret, in constant time. An empty one opens nothing."""
    given = [value.encode("utf-8", "surrogateescape") for value in sent]
    return bool(secret) and len(given) == 1 and hmac.compare_digest(given[0], secret.encode())


@dataclass(slots=True)
class Health:
    """Proof of life, kept by the adapter as it talks with its platform."""

    alive_at: float = field(default_factory=time.monotonic)
    """When the platform last proved that it hears us, by the monotonic clock."""
    identity: str = ""
    """As whom the channel is connected: `@hub_bot`, `Hub in Acme`."""
    detail: str = ""

    def touch(self) -> None:
        self.alive_at = time.monotonic()

    def connected(self, identity: str) -> None:
        """The platform has just told as whom."""
        self.identity = identity
        self.touch()

    def expect(self, within: float, complaint: str) -> None:
        """Raises NotReady, with the complaint and for how long it holds, where the last proof of life is older."""
        if self.silent_for > within:
            raise NotReady(f"{complaint} for {self.silent_for:.0f} s")

    @property
    def silent_for(self) -> float:
        """Seconds since the last proof of life."""
        return time.monotonic() - self.alive_at


def bot_at(url: str, own_host: str, bot: str) -> str:
    """A bot's name for `exclusive`: at another server than its platform's own, the same id is another bot."""
    where = urlsplit(url).netloc
    return bot if where == own_host else f"{bot}@{where}"


S = TypeVar("S", bound=Settings)


class Adapter(ABC, Generic[S]):
    """One configured connection to a platform. It translates and nothing more.

    Life: constructed (no I/O), `start`, then `send`… until `stop`; a new object for each new start.
    """

    capabilities: ClassVar[Capabilities]

    def __init__(self, settings: S, wiring: Wiring) -> None:
        self.settings = settings
        self.wiring = wiring
        self.health = Health()

    def routes(self) -> Iterable[Route]:
        """Webhooks of this channel."""
        return ()

    @abstractmethod
    async def start(self) -> None:
        """Connect, prove the keys, register commands, begin to take events; says `health.connected`.

        Raises NotReady (the supervisor retries) or BadCredentials (an admin must act)."""

    @abstractmethod
    async def stop(self) -> None:
        """Let go of the platform. Safe twice, and after a failed start."""

    async def probe(self) -> None:
        """Called every few seconds while running: return when there is proof of life.

        Raises NotReady when the platform has gone silent (the channel is restarted) or BadCredentials."""

    async def keep(self, event: AnyEvent) -> None:
        """Make an event durable, however often the store must be asked: for one that the platform does not bring again,
        or that a poller may not leave behind."""
        for tries in count(1):
            try:
                await self.wiring.inbox(event)
                return
            except IntakeError as error:
                if tries == 1:
                    log.warning("an event waits", channel=self.wiring.channel, reason=str(error))
                self.health.touch()  # it is not the platform that is silent
                await asyncio.sleep(error.retry_after)

    async def keep_all(self, events: Iterable[AnyEvent]) -> None:
        """The same for all that a poll brought: in order within a room, rooms side by side, so that they share round
        trips to the store."""
        rooms: defaultdict[str, list[AnyEvent]] = defaultdict(list)
        for event in events:
            rooms[event.address.room].append(event)

        async def keep_in_order(events: list[AnyEvent]) -> None:
            for event in events:
                await self.keep(event)

        await asyncio.gather(*map(keep_in_order, rooms.values()))

    def measure(self, text: str) -> int:
        """How long this Markdown becomes on the platform, in the unit of `capabilities.max_text`."""
        return len(text)

    @abstractmethod
    async def send(self, to: Address, part: Part, key: str) -> Sent:
        """Render and send one message natively in place. `key` (at most 25 characters of base32) is the same on every
        try of the same part: pass it where the platform offers idempotency, attach it where it can be found again.

        Raises SendError, of the kind that says what to do."""

    async def find(self, to: Address, part: Part, key: str, since: float) -> Sent | None:
        """The message sent earlier under `key`, if the platform shows it (only with `can_find`).

        `since`: Unix seconds before which it cannot have been sent."""
        return None

    def can_draft(self, to: Address) -> bool:
        """Whether an answer to this address may be shown growing, by an edit every `edit_every` seconds."""
        return self.capabilities.can_edit

    async def edit(self, sent: Sent, part: Part) -> None:
        """Replace the text of a message of ours (only with `can_edit`); an unchanged text is no error.

        Raises SendError."""
        raise NotImplementedError

    async def typing(self, to: Address) -> None:
        """Show a sign of life for `typing_lasts` seconds (only where that is not 0). Raises SendError."""
