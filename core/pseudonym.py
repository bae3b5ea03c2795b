"""Names that stand for people where their real ones must not: in logs, and in the record of who was erased.

Stable, so that an admin can follow somebody; keyed, so that nobody without the key can try out numbers until one fits.
"""

import contextlib
import hashlib
import os
import re
import secrets
from base64 import b32encode
from collections.abc import Iterator, Mapping, MutableMapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydantic import SecretStr

FILE = "pseudonym-key"
FIELDS = ("account", "user", "author", "person", "room")
"""Fields of a log line that hold an account or a room."""
CONVERSATION = "conversation"
REFERENCES = ("event_id", "reference", "turn")
"""Fields by which an event is found; the id of a message may be that of its room as well."""
OURS = ("level", "logger", "timestamp", "channel")
"""Fields that hold no words of others."""
SHORTEST = 5
"""Characters of a name that is hidden within a text; a shorter one would blank out ordinary words."""

_PHONE = re.compile(r"(?<!\w)(?:\+|%2B)(\d{8,15})(?!\d)", re.IGNORECASE)
_about: ContextVar[dict[str, str]] = ContextVar("about")
"""Names that what is logged now may be about, and in which field each would stand."""


def key(var: Path, given: SecretStr) -> bytes:
    """The key that the configuration gives, in hexadecimal digits; else the folder's own, made at the first call and
    the same ever after, also where two call at once."""
    if known := given.get_secret_value():
        return bytes.fromhex(known)
    file = var / FILE
    if not file.exists():
        var.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = var / f"{FILE}.{os.getpid()}"
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):  # another process was quicker
            os.link(fresh, file)
        fresh.unlink()
    return bytes.fromhex(file.read_text().strip())


class Pseudonyms:
    """Gives them, and puts them into log lines: a processor of structlog."""

    def __init__(self, key: bytes | None = None) -> None:
        """Without a key they hold for this process only."""
        self._key = key or secrets.token_bytes(32)

    def learn(self, key: bytes) -> None:
        """Use this key from here on."""
        self._key = key

    def of(self, name: str) -> str:
        """Of an account."""
        digest = hashlib.blake2b(name.encode(errors="replace"), key=self._key, digest_size=10).digest()
        return f"p-{b32encode(digest).decode().lower()}"

    def conversation(self, name: str) -> str:
        """Of a conversation, whose channel stays readable: rooms and users stand behind it."""
        channel, _, _ = name.partition("/")
        return f"{channel}/{self.of(name)}"

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Tracebacks must stand in the line as text by now."""
        told = {event[field]: field for field in (CONVERSATION, *FIELDS) if isinstance(event.get(field), str)}
        found = {name: field for name, field in (_about.get({}) | told).items() if name}
        names = {name: self.conversation(name) if found[name] == CONVERSATION else self.of(name) for name in found}
        # An id that stands alone is rather that of its account than of the room with it.
        wide_first = sorted(names, key=lambda name: found[name] != CONVERSATION)
        ids = {part: self.of(name) for name in wide_first for part in _parts(name) if part}
        for field, value in event.items():
            if field not in OURS:
                event[field] = self._hidden(value, names if field in REFERENCES else {**ids, **names})
        return event

    def _hidden(self, value: Any, names: Mapping[str, str]) -> Any:
        match value:
            case None | bool() | int() | float():
                return value
            case Mapping():
                return {key: self._hidden(each, names) for key, each in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._hidden(each, names) for each in value]
        text = value if isinstance(value, str) else repr(value)
        if text in names:
            return names[text]
        if known := sorted((name for name in names if len(name) >= SHORTEST), key=len, reverse=True):
            anyone = rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)"
            text = re.sub(anyone, lambda found: names[found[0]], text)
        return _PHONE.sub(lambda found: self.of(f"+{found[1]}"), text)


def about(conversation: str, *accounts: str) -> None:
    """Whatever this task and those that it starts log from here on is about these: they are hidden in it."""
    _about.set(dict.fromkeys(accounts, "account") | {conversation: CONVERSATION})


def _parts(name: str) -> Iterator[str]:
    """What of a name may stand alone in an error's words: the id of an account, of a room, of a user in it."""
    platform, _, id_ = name.partition(":")
    if "/" not in platform:
        yield from (id_, id_.rpartition(":")[2])
        return
    for part in name.split("/")[1:]:
        yield from (part, unquote(part))
