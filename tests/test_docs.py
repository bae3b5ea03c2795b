"""Everything that the documentation shows works."""

import json
import re
import shlex
import sys
import textwrap
from pathlib import Path

import aiohttp
import pytest
import typer
import yaml
from aiohttp.test_utils import TestClient, TestServer
from typer.core import TyperGroup
from typer.exceptions import TyperException

import adapters
import bots
import composition
from bots._assistant.toolbox import own_tools
from config.schema import sections
from core import cli, metrics
from core.adapter import Wiring
from core.bot import BotSettings, Resources, Turn
from core.commands import COMMANDS
from core.events import Accepted, User
from core.model.models import Models
from core.model.port import ToolCall
from core.model.settings import ModelSettings
from core.server import application
from core.supervisor import Channel, State
from simulators.openai import OpenAISimulator
from simulators.openai.scripts import Script
from tests.fakes import FakeBot, NoCursors

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "knowledge").glob("*.md")])
BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^ *|`)(?:\w+=\S+ )*python3 run\.py(?: ([^`#|\n]*))?", re.MULTILINE)
"""In a block of its own, or in a sentence."""
PROGRAM = typer.main.get_command(cli.command_line(composition.program()))


def blocks(language, pages=PAGES):
    return [
        pytest.param(textwrap.dedent(found[2]), id=f"{page.name}:{found.string.count(chr(10), 0, found.start()) + 1}")
        for page in pages
        for found in BLOCK.finditer(page.read_text())
        if found[1] == language
    ]


def examples(folder):
    """The files of this folder that the pages show, by the name in their first line."""
    texts = [param.values[0] for param in blocks("python")]
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


def is_ours(text):
    """Whether this is a `hub.yaml`, and not the configuration of another program."""
    return set(yaml.safe_load(text)) & set(sections({}, {})) != set()


@pytest.mark.parametrize("text", blocks("yaml"))
def test_every_yaml_that_is_shown_loads(text, tmp_path, monkeypatch, shown_bots, shown_channel):
    if not is_ours(text):
        return
    monkeypatch.chdir(ROOT)
    (tmp_path / "hub.yaml").write_text(text)
    if "bots:" not in text:
        (tmp_path / "hub.yaml").write_text(text + "\nbots:\n  assistant: {use: echo}\n")
    assert composition.load(tmp_path / "hub.yaml")


def shown_commands():
    """Each `python3 run.py …` that a page shows, once."""
    found = {(page.name, match[1] or "") for page in PAGES for match in COMMAND.finditer(page.read_text())}
    return [pytest.param(words.strip(), id=f"{name}: {words}") for name, words in sorted(found)]


def parsed(words):
    """The commands and the options that these words name. Raises TyperException where there is no such thing."""
    command, left, path, options = PROGRAM, shlex.split(words), [], set()
    while isinstance(command, TyperGroup) and left:
        if left[0].startswith("-"):
            raise typer.BadParameter(f"an option before the command: {left[0]}")
        name, *left = left
        path.append(name)
        command = command.commands.get(name)
        if command is None:
            raise typer.BadParameter(f"there is no {' '.join(path)}")
    if "--help" not in left and not isinstance(command, TyperGroup):
        command.make_context(" ".join(path), list(left))
        options = {word for word in left if word.startswith("-") and word != "-"}
    return tuple(path), options


@pytest.mark.parametrize("words", shown_commands())
def test_every_command_that_is_shown_exists_with_its_options(words):
    if words.split()[:1] == ["test"]:  # of `run.py` itself, and pytest's options follow it
        return
    parsed(words)


@pytest.mark.parametrize("words", ["chek", "dead lst", "serve --prot 1", "trace", "dead replay --every", "export a b"])
def test_a_command_that_is_misspelt_is_noticed(words):
    with pytest.raises(TyperException):
        parsed(words)


