"""Python functions that a model may call: described by their signatures, run within limits."""

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast, overload

import structlog
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ArgsKwargs, from_json, to_json

from core.model.port import ChatMessage, ToolCall, ToolSpec

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger(__name__)


class ToolError(Exception):
    """Raised by a tool to tell the model, in words it can act on, why there is no result."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One function and how it may be run."""

    spec: ToolSpec
    confirm: bool
    """It has side effects: a human agrees first."""
    limit: float
    """Seconds."""
    run: Callable[[Mapping[str, object]], Any]
    """Checks the arguments and calls the function. Raises ValidationError."""
    is_async: bool


class Tools:
    """The tools of one bot. `@tools.add` on a function with typed parameters and a docstring is all it takes."""

    def __init__(self, *, limit: float = 10.0, max_result: int = 8000) -> None:
        """`limit`: seconds that a tool may take; `max_result`: characters of its result that the model is told."""
        self._limit = limit
        self._max_result = max_result
        self._tools: dict[str, Tool] = {}

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """All tools as the model is told about them."""
        return tuple(tool.spec for tool in self._tools.values())

    def get(self, name: str) -> Tool | None:
        """The tool of that name."""
        return self._tools.get(name)

    @overload
    def add(self, function: Callable[P, R], /) -> Callable[P, R]: ...

    @overload
    def add(
        self, /, *, name: str = "", confirm: bool = False, limit: float | None = None
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    def add(
        self,
        function: Callable[P, R] | None = None,
        /,
        *,
        name: str = "",
        confirm: bool = False,
        limit: float | None = None,
    ) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
        """Register a function. `confirm`: it has side effects and runs only after a human agreed; `limit`: seconds."""

        def register(function: Callable[P, R]) -> Callable[P, R]:
            tool = _tool(function, name or function.__name__, confirm, limit or self._limit)
            if tool.spec.name in self._tools:
                raise ValueError(f"there is a tool called {tool.spec.name} already")
            self._tools[tool.spec.name] = tool
            return function

        return register if function is None else register(function)

    async def run(self, call: ToolCall, *, agreed: bool = False) -> ChatMessage:
        """The message that answers the call: the result, or what went wrong.

        `agreed`: a human agreed to this very call; without that nothing with side effects is run."""
        return ChatMessage("tool", self._fit(await self._result(call, agreed)), name=call.name, call_id=call.id)

    async def _result(self, call: ToolCall, agreed: bool) -> str:
        tool = self._tools.get(call.name)
        if tool is None:
            return f"error: there is no tool called {call.name[:64]}; there are: {', '.join(self._tools) or 'none'}"
        if tool.confirm and not agreed:
            return "error: this needs the user's consent"
        try:
            arguments = from_json(call.arguments or "{}")
        except ValueError as error:
            return f"error: the arguments are no JSON: {error}"
        if not isinstance(arguments, dict):
            return "error: the arguments must be a JSON object"
        try:
            async with asyncio.timeout(tool.limit):
                result = await (tool.run(arguments) if tool.is_async else asyncio.to_thread(tool.run, arguments))
            return result if isinstance(result, str) else to_json(result, fallback=str).decode()
        except TimeoutError:
            return f"error: no result within {tool.limit:g} s"
        except ToolError as error:
            return f"error: {error}"
        except ValidationError as error:
            return "error: " + "; ".join(
                f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_input=False)
            )
        except Exception:
            log.exception("a tool failed", tool=call.name)
            return "error: the tool failed"

    def _fit(self, text: str) -> str:
        if len(text) <= self._max_result:
            return text
        return f"{text[: self._max_result]}\n… (cut; the whole has {len(text)} characters)"


def _tool(function: Callable[..., object], name: str, confirm: bool, limit: float) -> Tool:
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{name}: a tool's parameters have names; {parameter} has none")
        if parameter.annotation is parameter.empty:
            raise TypeError(f"{name}: the parameter {parameter.name} needs a type")
    adapter: TypeAdapter[Any] = TypeAdapter(cast(Any, function))
    schema = adapter.json_schema()
    schema.setdefault("properties", {})
    spec = ToolSpec(name, inspect.getdoc(function) or name, schema)

    def run(arguments: Mapping[str, object]) -> object:
        return adapter.validate_python(ArgsKwargs((), dict(arguments)))

    return Tool(spec, confirm, limit, run, inspect.iscoroutinefunction(function))


def declined(calls: Sequence[ToolCall]) -> tuple[ChatMessage, ...]:
    """The messages that answer calls to which the human said no."""
    return tuple(
        ChatMessage("tool", "declined: the user does not want this done", name=call.name, call_id=call.id)
        for call in calls
    )
