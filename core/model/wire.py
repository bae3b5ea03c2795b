"""What is sent: our messages as the chat completions API wants them. Pure."""

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from core.model.port import ChatMessage, ToolCall, ToolSpec
from core.model.settings import ModelSettings

Optional = Literal["stream_options", "max_tokens", "temperature"]
"""Parameters that some servers do not know: they go without, or by another name."""

_NOT_IN_NAMES = re.compile(r"[\s<|\\/>]+")


class _Function(msgspec.Struct, frozen=True):
    name: str
    arguments: str


class _Call(msgspec.Struct, frozen=True):
    id: str
    function: _Function
    type: str = "function"


class _Message(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    role: str
    content: str | None
    name: str = ""
    tool_calls: tuple[_Call, ...] = ()
    tool_call_id: str = ""


class _Tool(msgspec.Struct, frozen=True):
    function: ToolSpec
    type: str = "function"


class _Usage(msgspec.Struct, frozen=True):
    include_usage: bool = True


class _Question(msgspec.Struct, frozen=True, omit_defaults=True):
    model: str
    messages: tuple[_Message, ...]
    stream: bool = False
    stream_options: _Usage | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    tools: tuple[_Tool, ...] = ()


_encoder = msgspec.json.Encoder()


def longest(settings: ModelSettings, max_tokens: int | None) -> int:
    """Tokens that an answer may have."""
    return min(max_tokens or settings.max_tokens, settings.max_tokens)


def body(
    settings: ModelSettings,
    messages: Sequence[ChatMessage],
    tools: Sequence[ToolSpec],
    max_tokens: int | None,
    without: frozenset[Optional],
) -> bytes:
    """The request's JSON, leaving out what this server does not know."""
    tokens = longest(settings, max_tokens)
    return _encoder.encode(
        _Question(
            settings.name,
            tuple(_message(message) for message in messages),
            stream=settings.streaming,
            stream_options=_Usage() if settings.streaming and "stream_options" not in without else None,
            max_tokens=None if "max_tokens" in without else tokens,
            max_completion_tokens=tokens if "max_tokens" in without else None,
            temperature=None if "temperature" in without else settings.temperature,
            tools=tuple(_Tool(tool) for tool in tools),
        )
    )


def _message(message: ChatMessage) -> _Message:
    return _Message(
        message.role,
        None if message.calls and not message.text else message.text,
        name=_NOT_IN_NAMES.sub("_", message.name)[:64] if message.name and message.role != "tool" else "",
        tool_calls=tuple(map(_call, message.calls)),
        tool_call_id=message.call_id,
    )


def _call(call: ToolCall) -> _Call:
    return _Call(call.id, _Function(call.name, call.arguments))