def commands_there_are(command=PROGRAM, path=()):
    if not isinstance(command, TyperGroup):
        return [path]
    return [found for name, each in command.commands.items() for found in commands_there_are(each, (*path, name))]


@pytest.mark.parametrize("page", ["docs/operations.md", "knowledge/commands.md"])
def test_a_page_for_admins_names_every_command(page):
    text = (ROOT / page).read_text()
    missing = {" ".join(path) for path in commands_there_are() if f"{' '.join(path)}" not in text}
    assert missing == set()


def test_every_platform_bot_and_command_is_described():
    everything = "\n".join(page.read_text() for page in PAGES)
    configuration = (ROOT / "docs/configuration.md").read_text()
    for name in adapters.PLATFORMS:
        assert f"### `platform: {name}`" in configuration
    for name in bots.names():
        assert f"### `use: {name}`" in configuration
    for command in COMMANDS:
        for page in ("docs/conversations.md", "knowledge/commands.md"):
            assert f"`/{command.name}" in (ROOT / page).read_text(), f"/{command.name} in {page}"
    for path in commands_there_are():
        assert f"run.py {' '.join(path)}" in everything


def test_every_metric_is_described_with_its_labels():
    page = (ROOT / "docs/operations.md").read_text()
    for name, metric in metrics.TABLE.items():
        assert f"| `switchboard_{name}` | {', '.join(metric.labels)} |".replace("|  |", "| |") in page


def test_the_index_leads_to_every_page():
    index = (ROOT / "docs/README.md").read_text()
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {name for name in pages if f"]({name})" not in index} == set()


def anchors(page):
    """Where links into a page may lead, as GitHub names its headings."""
    titles = re.findall(r"^#+ (.*)$", re.sub(BLOCK, "", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target, place in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", BLOCK.sub("", page.read_text())):
            to = (page.parent / target).resolve() if target else page
            assert to.exists(), f"{page.name} -> {target}"
            assert not place or place in anchors(to), f"{page.name} -> {target}#{place}"


@pytest.mark.parametrize(
    ("name", "answer"), [("reverse", ["cba", "Shall I do it again?"]), ("shout", ["What shall I shout?", "**ABC!**"])]
)
async def test_the_bots_that_are_shown_answer(shown_bots, name, answer):
    bot = bots.bot_type(name)(BotSettings(use=name))
    turn = Turn("abc", User("u"), "c", "c/r", True)
    assert [getattr(piece, "text", piece) async for piece in bot.respond(turn)] == answer


async def test_the_bot_that_is_shown_asks_a_model_and_tells_what_it_took(shown_bots):
    kind = bots.bot_type("translator")
    async with OpenAISimulator() as server:
        priced = ModelSettings(base_url=server.url, api_key=server.api_key, name="m", price_input=1, price_output=1)
        models = Models({"default": priced})
        await models.open()
        bot = kind(kind.settings_type(use="translator"), Resources(models.chains()))
        server.script.append(Script("bonjour"))
        turn = Turn("hello", User("u"), "c", "c/r", True)
        said = "".join([piece async for piece in bot.respond(turn)])
        await models.close()
    assert said == "bonjour"
    assert turn.usage[0].cost > 0
    assert bot.most(turn) > turn.usage[0].cost


@pytest.mark.parametrize(
    ("file", "call", "said"),
    [
        ("tools/shop.py", ToolCall("1", "price", '{"pizza": "Funghi"}'), "9.50"),
        ("tools/stock.py", ToolCall("1", "in_stock", '{"article": "teapot"}'), "3"),
    ],
)
async def test_the_tools_that_are_shown_run(tmp_path, file, call, said):
    path = tmp_path / "shown.py"
    path.write_text(examples("tools")[file])
    tools = own_tools([], [str(path)], None)[str(path)]
    assert said in (await tools.run(call)).text


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_each_heading_once(page):
    found = re.findall(r"^#+ .*", BLOCK.sub("", page.read_text()), re.MULTILINE)
    assert sorted(found) == sorted(set(found))
