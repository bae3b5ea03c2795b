"""Puts tool calls together from the fragments in which they stream."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from core.model.port import ToolCall


class FunctionFragment(msgspec.Struct):
    """A piece of the call's function."""

    name: str | None = None
    arguments: str | dict[str, object] | None = None
    """Some servers send the finished object."""


class CallFragment(msgspec.Struct):
    """A piece of one call. By the book `index` says of which; some servers leave it out or always say 0."""

    index: int | None = None
    id: str | None = None
    function: FunctionFragment | None = None


@dataclass(slots=True)
class _Call:
    index: int | None
    id: str
    name: str
    arguments: str

    @property
    def is_whole(self) -> bool:
        try:
            msgspec.json.decode(self.arguments)
        except msgspec.DecodeError:
            return False
        return bool(self.name)


class Calls:
    """The calls of one answer while it streams."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self.size = 0
        """Characters so far."""

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, fragments: Iterable[CallFragment]) -> None:
        """Take the fragments of one chunk."""
        for fragment in fragments:
            function = fragment.function or FunctionFragment()
            name, arguments = function.name or "", _text(function.arguments)
            self.size += len(name) + len(arguments)
            call = self._continued(fragment, name, arguments)
            if call is None:
                self._calls.append(_Call(fragment.index, fragment.id or "", name, arguments))
                continue
            call.id = call.id or fragment.id or ""
            call.name = call.name or name
            call.arguments += arguments

    def finished(self) -> tuple[ToolCall, ...]:
        """All of them, whole. Raises ValueError where one has no name."""
        if not all(call.name for call in self._calls):
            raise ValueError("a tool call without a name")
        return tuple(
            ToolCall(call.id or f"call_{secrets.token_hex(8)}", call.name, call.arguments or "{}")
            for call in self._calls
        )

    def _continued(self, fragment: CallFragment, name: str, arguments: str) -> _Call | None:
        """The call that this fragment belongs to, or None where it begins another."""
        if not self._calls:
            return None
        last: _Call | None
        if fragment.index is None:
            same = next((call for call in self._calls if fragment.id and call.id == fragment.id), None)
            last = same or self._calls[-1]
        else:
            last = next((call for call in reversed(self._calls) if call.index == fragment.index), None)
        if last is None:
            return None
        if fragment.id and last.id and fragment.id != last.id:
            return None
        if name and not fragment.id and last.name and _is_another(last, fragment.index, name, arguments):
            return None
        if fragment.index is None and fragment.id and not last.id:
            return None
        return last


def _is_another(last: _Call, index: int | None, name: str, arguments: str) -> bool:
    """Whether a name without an id begins a call, and does not just repeat the name of the last one."""
    return name != last.name or (last.is_whole and (index is None or bool(arguments)))


def _text(arguments: str | dict[str, object] | None) -> str:
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
