#!/usr/bin/env python3
"""The way in: makes the environment `.venv` beside this file from the lock, then hands over to the hub."""
# ruff: noqa: S603, S606  starting programs is what this file is for

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036  an old Python must be able to read this file and say so
    sys.exit(
        "Switchboard needs Python 3.11 or newer, and {} is {}.{}.{}: install a newer one and start with it, as in "
        "`python3.11 run.py`.".format(sys.executable, *sys.version_info[:3])
    )

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
TOOLS = ROOT / ".tools"
MARKER = VENV / "complete"
"""What the environment was made from; written last, so that an interrupted one is made again."""
BIN, EXE = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
PYTHON = VENV / BIN / f"python{EXE}"
BASE = getattr(sys, "_base_executable", None) or sys.executable
"""The Python outside any environment, for the one we run in may be the one we are about to replace."""
CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
)


def main(arguments: list[str]) -> int:
    testing = arguments[:1] == ["test"]
    environ = clean(os.environ)
    if not is_made(testing):
        make(testing, environ)
    os.chdir(ROOT)
    if testing:
        return test(arguments[1:], environ)
    command = [str(PYTHON), "-m", "composition", *arguments]
    if os.name != "nt":
        os.execve(command[0], command, environ)
    import subprocess

    return subprocess.call(command, env=environ)


def test(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run every check; the first that fails ends it with its own exit code."""
    import subprocess

    for name, *options in (*CHECKS, ("pytest", *arguments)):
        say(" ".join((name, *options)))
        code = subprocess.call([str(VENV / BIN / f"{name}{EXE}"), *options], env=environ)
        if code:
            say(f"{name} failed (exit code {code})")
            return code
    return 0


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """Without what the caller's own Python environment would put into ours."""
    ours = {name: value for name, value in environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")}
    if ours.pop("PYTHONDONTWRITEBYTECODE", ""):
        # Nothing is written beside the sources, and still the second start need not compile all libraries again.
        ours.setdefault("PYTHONPYCACHEPREFIX", str(VENV / "pycache"))
    return ours


def is_made(testing: bool) -> bool:
    """Whether the environment is complete and made from what the locks say now."""
    try:
        made = MARKER.read_text().split()
    except OSError:
        return False
    wanted = origin(testing)
    return made[: len(wanted)] == wanted and PYTHON.exists()


def origin(testing: bool) -> list[str]:
    """This Python and the locks; the set for testing holds all of the other, so it comes after it."""
    locks = ("requirements.lock", "requirements-dev.lock")[: 2 if testing else 1]
    digests = [hashlib.sha256((ROOT / lock).read_bytes()).hexdigest() for lock in locks]
    return [str(sys.implementation.cache_tag), *digests]


def make(testing: bool, environ: Mapping[str, str]) -> None:
    import shutil

    with alone() as lock:
        if is_made(testing):
            return
        lacks_only_tools = testing and is_made(False)  # then it is added to: a hub may be running from it
        MARKER.unlink(missing_ok=True)
        if not lacks_only_tools:
            shutil.rmtree(VENV, ignore_errors=True)
        requirements = "requirements-dev.lock" if testing else "requirements.lock"
        if not any(way(requirements, environ, lock) for way in (by_uv, by_pip, by_uv_from_pip)):
            sys.exit(
                "switchboard: .venv could not be made with uv, venv or pip. With what stands above put right, start "
                "again. On Debian and Ubuntu `sudo apt install python3-venv` helps; uv: https://docs.astral.sh/uv/"
            )
        fresh = MARKER.with_suffix(".new")
        fresh.write_text("\n".join(origin(testing)))
        fresh.replace(MARKER)


def by_uv(requirements: str, environ: Mapping[str, str], lock: int, uv: str | None = None) -> bool:
    import shutil

    uv = uv or shutil.which("uv")
    if uv is None:
        return False
    say(f"making .venv from {requirements} with uv, once")
    return call(environ, lock, uv, "venv", "--quiet", "--allow-existing", "--python", BASE, str(VENV)) and call(
        environ, lock, uv, "pip", "install", "--quiet", "--python", str(PYTHON), "--require-hashes", "-r", requirements
    )


def by_pip(requirements: str, environ: Mapping[str, str], lock: int) -> bool:
    import importlib.util

    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        return False
    say(f"making .venv from {requirements} with pip, once; this takes a minute")
    options = ("--quiet", "--disable-pip-version-check", "--no-compile", "--require-hashes")
    return call(environ, lock, BASE, "-m", "venv", str(VENV)) and call(
        environ, lock, str(PYTHON), "-m", "pip", "install", *options, "-r", requirements
    )


def by_uv_from_pip(requirements: str, environ: Mapping[str, str], lock: int) -> bool:
    """Where Debian's python3-venv is missing, pip alone can still fetch uv."""
    import importlib.util

    uv = TOOLS / "bin" / f"uv{EXE}"
    if not uv.exists():
        if importlib.util.find_spec("pip") is None:
            return False
        say("this Python has no venv: getting uv into .tools")
        options = ("--quiet", "--disable-pip-version-check", "--upgrade", "--target", str(TOOLS))
        quiet = {**environ, "PIP_ROOT_USER_ACTION": "ignore"}
        if not call(quiet, lock, BASE, "-m", "pip", "install", *options, "uv"):
            return False
    return by_uv(requirements, environ, lock, str(uv))


def call(environ: Mapping[str, str], lock: int, *command: str) -> bool:
    """Run it to its end. It holds our lock as well: if we are killed, the next start waits until it is done."""
    import subprocess

    held = () if os.name == "nt" else (lock,)
    return subprocess.call(command, env=environ, cwd=ROOT, stdout=sys.stderr, pass_fds=held) == 0


@contextlib.contextmanager
def alone() -> Iterator[int]:
    """Wait until no other start is making the environment."""
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("w") as file:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("waiting for another start that is making .venv")
                fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def say(line: str) -> None:
    sys.stderr.write(f"switchboard: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        say("interrupted; the next start makes it good")
        sys.exit(130)
    except OSError as error:
        sys.exit(f"switchboard: {error}")
