"""Everything that the documentation shows works."""

import json
import re
import sys
import textwrap
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from typer.testing import CliRunner

import adapters
import bots
import composition
from core import cli
from core.adapter import Wiring
from core.bot import BotSettings, Turn
from core.commands import COMMANDS
from core.events import Accepted, User
from core.server import application
from core.supervisor import Channel, State
from tests.fakes import FakeBot, NoCursors

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "knowledge").glob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language, pages=PAGES):
    return [
        pytest.param(text, id=f"{page.name}:{page.read_text().count(chr(10), 0, page.read_text().find(text)) + 1}")
        for page in pages
        for kind, text in BLOCK.findall(page.read_text())
        if kind == language
    ]


def examples(folder):
    """The files of this folder that the pages show, by the name in their first line."""
    texts = [text for page in PAGES for kind, text in BLOCK.findall(page.read_text()) if kind == "python"]
    named = [(re.match(rf"# ({folder}/\S+\.py)\n", text), text) for text in texts]
    return {match[1]: text for match, text in named if match}


@pytest.fixture
def shown_bots(tmp_path, monkeypatch):
    """The bots that the pages show, as if their files lay in `bots/`."""
    for name, text in examples("bots").items():
        (tmp_path / Path(name).name).write_text(text)
    monkeypatch.setattr(bots, "__path__", [*bots.__path__, str(tmp_path)])
    yield
    for name in examples("bots"):
        sys.modules.pop(f"bots.{Path(name).stem}", None)


@pytest.fixture
def shown_channel(tmp_path, monkeypatch):
    """The channel of `docs/channels.md`, as if its folder lay in `adapters/`."""
    for name, text in examples("adapters").items():
        file = tmp_path / Path(name).relative_to("adapters")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    line = re.search(r'"plain": \((.*?), (.*?)\)', (ROOT / "docs/channels.md").read_text())
    monkeypatch.setitem(adapters.PLATFORMS, "plain", tuple(json.loads(part) for part in line.groups()))
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(tmp_path)])
    yield
    for module in [name for name in sys.modules if name.startswith("adapters.plain")]:
        del sys.modules[module]


@pytest.mark.parametrize("text", blocks("yaml"))
def test_every_yaml_that_is_shown_loads(text, tmp_path, monkeypatch, shown_bots, shown_channel):
    monkeypatch.chdir(ROOT)
    (tmp_path / "hub.yaml").write_text(text)
    if "bots:" not in text:
        (tmp_path / "hub.yaml").write_text(text + "\nbots:\n  assistant: {use: echo}\n")
    assert composition.load(tmp_path / "hub.yaml")


@pytest.mark.parametrize("text", blocks("sh"))
def test_every_command_that_is_shown_exists(text):
    commands = re.findall(r"^(?:\w+=\S+ )*python3 run\.py ?([\w-]*) ?([\w-]*)", text, re.MULTILINE)
    for command, second in commands:
        if command in ("", "test"):
            continue
        arguments = [command, second, "--help"] if command == "dead" and second else [command, "--help"]
        result = CliRunner().invoke(cli.command_line(composition.program()), arguments)
        assert result.exit_code == 0, result.output


def test_every_platform_bot_and_command_is_described():
    everything = "\n".join(page.read_text() for page in PAGES)
    configuration = (ROOT / "docs/configuration.md").read_text()
    for name in adapters.PLATFORMS:
        assert f"### `platform: {name}`" in configuration
    for name in bots.names():
        assert f"### `use: {name}`" in configuration
    for command in COMMANDS:
        assert f"/{command.name}" in everything
    for name in cli.command_line(composition.program()).registered_commands:
        assert f"run.py {name.name or name.callback.__name__}" in everything or name.name == "serve"


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"


@pytest.mark.parametrize(
    ("name", "answer"), [("reverse", ["cba", "Shall I do it again?"]), ("shout", ["What shall I shout?", "**ABC!**"])]
)
async def test_the_bots_that_are_shown_answer(shown_bots, name, answer):
    bot = bots.bot_type(name)(BotSettings(use=name))
    turn = Turn("abc", User("u"), "c", "c/r", True)
    assert [getattr(piece, "text", piece) async for piece in bot.respond(turn)] == answer


@pytest.mark.parametrize("text", blocks("python"))
def test_all_python_that_is_shown_can_be_read(text):
    assert compile(textwrap.dedent(text).removesuffix(","), "shown", "exec")


async def test_the_channel_that_is_shown_takes_a_signed_message_and_sends_the_answer(shown_channel):
    import hashlib
    import hmac

    from aiohttp import web

    taken, sent = [], []

    async def inbox(event):
        taken.append(event)
        return Accepted.NEW

    async def platform(request):
        sent.append(await request.json())
        return web.json_response({"id": "m1"})

    outside = web.Application()
    outside.router.add_post("/messages", platform)
    async with TestServer(outside) as there, aiohttp.ClientSession() as http:
        settings = adapters.settings_types()["plain"](
            platform="plain", api_url=str(there.make_url("/messages")), secret="k"
        )
        adapter = adapters.adapter_type("plain")(settings, Wiring("my", inbox, http, "http://hub", NoCursors()))
        await adapter.start()
        channel = Channel("my", settings, FakeBot(), lambda: adapter, state=State.RUNNING, adapter=adapter)

        async def report():
            return True, {}

        async with TestClient(TestServer(application({"my": channel}, report))) as client:
            message = {"type": "message", "id": 1, "room": "r", "thread": "t", "user": "u", "text": "@hub hi"}
            body = json.dumps(message)
            signature = hmac.new(b"k", body.encode(), hashlib.sha256).hexdigest()
            good = await client.post("/webhooks/my", data=body, headers={"X-Signature": signature})
            forged = await client.post("/webhooks/my", data=body, headers={"X-Signature": "0" * 64})
        assert (good.status, forged.status, len(taken)) == (200, 401, 1)
        from core.events import Part

        await adapter.send(taken[0].address, Part("**hello**"), "key")
        assert sent == [{"room": "r", "thread": "t", "text": "*hello*", "key": "key"}]
