"""`export` and `erase`, as an admin types them."""

import asyncio
import json
from types import SimpleNamespace

import pytest
import typer
from pydantic import SecretStr
from typer.testing import CliRunner

from core.archive.opening import open_archive
from core.archive.record import Entry, Kept, Said
from core.bot import Remembered
from core.cli import people
from core.engine.engine import Engine
from core.engine.store import connect
from core.pseudonym import Pseudonyms, key
from tests.core.archive.turns import encoded


@pytest.fixture
def config(tmp_path, store):
    hub = SimpleNamespace(
        var=tmp_path / "var",
        redis_url=SecretStr(f"unix://{store.socket}"),
        database_url=SecretStr(""),
        pseudonym_key=SecretStr(""),
    )
    return SimpleNamespace(hub=hub, channels={"desk": SimpleNamespace(platform="p")})


@pytest.fixture
def run(config, tmp_path):
    def run(*words, **more):
        app = typer.Typer()
        people.add(app, lambda _path: config, tmp_path / "hub.yaml")
        return CliRunner().invoke(app, words, **more)

    return run


@pytest.fixture
def talked(config, store):
    """Ann was archived, and is in a session."""
    kept = Kept(
        "desk/dm", "s", "desk", "echo", "p:ann", 1.0, messages=(Said("user", "archived", "p:ann"),), direct=True
    )

    async def talk():
        async with (
            open_archive("", config.hub.var, Pseudonyms(key(config.hub.var, config.hub.pseudonym_key)).of) as archive,
            connect(f"unix://{store.socket}") as client,
        ):
            await client.flushdb()
            await archive.add([Entry("1", 1.0, kept)])
            engine = Engine(client)
            record = encoded(Remembered("user", "in the session", "Ann", "p:ann"))
            await engine.command("RPUSH", engine.shards[0].sess + "desk/dm", record)
            await engine.close()

    asyncio.run(talk())


def test_an_export_is_json_that_holds_everything(run, talked):
    result = run("export", "p:ann")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["accounts"] == ["p:ann"]
    assert found["turns"][0]["messages"][0]["text"] == "archived"
    assert found["live"][0]["session"][0]["text"] == "in the session"
    assert "in the logs: p-" in result.stderr


def test_an_export_to_a_file_is_for_nobody_else_to_read(run, talked, tmp_path):
    result = run("export", "p:ann", "-o", str(tmp_path / "ann.json"))
    assert "1 turns, 1 live conversations" in result.stdout
    assert (tmp_path / "ann.json").stat().st_mode & 0o077 == 0


def test_erasing_says_what_went_and_how_the_logs_name_them(run, talked, config):
    result = run("erase", "p:ann", "--yes")
    assert result.exit_code == 0, result.output
    names = Pseudonyms(key(config.hub.var, config.hub.pseudonym_key))
    assert "1 archived turns" in result.stdout
    assert "1 messages" in result.stdout
    assert result.stdout.endswith(f"in the logs: {names.of('p:ann')} {names.conversation('desk/dm')}\n")
    assert "nothing is kept of p:ann" in run("erase", "p:ann", "--yes").stdout
    assert json.loads(run("export", "p:ann").stdout)["turns"] == []


def test_erasing_asks_first(run, talked):
    assert run("erase", "p:ann", input="n\n").exit_code == 1
    assert json.loads(run("export", "p:ann").stdout)["turns"]


def test_linked_accounts_go_together(run, talked, config, tmp_path):
    class Linked(people.Alone):
        async def accounts(self, account):
            return {"p:ann", "q:anna"}

    app = typer.Typer()
    people.add(app, lambda _path: config, tmp_path / "hub.yaml", lambda _engine: Linked())
    assert "erased: p:ann, q:anna" in CliRunner().invoke(app, ["erase", "q:anna", "--yes"]).stdout


@pytest.mark.parametrize("person", ["ann", "p:", ":ann"])
def test_a_name_that_is_no_account_is_refused(run, person):
    assert run("export", person).exit_code == 2
