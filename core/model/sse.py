"""Server-sent events: bytes as they arrive, however split, to the data of each event."""

import re
from collections.abc import Iterator

MAX_EVENT = 1 << 20
"""Bytes of one event; a token needs a few hundred."""

_FIELD = re.compile(rb"[A-Za-z_-]+(:|$)")


class GarbledEvents(ValueError):
    """These bytes are no server-sent events."""


class Events:
    """Reads one stream of events."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._data = b""

    def feed(self, received: bytes) -> Iterator[bytes]:
        """The data of each event that is now complete. Raises GarbledEvents."""
        self._line += received
        if len(self._line) > MAX_EVENT and b"\n" not in received:
            raise GarbledEvents(f"an event of more than {MAX_EVENT} bytes")
        if b"\n" not in received:
            return
        *lines, rest = bytes(self._line).split(b"\n")
        self._line = bytearray(rest)
        for line in lines:
            if (data := self._take(line.removesuffix(b"\r"))) is not None:
                yield data

    def end(self) -> Iterator[bytes]:
        """The data of a last event that was not followed by an empty line."""
        self._take(bytes(self._line))
        self._line.clear()
        if self._data:
            yield self._data
        self._data = b""

    def _take(self, line: bytes) -> bytes | None:
        if line.startswith(b"data:"):
            value = line[6:] if line.startswith(b"data: ") else line[5:]
            self._data = self._data + b"\n" + value if self._data else value
            if len(self._data) > MAX_EVENT:
                raise GarbledEvents(f"an event of more than {MAX_EVENT} bytes")
            return None
        if not line:
            data, self._data = self._data, b""
            return data or None
        if line.startswith(b":") or _FIELD.match(line):
            return None  # a comment that keeps the connection alive, or a field we have no use for
        raise GarbledEvents("a line that is no server-sent event")
