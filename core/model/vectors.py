"""Vectors of texts that were paid for, by what the text says: in a file of the hub's, or in memory."""

import hashlib
import sqlite3
import threading
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import structlog

log = structlog.get_logger(__name__)

Vector: TypeAlias = "array[float]"
"""Single precision, of length 1."""

_KEPT = 30 * 86400
"""Seconds that a vector is kept after its text was last seen in a document."""
_SEEN_EVERY = 86400
_AT_ONCE = 500
"""Keys of one query."""


class Vectors:
    """Safe to use from threads. A file that cannot be used costs a second payment, never an answer."""

    def __init__(self, file: Path | None = None, *, now: Callable[[], float] = time.time) -> None:
        self._file = file
        self._now = now
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._is_closed = False

    def read(self, space: str, texts: Sequence[str]) -> dict[str, Vector]:
        """Those that are known. `space`: the server and model whose vectors can be compared."""
        keys = {_key(space, text): text for text in texts}
        wanted, now = list(keys), int(self._now())
        found: dict[str, Vector] = {}
        with self._lock, suppress(sqlite3.Error):
            db = self._opened()
            for start in range(0, len(wanted), _AT_ONCE):
                some = wanted[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                for key, blob in db.execute(f"SELECT key, vector FROM v WHERE key IN ({marks})", some):  # noqa: S608
                    found[keys[key]] = array("f", blob)
                db.execute(
                    f"UPDATE v SET seen = ? WHERE key IN ({marks}) AND seen < ?",  # noqa: S608
                    (now, *some, now - _SEEN_EVERY),
                )
        return found

    def write(self, space: str, vectors: Mapping[str, Vector]) -> None:
        rows = [(_key(space, text), vector.tobytes(), int(self._now())) for text, vector in vectors.items()]
        try:
            with self._lock:
                self._opened().executemany("INSERT OR REPLACE INTO v VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            log.warning("embeddings could not be kept", reason=str(error))

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            if self._db is not None:
                self._db.close()

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            if self._is_closed:
                raise sqlite3.ProgrammingError("closed")
            try:
                self._db = self._open(self._file)
            except (sqlite3.Error, OSError) as error:
                log.warning("embeddings are kept in memory alone", file=str(self._file), reason=str(error))
                self._db = self._open(None)
        return self._db

    def _open(self, file: Path | None) -> sqlite3.Connection:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(file or ":memory:", check_same_thread=False, isolation_level=None, timeout=5)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute("CREATE TABLE IF NOT EXISTS v(key BLOB PRIMARY KEY, vector BLOB, seen INTEGER) WITHOUT ROWID")
            db.execute("DELETE FROM v WHERE seen < ?", (int(self._now()) - _KEPT,))
        except BaseException:
            db.close()
            raise
        return db


def _key(space: str, text: str) -> bytes:
    return hashlib.blake2b(f"{space}\0{text}".encode(errors="surrogatepass"), digest_size=20).digest()
