"""Reads an answer off the wire: bytes to pieces. Pure; it knows nothing of time or connections."""

from collections.abc import Iterator

import msgspec

from core.model.calls import CallFragment, Calls
from core.model.errors import BrokenStream, ModelRefused
from core.model.port import CallPiece, End, Piece, Reason, TextPiece
from core.model.sse import Events, GarbledEvents

MAX_ANSWER = 400_000
"""Characters of one answer; the largest `max_tokens` in use today stay below."""

_REASONS: dict[str, Reason] = {
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}


class _Part(msgspec.Struct, gc=False):
    type: str = "text"
    text: str = ""


class _Delta(msgspec.Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    tool_calls: list[CallFragment] | None = None
    reasoning: msgspec.Raw = msgspec.Raw()
    reasoning_content: msgspec.Raw = msgspec.Raw()

    @property
    def text(self) -> str:
        if self.refusal:
            return self.refusal
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content if part.type == "text")
        return self.content or ""

    @property
    def thinks(self) -> bool:
        """Something the user never sees, but a sign that the model is at work."""
        return any(len(raw) > 2 and bytes(raw) != b"null" for raw in (self.reasoning, self.reasoning_content))


class _Choice(msgspec.Struct):
    index: int | None = 0
    delta: _Delta | None = None
    message: _Delta | None = None
    """Instead of `delta` where the answer comes as one piece."""
    finish_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Fault(msgspec.Struct, gc=False):
    message: str | None = None


class _Chunk(msgspec.Struct):
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = msgspec.Raw()
    object: str | None = None
    message: str | None = None


_chunk = msgspec.json.Decoder(_Chunk)


class Answer:
    """One answer while it arrives. `feed` what was received; `end` when the connection brought its last byte."""

    def __init__(self, model: str, prompt_tokens: int) -> None:
        """The model that was asked, and a guess at what it had to read."""
        self._model = model
        self._prompt_tokens = prompt_tokens
        self._events = Events()
        self._calls = Calls()
        self._said: list[str] = []
        self._size = 0
        self._reason: str | None = None
        self._usage: _Usage | None = None
        self.signs_of_life = 0
        """Chunks in which the model said, called or thought something."""
        self.done = False
        """The server said that nothing follows."""

    @property
    def said(self) -> str:
        """The text so far."""
        return "".join(self._said)

    @property
    def finished(self) -> bool:
        """The model came to an end; only figures may follow."""
        return self._reason is not None

    def feed(self, received: bytes) -> Iterator[Piece]:
        """The text that is now known, piece by piece. Raises BrokenStream in its place among them."""
        try:
            for data in self._events.feed(received):
                yield from self._event(data)
        except GarbledEvents as error:
            raise self.broken(str(error)) from error

    def end(self) -> Iterator[Piece]:
        """What a stream ends with. Raises BrokenStream where the model had not come to an end, and ModelRefused
        where a filter took the whole answer."""
        if not self.finished:
            try:
                for data in self._events.end():
                    yield from self._event(data)
            except GarbledEvents as error:
                raise self.broken(str(error)) from error
        if self._reason is None:
            raise self.broken("the stream ended before the answer did")
        if self._reason == "error":
            raise self.broken("the server reports an error at the end of the answer")
        yield from self._finish(_REASONS.get(self._reason, "stop"))

    def whole(self, body: bytes) -> Iterator[Piece]:
        """The pieces of an answer that came at once, as JSON."""
        yield from self._event(body)
        yield from self.end()

    def broken(self, why: str) -> BrokenStream:
        """The error that says so, with what was said until then."""
        return BrokenStream(why, self.said)

    def _event(self, data: bytes) -> Iterator[Piece]:
        if data == b"[DONE]":
            self.done = True
            return
        try:
            chunk = _chunk.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self.broken("a chunk that is not what the API promises") from error
        if chunk.object == "error" or (bytes(chunk.error) not in (b"", b"null")):
            raise self.broken(f"the server reports: {_complaint(chunk)}")
        self._model = chunk.model or self._model
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices or ():
            if choice.index in (0, None) and (delta := choice.delta or choice.message):
                yield from self._take(delta)
            self._reason = choice.finish_reason or self._reason

    def _take(self, delta: _Delta) -> Iterator[Piece]:
        text = delta.text
        if delta.tool_calls:
            self._calls.add(delta.tool_calls)
        self._size += len(text)
        if self._size + self._calls.size > MAX_ANSWER:
            raise self.broken(f"an answer of more than {MAX_ANSWER} characters")
        if text or delta.tool_calls or delta.thinks:
            self.signs_of_life += 1
        if text:
            self._said.append(text)
            yield TextPiece(text)

    def _finish(self, reason: Reason) -> Iterator[Piece]:
        if reason == "content_filter" and not self._said:
            raise ModelRefused("a content filter withheld the whole answer", "content_filter", charged=True)
        if self._calls and reason in ("stop", "tool_calls"):  # some servers say "stop" after calls too
            reason = "tool_calls"
            try:
                yield CallPiece(self._calls.finished())
            except ValueError as error:
                raise self.broken(str(error)) from error
        elif reason == "tool_calls":
            reason = "stop"
        read, written = (self._usage.prompt_tokens, self._usage.completion_tokens) if self._usage else (None, None)
        yield End(
            reason,
            self._model,
            self._prompt_tokens if read is None else read,
            (self._size + self._calls.size + 3) // 4 if written is None else written,
            estimated=read is None or written is None,
        )


def _complaint(chunk: _Chunk) -> str:
    try:
        message = msgspec.json.decode(chunk.error, type=_Fault | str | None) if chunk.error else None
    except msgspec.DecodeError:
        message = None
    text = message.message if isinstance(message, _Fault) else message
    return (text or chunk.message or "an error")[:200]
