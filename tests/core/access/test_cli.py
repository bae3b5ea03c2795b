from concurrent.futures import ThreadPoolExecutor

import pytest
from typer.testing import CliRunner

import composition
from core.access.pairing import Pairing
from core.cli.access import commands
from core.engine.engine import Engine
from core.engine.store import connect
from core.errors import HubError

FILE = """\
hub: {var: %s, redis_url: "%s", playground: false}
channels: {desk: {platform: console}, door: {platform: console}}
bots: {assistant: {use: echo}}
"""


@pytest.fixture
def file(tmp_path, store):
    (tmp_path / "hub.yaml").write_text(FILE % (tmp_path / "var", f"unix://{store.socket}"))
    return tmp_path / "hub.yaml"


@pytest.fixture
def run(file):
    """Runs a command, in a thread because it has a loop of its own; gives what it printed."""

    def run(*words):
        with ThreadPoolExecutor() as pool:
            group = commands(composition.load, file)
            result = pool.submit(CliRunner().invoke, group, [*words, "--config", str(file)]).result()
        if result.exception:
            raise result.exception
        return result.output.splitlines()

    return run


async def test_an_admin_lists_approves_and_revokes(run, store):
    async with connect(f"unix://{store.socket}") as client:
        await client.flushdb()
        engine = Engine(client)
        pairing = Pairing(engine)
        assert run("list") == ["nobody was let in, and nobody waits"]
        code = await pairing.look("door", "U7", name="Ben\nx", event="e1", may_ask=True)
        (line,) = run("list")
        assert line.split("  ")[0] == code
        assert line.split("  ")[2:] == ["door", "U7", "Ben x"]
        assert run("approve", code.lower()) == ["let in: U7 in door"]
        assert await pairing.look("door", "U7") is True
        assert run("list")[0].startswith("let in ")
        assert run("revoke", "U7") == ["put out: U7 from door"]
        assert await pairing.look("door", "U7") is False
        await engine.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("approve", "ABCD2345"), "the code ABCD2345 is not open"),
        (("revoke", "U7"), "U7 was not let in anywhere"),
        (("revoke", "U7", "--channel", "attic"), "there is no channel attic"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(run, words, said):
    with pytest.raises(HubError, match=said):
        run(*words)
