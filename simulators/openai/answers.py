"""The wire format of answers: whole, streamed, and gone wrong.

Shapes: https://platform.openai.com/docs/api-reference/chat (create, streaming)."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from simulators.openai.scripts import Call, Exchange, Fault, Misbehaviour, Script


@dataclass(slots=True)
class Manner:
    """How the server answers."""

    pace: float = 0.0
    """Seconds between two tokens."""
    streams: bool = True
    """Whether `stream: true` is heeded."""
    fragment: int = 4
    """Characters of a tool call's arguments in one chunk; 0: calls come whole."""
    anonymous_calls: bool = False
    """Tool calls come without id and index."""


def whole(exchange: Exchange, script: Script, fault: Fault | None, manner: Manner) -> web.Response:
    """The answer as one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": script.text or None}
    if script.calls:
        message["tool_calls"] = [_call(n, call, call.arguments, manner) for n, call in enumerate(script.calls)]
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": exchange.body.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": _reason(script, fault)}],
        "usage": _usage(exchange, script),
    }
    return web.json_response(body)


async def stream(
    exchange: Exchange, script: Script, fault: Fault | None, manner: Manner
) -> AsyncIterator[bytes | None]:
    """The response, event by event; None: reset the connection here."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": exchange.body["model"]}

    def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
        return _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    yield b": keepalive\n\n" + chunk({"role": "assistant", "content": ""})
    if fault and fault.kind == "hang before token":
        while True:
            await asyncio.sleep(manner.pace or 0.01)
            yield b": keepalive\n\n"
    words = list(_words(script.text))
    strike = min(fault.after, len(words)) if fault else -1
    for number, word in enumerate([*words, ""]):
        if fault and number == strike:
            async for data in _disaster(fault.kind, chunk, manner.pace):
                yield data
            if fault.kind in ("cut", "reset"):
                return
        if not word:
            break
        yield chunk({"content": word})
        exchange.tokens += 1
        if manner.pace:
            await asyncio.sleep(manner.pace)
    for delta in _call_deltas(script.calls, manner):
        yield chunk(delta)
    yield chunk({}, _reason(script, fault))
    if (exchange.body.get("stream_options") or {}).get("include_usage") and not _is(fault, "no usage"):
        yield _event({**head, "choices": [], "usage": _usage(exchange, script)})
    if not _is(fault, "no done"):
        yield b"data: [DONE]\n\n"


def _call_deltas(calls: tuple[Call, ...], manner: Manner) -> Iterator[dict[str, Any]]:
    for number, call in enumerate(calls):
        if not manner.fragment:
            yield {"tool_calls": [_call(number, call, call.arguments, manner)]}
            continue
        yield {"tool_calls": [_call(number, call, "", manner)]}
        for start in range(0, len(call.arguments), manner.fragment):
            fragment: dict[str, Any] = {"function": {"arguments": call.arguments[start : start + manner.fragment]}}
            yield {"tool_calls": [fragment if manner.anonymous_calls else {"index": number, **fragment}]}


def _call(number: int, call: Call, arguments: str, manner: Manner) -> dict[str, Any]:
    whole = {"type": "function", "function": {"name": call.name, "arguments": arguments}}
    return whole if manner.anonymous_calls else {"index": number, "id": call.id, **whole}


async def _disaster(kind: Misbehaviour, chunk: Callable[..., bytes], pace: float) -> AsyncIterator[bytes | None]:
    """What a fault puts amid the tokens."""
    match kind:
        case "stall":
            await asyncio.Event().wait()
        case "reset":
            yield None
        case "garbage":
            yield b"502 Bad Gateway\n\n"
        case "bad json":
            yield b'data: {"choices": [{"delta": {"content": "hal\n\n'
        case "error event":
            yield _event({"error": {"message": "The model fell over.", "type": "server_error", "code": None}})
        case "drip":
            while True:
                yield chunk({"content": "."})
                await asyncio.sleep(pace or 0.005)
        case "huge":
            yield chunk({"content": "x" * 5_000_000})


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


def _words(text: str) -> Iterator[str]:
    """The text in pieces that make it up again."""
    start = 0
    for position, letter in enumerate(text):
        if letter == " " and position > start:
            yield text[start:position]
            start = position
    if text[start:]:
        yield text[start:]


def _usage(exchange: Exchange, script: Script) -> dict[str, int]:
    read = sum(len(str(message.get("content") or "").split()) for message in exchange.body["messages"])
    written = len(script.text.split()) + 5 * len(script.calls)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _reason(script: Script, fault: Fault | None) -> str:
    if _is(fault, "filtered"):
        return "content_filter"
    return script.reason or ("tool_calls" if script.calls else "stop")


def _is(fault: Fault | None, kind: Misbehaviour) -> bool:
    return fault is not None and fault.kind == kind
