"""`run.py` makes its environment on a machine that has nothing but Python, and never a wrong one."""

import ast
import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

RUN = Path(__file__).parents[1] / "run.py"
PYTHON = sys._base_executable
TOOLS = ("ruff", "mypy", "lint-imports", "pytest")
COMPOSITION = """
import json, os, sys, tiny
print(json.dumps([tiny.VERSION, sys.prefix, sys.argv[1:], os.environ.get("PYTHONPATH"), os.environ.get("VIRTUAL_ENV")]))
"""
WITHOUT_VENV = "import runpy, sys; sys.modules['ensurepip'] = None; runpy.run_path('run.py', run_name='__main__')"


def wheel(folder: Path, version: str) -> str:
    """A package with one module and stand-ins for the tools; returns the line that locks it."""
    commands = "\n".join(f"{name} = tiny:tool" for name in TOOLS)
    files = {
        "tiny.py": f"import os, sys\nVERSION = '{version}'\n\n\ndef tool():\n"
        "    name = os.path.basename(sys.argv[0])\n    print(name, *sys.argv[1:], flush=True)\n"
        "    return 3 if os.environ.get('FAILING') == name else 0\n",
        f"tiny-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"tiny-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"tiny-{version}.dist-info/entry_points.txt": f"[console_scripts]\n{commands}\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},\n"
        for name, text in files.items()
    )
    path = folder / f"tiny-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, f"tiny-{version}.dist-info/RECORD": record}.items():
            archive.writestr(name, text)
    return f"tiny=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


class Checkout:
    """A copy of `run.py` with a small lock, on a machine with an empty home and an empty PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("home", "path", "wheels"):
            (folder / name).mkdir()
        (folder / "run.py").write_bytes(RUN.read_bytes())
        (folder / "composition.py").write_text(COMPOSITION)
        self.lock("1.0")

    def lock(self, version: str) -> None:
        lines = f"--no-index\n--find-links {self.folder / 'wheels'}\n" + wheel(self.folder / "wheels", version)
        (self.folder / "requirements.lock").write_text(lines)
        (self.folder / "requirements-dev.lock").write_text(lines + "# and the tools\n")

    def start(self, *arguments: str, python: tuple[str, ...] = ("run.py",), **environ: str) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "LD_"))}
        environ = {**kept, "HOME": str(self.folder / "home"), "PATH": str(self.folder / "path"), **environ}
        return subprocess.Popen(
            [PYTHON, *python, *arguments],
            cwd=self.folder,
            env=environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A suite that runs in the background has it ignored, and so would all its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments: str, **more) -> tuple[list[str], str]:
        """What the hub says, as its composition sees the world, and what was told on the way."""
        process = self.start(*arguments, **more)
        out, err = process.communicate()
        assert process.returncode == 0, err
        return json.loads(out), err


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture(scope="module")
def with_uv(tmp_path_factory) -> Checkout:
    """A checkout on a machine whose Python has no venv: it has fetched uv for itself."""
    checkout = Checkout(tmp_path_factory.mktemp("with-uv"))
    process = checkout.start(python=("-c", WITHOUT_VENV))
    out, err = process.communicate()
    if "No matching distribution found for uv" in err:
        pytest.skip("no package index can be reached to fetch uv from")
    assert process.returncode == 0, err
    assert json.loads(out)[0] == "1.0"
    assert "getting uv into .tools" in err
    (checkout.folder / "path/uv").symlink_to(checkout.folder / ".tools/bin/uv")
    return checkout


def test_an_old_python_says_in_one_line_what_is_needed(checkout):
    ast.parse(RUN.read_text(), feature_version=(3, 8))
    old = "import runpy, sys; sys.version_info = (3, 9, 18); runpy.run_path('run.py', run_name='__main__')"
    process = checkout.start(python=("-c", old))
    assert process.communicate()[1] == (
        f"Switchboard needs Python 3.11 or newer, and {PYTHON} is 3.9.18: install a newer one and start with it, as in "
        "`python3.11 run.py`.\n"
    )
    assert process.returncode == 1


def test_an_interrupted_start_is_made_good_by_the_next_and_then_used_again(checkout):
    stuck = checkout.folder / "path/uv"
    stuck.write_text("#!/bin/sh\n/bin/mkdir -p .venv/bin\n: > .venv/bin/python\nexec /bin/sleep 60\n")
    stuck.chmod(0o755)
    process = checkout.start()
    while not (checkout.folder / ".venv/bin/python").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert "interrupted" in process.communicate()[1]
    assert process.returncode == 130

    stuck.unlink()
    said, told = checkout.run("serve", "--port", "0", PYTHONPATH="/nowhere", VIRTUAL_ENV="/nowhere")
    assert said == ["1.0", str(checkout.folder / ".venv"), ["serve", "--port", "0"], None, None]
    assert told == "switchboard: making .venv from requirements.lock with pip, once; this takes a minute\n"
    assert checkout.run()[1] == ""


def test_another_lock_makes_another_environment_once_even_for_two_starts(with_uv):
    with_uv.lock("2.0")
    both = [with_uv.start() for _ in range(2)]
    outputs = [process.communicate() for process in both]
    assert [json.loads(out)[0] for out, _ in outputs] == ["2.0", "2.0"]
    assert "".join(err for _, err in outputs).count("making .venv from requirements.lock with uv, once") == 1


def test_an_environment_whose_python_is_gone_is_made_again(with_uv):
    with_uv.run()
    (with_uv.folder / ".venv/bin/python").unlink()
    assert "making .venv" in with_uv.run()[1]


def test_the_checks_run_in_order_in_an_environment_that_the_hub_can_use_too(with_uv):
    out, err = with_uv.start("test", "-k", "one").communicate()
    assert out.splitlines() == ["ruff check .", "ruff format --check .", "mypy", "lint-imports", "pytest -k one"]
    assert "making .venv from requirements-dev.lock" in err
    assert with_uv.run()[1] == ""


def test_the_first_check_that_fails_ends_the_test_with_its_code(with_uv):
    process = with_uv.start("test", FAILING="mypy")
    out, err = process.communicate()
    assert (process.returncode, out.splitlines()[-1]) == (3, "mypy")
    assert err.endswith("switchboard: mypy failed (exit code 3)\n")


def test_a_lock_that_cannot_be_installed_leaves_no_environment_that_looks_whole(with_uv):
    good = (with_uv.folder / "requirements.lock").read_text()
    (with_uv.folder / "requirements.lock").write_text(re.sub("sha256:.*", f"sha256:{'0' * 64}", good))
    process = with_uv.start(python=("-c", WITHOUT_VENV))
    err = process.communicate()[1]
    assert process.returncode == 1
    assert "switchboard: .venv could not be made" in err
    (with_uv.folder / "requirements.lock").write_text(good)
    assert "making .venv" in with_uv.run()[1]
