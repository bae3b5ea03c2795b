"""Python functions that a model may call: described by their signatures, run within limits."""

import asyncio
import hashlib
import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar, cast, get_type_hints, overload

import msgspec
import structlog
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ArgsKwargs, from_json, to_json

from core import metrics
from core.errors import ConfigError
from core.limits.purse import Purse
from core.model.port import ChatMessage, ToolCall, ToolSpec

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger(__name__)

_ERROR = "error: "


class ToolError(Exception):
    """Raised by a tool to tell the model, in words it can act on, why there is no result."""


class RunContext(msgspec.Struct, frozen=True):
    """For whom a tool runs. A tool that has a parameter of this type is given it; the model knows nothing of it."""

    key: str = ""
    """The same when the same call is run again after a crash, and no other call's: to do a thing once and only once."""
    account: str = ""
    """Who asked: `platform:id`."""
    name: str = ""
    conversation: str = ""
    language: str = ""
    purse: Purse | None = None
    """From which they pay for models that the tool asks."""


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
    max_result: int = 8000
    """Characters of its result that the model is told."""
    check: Callable[[Mapping[str, object]], object] | None = None
    """Checks the arguments and runs nothing. Raises ValidationError."""
    context: str = ""
    """The parameter that takes the RunContext."""


class Tools:
    """The tools of one bot. `@tools.add` on a function with typed parameters and a docstring is all it takes."""

    def __init__(self, *, limit: float = 10.0, max_result: int = 8000) -> None:
        """`limit`: seconds that a tool may take; `max_result`: characters of its result that the model is told."""
        self._limit = limit
        self._max_result = max_result
        self._tools: dict[str, Tool] = {}

    @classmethod
    def merged(cls, sources: Mapping[str, "Tools"]) -> "Tools":
        """The tools of several places as one. Raises ConfigError where two places have a tool of one name."""
        all_of_them = cls()
        place: dict[str, str] = {}
        faults: list[str] = []
        for source, tools in sources.items():
            for name, tool in tools._tools.items():
                if name in place:
                    faults.append(f"two tools are called '{name}': one of {place[name]}, one of {source}")
                place.setdefault(name, source)
                all_of_them._tools.setdefault(name, tool)
        if faults:
            raise ConfigError(faults)
        return all_of_them

    def __bool__(self) -> bool:
        return bool(self._tools)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._tools)

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """All tools as the model is told about them."""
        return tuple(tool.spec for tool in self._tools.values())

    def get(self, name: str) -> Tool | None:
        """The tool of that name."""
        return self._tools.get(name)

    def only(self, names: Sequence[str]) -> "Tools":
        """Those of these names. Raises KeyError."""
        chosen = Tools(limit=self._limit, max_result=self._max_result)
        chosen._tools = {name: self._tools[name] for name in names}
        return chosen

    def put(self, tool: Tool) -> None:
        """Register what is no Python function of ours. Raises ValueError where there is a tool of that name."""
        if tool.spec.name in self._tools:
            raise ValueError(f"there is a tool called {tool.spec.name} already")
        self._tools[tool.spec.name] = tool

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
            self.put(_tool(function, name or function.__name__, confirm, limit or self._limit, self._max_result))
            return function

        return register if function is None else register(function)

    async def run(self, call: ToolCall, *, agreed: bool = False, context: RunContext = RunContext()) -> ChatMessage:  # noqa: B008
        """The message that answers the call: the result, or what went wrong.

        `agreed`: a human agreed to this very call; without that nothing with side effects is run."""
        tool = self._tools.get(call.name)
        if tool is None:
            return answered(call, self._unknown(call))
        arguments = _arguments(tool, call)
        if isinstance(arguments, str):
            text = arguments
        elif tool.confirm and not agreed:
            text = "error: this needs the user's consent"
        else:
            text = await _result(tool, arguments, context)
        metrics.count("tool_calls_total", tool=call.name, outcome="failed" if text.startswith(_ERROR) else "answered")
        if len(text) > tool.max_result:
            text = f"{text[: tool.max_result]}\n… (cut; the whole has {len(text)} characters)"
        return answered(call, text)

    def fault(self, call: ToolCall) -> str:
        """What is wrong with a call, as the model is told; empty where it can be run."""
        tool = self._tools.get(call.name)
        if tool is None:
            return self._unknown(call)
        arguments = _arguments(tool, call)
        return arguments if isinstance(arguments, str) else ""

    def _unknown(self, call: ToolCall) -> str:
        return f"error: there is no tool called {call.name[:64]}; there are: {', '.join(self._tools) or 'none'}"


