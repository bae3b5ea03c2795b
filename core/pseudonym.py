"""Names that stand for people where their real ones must not: in logs, and in the record of who was erased.

Stable, so that an admin can follow somebody; keyed, so that nobody without the key can try out numbers until one fits.
"""

import contextlib
import hashlib
import os
import secrets
from base64 import b32encode
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

FILE = "pseudonym-key"
ACCOUNTS = ("account", "user", "author", "person")
"""Fields of a log line that hold an account."""
CONVERSATION = "conversation"


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
        hidden = {
            value: self.conversation(value) if field == CONVERSATION else self.of(value)
            for field in (CONVERSATION, *ACCOUNTS)
            if isinstance(value := event.get(field), str) and value
        }
        if hidden:
            for field, value in event.items():
                if isinstance(value, str):
                    for name in sorted(hidden, key=len, reverse=True):
                        if value == name or len(name) >= 6:
                            value = value.replace(name, hidden[name])
                    event[field] = value
        return event
