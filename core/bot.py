"""The port of a bot: it takes a turn and yields what to say."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, Literal, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict

from core.conversation.calibration import Calibrations
from core.conversation.summary import Summary
from core.events import Attachment, Choice, Part, User
from core.language.detect import choose
from core.limits.purse import Purse, Usage
from core.model.embeddings import Embedder
from core.model.port import Model
from core.persona.settings import Personality


class Remembered(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One message of a session's history."""

    role: Literal["user", "assistant"]
    text: str
    name: str = ""
    """Who said it, where several share a conversation."""
    author: str = ""
    """The account that said it, as `account` in `core.conversation` names it; empty for ours."""
    time: float = 0.0
    """Unix seconds, by the store's clock."""
    by_bot: bool = False
    """Said by another bot, not by a human."""
    choices: tuple[Choice, ...] = ()
    """What was offered under it."""
    place: str = ""
    """The chat it was said in, where that is one of several of the same person: it is only there that `ids` tell
    messages apart."""
    ids: tuple[str, ...] = ()
    """The platform's ids of the messages that it was said in."""
    of: str = ""
    """On an answer: the platform's id of the message that it answers."""
    tokens: int = 0
    """What the model counted, or what it was estimated at; 0 where no model was asked."""
    model: str = ""
    """Which model said it, as its server calls it."""
    instead: int = -1
    """The number in the session of what was said anew with it, which may have left the store; -1: nothing was."""


class Notes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a session keeps beside its messages. Small: each turn that changes it writes it whole."""

    language: str = ""
    """The tag that the user chose; empty: found out for each message."""
    persona: str = ""
    """The personality that was chosen; empty: the bot's own."""
    quiet: bool = False
    """Told to be silent where nobody mentions us."""
    pins: tuple[str, ...] = ()
    """What the user asked to keep in mind."""
    pending: str = ""
    """A bot's note to itself for the next turn, such as a question of consent that is still open; at most 16 KB."""
    stopped: bool = False
    """The last answer was stopped by the user, who has not been told so yet."""


NO_NOTES = Notes()


@dataclass(slots=True)
class Turn:
    """One event on its way to an answer."""

    text: str
    """What was said: the message, what followed a command, or the value of a pressed button."""
    user: User
    channel: str
    conversation: str
    direct: bool
    history: Sequence[Remembered] = ()
    """The session so far, oldest first, without this turn."""
    attachments: tuple[Attachment, ...] = ()
    reference: str = ""
    """Names this event in logs and dead letters."""
    account: str = ""
    """Who asks, across all channels of a platform: `platform:id`."""
    message_id: str = ""
    """The platform's id of what was said."""
    notes: Notes = NO_NOTES
    summary: Summary | None = None
    """Of the older part of the session."""
    first: int = 0
    """The number in the session of `history[0]`: which messages `summary` covers already."""
    purse: Purse = field(default_factory=Purse)
    """What its models may cost, and what they took."""
    problem: str = field(default="", init=False)
    """What an admin who was told the reference is to find: why the answer is none, or not the model's."""
    links: Sequence[str] | None = field(default=None, init=False)
    """Hosts that the answer may link to; None: all. Others are shown as text, as soon as the answer is."""
    tokens: int = field(default=0, init=False)
    """What the question counts for the model, where the bot knows it."""
    forgotten: bool = field(default=False, init=False)
    kept: bool = field(default=True, init=False)

    @property
    def language(self) -> str:
        """The tag of the language to talk in: what the platform says of the user, else what they write."""
        return self.notes.language or choose(self.user.locale, None, self.text)

    @property
    def usage(self) -> list[Usage]:
        """What the models took, call by call."""
        return self.purse.usage

    def note(self, **changes: object) -> None:
        """Change what the session keeps beside its messages; it counts when the turn is committed."""
        self.notes = msgspec.structs.replace(self.notes, **changes)

    def forget(self) -> None:
        """End the session when this turn is committed: the next turn starts with no history."""
        self.forgotten = True

    def off_record(self) -> None:
        """Keep neither question nor answer of this turn in the session: the answer is none, or not whole."""
        self.kept = False


class Restart(msgspec.Struct, frozen=True):
    """Yielded by a bot: the text said since the last whole part is void, and comes anew."""


class BotSettings(BaseModel):
    """The YAML keys of every bot; a bot adds its own in a subclass named by `settings_type`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)

    use: str
    """The file in `bots/` that holds its class."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What bots share; each takes from it what its settings name."""

    models: Mapping[str, Model] = field(default_factory=dict)
    """Those that can be asked: a model without its key is not among them."""
    personalities: Mapping[str, Personality] = field(default_factory=dict)
    embedders: Mapping[str, Embedder] = field(default_factory=dict)
    """By the name of their model."""
    calibrations: Calibrations = field(default_factory=Calibrations)
    """How the models count tokens: all bots learn together."""


S = TypeVar("S", bound=BotSettings)


class Bot(ABC, Generic[S]):
    """What answers. One file in `bots/` with a class `Bot` that extends this one."""

    settings_type: ClassVar[type[BotSettings]] = BotSettings

    def __init__(self, settings: S, resources: Resources = Resources()) -> None:
        self.settings = settings
        self.resources = resources

    async def start(self) -> None:
        """Open what is needed; called once before the first turn."""

    async def stop(self) -> None:
        """Close it again."""

    def personas(self) -> Mapping[str, str]:
        """Who a user may have it be: name -> how it calls itself. The first is who it is by itself."""
        return {}

    def tool_servers(self) -> Mapping[str, Mapping[str, str | int]]:
        """The programs that its tools are in, for the health page: name -> `state` (`running` where all is well),
        how many `tools`, `last_error`. Nothing private: anybody may read it."""
        return {}

    def most(self, turn: Turn) -> float:
        """What the first call of a model for this turn may cost at most: it is set aside before the turn begins."""
        return 0.0

    @abstractmethod
    def respond(self, turn: Turn) -> AsyncIterator[str | Part | Restart]:
        """Yield the answer: pieces of Markdown that belong to one message, or whole parts with buttons.

        Where the platform can edit, the user sees a message grow with the pieces.

        Nothing yielded is a deliberate silence. May be cancelled at any await, and run again after a crash."""

    async def reflect(
        self,
        history: Sequence[Remembered],
        summary: Summary | None,
        first: int,
        notes: Notes,
        purse: Purse,
    ) -> Summary | None:
        """After an answer was sent, with it at the end of `history`: a newer summary of what is older, or None.

        In nobody's way: nothing waits for it, and it may be cancelled. `first`: the number in the session of
        `history[0]`. `purse`: from which whoever was answered pays for it; OverBudget may be left to the caller."""
        return None
