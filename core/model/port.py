"""The port of a language model: what it is told, and the pieces in which it answers."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

JsonValue: TypeAlias = str | int | float | bool | Sequence["JsonValue"] | Mapping[str, "JsonValue"] | None

Role = Literal["system", "user", "assistant", "tool"]
Reason = Literal["stop", "length", "tool_calls", "content_filter"]


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """The model wants a tool run."""

    id: str
    name: str
    arguments: str
    """JSON, as the model wrote it: it may be wrong."""


class ChatMessage(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One message of what the model is told."""

    role: Role
    text: str
    name: str = ""
    """Who said it, where several share a conversation."""
    calls: tuple[ToolCall, ...] = ()
    """On the assistant's message: what it called. The results must follow it at once."""
    call_id: str = ""
    """On a tool's message: the call that it answers."""


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool as the model is told about it."""

    name: str
    description: str
    parameters: Mapping[str, JsonValue]
    """JSON Schema of an object."""


class TextPiece(msgspec.Struct, frozen=True, gc=False):
    """Some more of the answer's text; never empty."""

    text: str


class CallPiece(msgspec.Struct, frozen=True):
    """All calls of the answer, whole; after the text and before the end."""

    calls: tuple[ToolCall, ...]


class End(msgspec.Struct, frozen=True, gc=False):
    """The answer is complete. A stream without it is not an answer."""

    reason: Reason
    model: str
    """Which model answered, as the server calls it."""
    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    """The server told no usage; the figures are a guess from the text's length."""
    cost: float = 0.0
    """By the prices of the model that answered."""


class Lost(msgspec.Struct, frozen=True, gc=False):
    """A try came to nothing, and the server may want money for it; another begins now. Before all other pieces."""


Piece = TextPiece | CallPiece | Lost | End


class Model(Protocol):
    """What answers. Implemented by one server's client and by the chain over several."""

    @property
    def name(self) -> str:
        """As the configuration calls it."""
        ...

    @property
    def served_as(self) -> str:
        """As its server calls it."""
        ...

    @property
    def context_tokens(self) -> int:
        """What fits: everything it is told and its answer together."""
        ...

    def most(self, prompt_tokens: int, max_tokens: int | None = None) -> float:
        """The most that an answer to so many tokens can cost, whoever gives it."""
        ...

    def stream(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), max_tokens: int | None = None
    ) -> AsyncGenerator[Piece, None]:
        """Text as it comes, then calls if there are any, then exactly one `End`; or a `ModelError`. A model that tries
        several times, or several models, tells of each `Lost` try.

        Cancelling the task that iterates, or closing the generator, closes the stream at the server at once.
        Whoever may stop early iterates within `contextlib.aclosing`."""
        ...
