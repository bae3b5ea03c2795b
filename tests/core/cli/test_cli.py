import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import composition
from core import cli
from core.engine.dead import DeadLetters
from core.engine.engine import Engine
from core.engine.store import connect
from core.errors import ConfigError, HubError

ROOT = Path(__file__).parents[3]
GOOD = """\
hub: {var: %s, redis_url: "%s", playground: false}
channels:
  desk: {platform: telegram, bot_token: "1:not-a-real-token"}
  off: {platform: slack, enabled: false}
bots: {assistant: {use: echo}}
"""


@pytest.fixture
def file(tmp_path, store):
    (tmp_path / "hub.yaml").write_text(GOOD % (tmp_path / "var", f"unix://{store.socket}"))
    return tmp_path / "hub.yaml"


@pytest.fixture
def run(file):
    """Runs a command on the file; gives its output."""

    def run(*words):
        return CliRunner().invoke(cli.command_line(composition.program()), [*words, "--config", str(file)])

    return run


def process(*words):
    command = [sys.executable, "-m", "composition", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_check_says_that_a_good_file_is_right(run):
    assert run("check").output.endswith("is right: 2 channels, 1 bots.\n")


def test_a_wrong_file_ends_in_its_faults_alone(file):
    file.write_text(file.read_text().replace("platform: telegram", "platfrom: telegram"))
    result = process("check", "--config", str(file))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "hub.yaml:3:10 channels.desk.platfrom: there is no such key, did you mean 'platform'?" in result.stderr


def test_the_schema_that_ships_is_the_schema_of_the_code(tmp_path):
    result = CliRunner().invoke(cli.command_line(composition.program()), ["schema", "-o", str(tmp_path / "s.json")])
    assert result.exit_code == 0
    assert json.loads((tmp_path / "s.json").read_text()) == json.loads((ROOT / "config/schema.json").read_text())


@pytest.mark.parametrize("words", [("-h",), ("--help",)])
def test_help_names_the_commands_and_how_to_check_everything(words):
    result = CliRunner().invoke(cli.command_line(composition.program()), words)
    assert result.exit_code == 0
    assert "reload" in result.output
    assert "run.py test" in result.output


def test_a_bench_of_nobody_is_refused():
    result = CliRunner().invoke(cli.command_line(composition.program()), ["bench", "--users", "0"])
    assert result.exit_code == 2


def test_reload_without_a_hub_says_how_to_start_one(run):
    result = run("reload", "--dry-run")
    assert isinstance(result.exception, HubError)
    assert "python3 run.py" in str(result.exception)


async def test_dead_letters_are_listed_replayed_and_dropped(run, store):
    async with connect(f"unix://{store.socket}") as client:
        await client.flushdb()
        engine = Engine(client)
        for n in range(3):
            await engine.accept("c/r", b"{}", [f"cli-{n}"])
            (claim,) = (await engine.claim("w", 1)).claims
            await engine.fail(claim, "dead", reason=f"reason {n}")
        lines = run_in_thread(run, "dead", "list")
        assert [line.split("  ")[2:] for line in lines] == [["c/r", f"reason {n}"] for n in (2, 1, 0)]
        ids = [line.split("  ")[0] for line in lines]
        assert run_in_thread(run, "dead", "replay", ids[0]) == [f"replay: {ids[0]}"]
        assert run_in_thread(run, "dead", "drop", ids[0]) == [f"there is no {ids[0]}"]
        assert len(run_in_thread(run, "dead", "drop", "--all")) == 2
        assert run_in_thread(run, "dead", "list") == ["nothing is dead"]
        assert run_in_thread(run, "dead", "replay", "--all") == ["nothing is dead"]
        assert await DeadLetters(engine).list() == []
        assert (await engine.stats()).in_flight == 1
        await engine.close()


def run_in_thread(run, *words):
    """Commands have a loop of their own."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as pool:
        result = pool.submit(run, *words).result()
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def test_chat_answers_what_is_typed_and_ends_with_the_input(file):
    command = [sys.executable, "-m", "composition", "chat", "--config", str(file)]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, input="hello\n/help\n"
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("hello\n")
    assert "/reset" in result.stdout


def test_chat_tells_somebody_at_a_terminal_that_they_may_type(file):
    ours, terminal = os.openpty()
    command = [sys.executable, "-m", "composition", "chat", "--config", str(file)]
    chat = subprocess.Popen(command, cwd=ROOT, stdin=terminal, stdout=subprocess.PIPE, text=True)
    os.close(terminal)
    assert (
        chat.stdout.readline() == "You are talking with the bot assistant. /help says what it knows, Ctrl+D ends it.\n"
    )
    os.write(ours, b"hello\n\x04")
    out, _ = chat.communicate(timeout=60)
    os.close(ours)
    assert (chat.returncode, out) == (0, "hello\n")


def test_chat_with_a_bot_that_is_not_there_names_those_that_are(run):
    result = run("chat", "--bot", "nobody")
    assert isinstance(result.exception, ConfigError)
    assert result.exception.faults == ["there is no bot 'nobody'; the file has assistant"]


def test_a_broken_bot_file_is_named_in_one_line(tmp_path, monkeypatch):
    import bots

    (tmp_path / "broken.py").write_text("def respond(:\n")
    monkeypatch.setattr(bots, "__path__", [str(tmp_path)])
    with pytest.raises(ConfigError) as caught:
        bots.bot_type("broken")
    assert caught.value.faults[0].startswith("bots/broken.py: SyntaxError")


@pytest.mark.parametrize("url", ["redis://localhost:abc", "redis://:hunter22/word@127.0.0.1:6379"])
def test_an_address_of_the_store_that_is_none_is_said_in_one_line_without_its_password(file, url):
    file.write_text(file.read_text().replace('redis_url: "unix://', f'redis_url: "{url}", log_level: "info"}}\n#'))
    result = process("dead", "list", "--config", str(file))
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "REDIS_URL is no address" in result.stderr
    assert "hunter22" not in result.stderr