class ToolSource(Protocol):
    """Tools that have to be opened first, such as those of another program."""

    @property
    def tools(self) -> Tools:
        """What there is, once it was started."""
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Keys:
    """The keys of one turn's calls: by what is called, and where it is called alike again, by how often before."""

    def __init__(self, scope: str) -> None:
        """`scope`: names the turn, or the question that was agreed to."""
        self._scope = scope
        self._seen: Counter[bytes] = Counter()

    def of(self, call: ToolCall) -> str:
        """The next call's key. Whoever tries the turn again asks for the same calls in the same order."""
        what = msgspec.json.encode((self._scope, call.name, call.arguments))
        self._seen[what] += 1
        return hashlib.blake2b(what + b"%d" % self._seen[what], digest_size=16).hexdigest()


def answered(call: ToolCall, text: str) -> ChatMessage:
    """The message that answers the call."""
    return ChatMessage("tool", text, name=call.name, call_id=call.id)


def declined(calls: Sequence[ToolCall]) -> tuple[ChatMessage, ...]:
    """The messages that answer calls to which the human said no."""
    return tuple(answered(call, "declined: the user does not want this done") for call in calls)


def _arguments(tool: Tool, call: ToolCall) -> dict[str, object] | str:
    """What the call asks for; or in words what is wrong with that."""
    try:
        arguments = from_json(call.arguments or "{}")
    except ValueError as error:
        return f"error: the arguments are no JSON: {error}"
    if not isinstance(arguments, dict):
        return "error: the arguments must be a JSON object"
    try:
        if tool.check is not None:
            tool.check(arguments)
    except ValidationError as error:
        return _told(error)
    return arguments


async def _result(tool: Tool, arguments: dict[str, object], context: RunContext) -> str:
    if tool.context:
        arguments[tool.context] = context
    try:
        async with asyncio.timeout(tool.limit):
            result = await (tool.run(arguments) if tool.is_async else asyncio.to_thread(tool.run, arguments))
        return result if isinstance(result, str) else to_json(result, fallback=str).decode()
    except TimeoutError:
        return f"error: no result within {tool.limit:g} s"
    except ToolError as error:
        return f"error: {error}"
    except ValidationError as error:
        return _told(error)
    except Exception:
        log.exception("a tool failed", tool=tool.spec.name)
        return "error: the tool failed"


def _told(error: ValidationError) -> str:
    return "error: " + "; ".join(
        f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_input=False)
    )


def _tool(function: Callable[..., object], name: str, confirm: bool, limit: float, max_result: int) -> Tool:
    signature = inspect.signature(function)
    hints = get_type_hints(function, include_extras=True)
    for parameter in signature.parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{name}: a tool's parameters have names; {parameter} has none")
        if parameter.annotation is parameter.empty:
            raise TypeError(f"{name}: the parameter {parameter.name} needs a type")
    context = next((parameter for parameter in signature.parameters if hints[parameter] is RunContext), "")
    shown = [
        parameter.replace(annotation=hints[parameter.name], kind=parameter.KEYWORD_ONLY)
        for parameter in signature.parameters.values()
        if parameter.name != context
    ]

    def given(**arguments: object) -> dict[str, object]:
        return arguments

    given.__signature__ = signature.replace(parameters=shown, return_annotation=dict)  # type: ignore[attr-defined]
    given.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    adapter: TypeAdapter[Any] = TypeAdapter(cast(Any, given))
    schema = adapter.json_schema()
    schema.setdefault("properties", {})
    spec = ToolSpec(name, inspect.getdoc(function) or name, schema)

    def check(arguments: Mapping[str, object]) -> dict[str, object]:
        checked: dict[str, object] = adapter.validate_python(ArgsKwargs((), dict(arguments)))
        return checked

    def run(arguments: Mapping[str, object]) -> object:
        asked = dict(arguments)
        own = {context: asked.pop(context)} if context else {}
        return function(**check(asked), **own)

    return Tool(spec, confirm, limit, run, inspect.iscoroutinefunction(function), max_result, check, context)
