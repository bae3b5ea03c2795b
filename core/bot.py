"""The port of a bot: it takes a turn and yields what to say."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, Literal, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict

from core.events import Attachment, Choice, Part, User
from core.language.detect import choose
from core.model.port import Model
from core.persona.settings import Personality


class Remembered(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of a session's history."""

    role: Literal["user", "assistant"]
    text: str
    name: str = ""
    """Who said it, where several share a conversation."""
    time: float = 0.0
    """Unix seconds, by the store's clock."""
    by_bot: bool = False
    """Said by another bot, not by a human."""
    choices: tuple[Choice, ...] = ()
    """What was offered under it."""


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
    forgotten: bool = field(default=False, init=False)
    kept: bool = field(default=True, init=False)

    @property
    def language(self) -> str:
        """The tag of the language to talk in: what the platform says of the user, else what they write."""
        return choose(self.user.locale, None, self.text)

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

    @abstractmethod
    def respond(self, turn: Turn) -> AsyncIterator[str | Part | Restart]:
        """Yield the answer: pieces of Markdown that belong to one message, or whole parts with buttons.

        Where the platform can edit, the user sees a message grow with the pieces.

        Nothing yielded is a deliberate silence. May be cancelled at any await, and run again after a crash."""
