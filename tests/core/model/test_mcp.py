"""MCP servers, real ones: over standard input and output and over HTTP, well-behaved and not."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import mcp_types
import psutil
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from mcp.server import MCPServer, Server
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.utilities.types import Image
from pydantic import SecretStr, ValidationError

from core.errors import ConfigError
from core.model import mcp, mcp_words
from core.model.mcp import MCPPace, MCPServers, MCPSettings
from core.model.port import ToolCall

OLD = (sys.executable, str(Path(__file__).with_name("old_mcp_server.py")))
PACE = MCPPace(first_retry=0.01, longest_retry=0.05, look_every=0.1, look_limit=2, gather=0.01, settle=20)
READS = mcp_types.ToolAnnotations(read_only_hint=True)


@contextlib.asynccontextmanager
async def opened(pace: MCPPace = PACE, **settings: MCPSettings) -> AsyncIterator[MCPServers]:
    servers = MCPServers(settings, pace=pace)
    await servers.start()
    try:
        yield servers
    finally:
        await servers.stop()


async def said(servers: MCPServers, name: str, arguments: str = "{}", *, agreed: bool = False) -> str:
    return (await servers.tools.run(ToolCall("1", name, arguments), agreed=agreed)).text


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


class _Quiet(uvicorn.Server):
    def capture_signals(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


@contextlib.asynccontextmanager
async def served(server: MCPServer | Server, port: int = 0) -> AsyncIterator[str]:
    """The server over streamable HTTP."""
    listening = socket.create_server(("127.0.0.1", port))
    port = listening.getsockname()[1]
    config = uvicorn.Config(server.streamable_http_app(), log_config=None, timeout_graceful_shutdown=1, ws="none")
    http = _Quiet(config)
    task = asyncio.create_task(http.serve(sockets=[listening]))
    await until(lambda: http.started)
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        http.should_exit = True
        await task
        listening.close()


def library() -> MCPServer:
    server = MCPServer("library")

    @server.tool(annotations=READS)
    def find(title: str, copies: int = 1) -> str:
        """Find a book."""
        return f"{copies} × {title}"

    @server.tool()
    def lend(title: str) -> str:
        """Lend a book."""
        return f"{title} is lent"

    @server.tool(annotations=READS)
    def cover() -> Image:
        """The picture on it."""
        return Image(data=b"x" * 3000, format="png")

    @server.tool(annotations=READS)
    def fails() -> str:
        """Never works."""
        raise ToolError("the shelf is empty")

    @server.tool(annotations=READS)
    async def grow(ctx: Context) -> str:
        """Learn something new."""
        server.add_tool(find, name="find_again", annotations=READS)
        await ctx.notify_tools_changed()
        return "grown"

    return server


STDIO = """
from mcp.server import MCPServer
server = MCPServer("sums")
@server.tool()
def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b
server.run()
"""


async def test_a_server_that_is_a_program_of_its_own_answers():
    settings = MCPSettings(command=(sys.executable, "-c", STDIO), confirm="none")
    async with opened(sums=settings) as servers:
        (spec,) = servers.tools.specs
        assert (spec.name, spec.description) == ("sums__add", "Add two numbers.")
        assert set(spec.parameters["properties"]) == {"a", "b"}
        assert await said(servers, "sums__add", '{"a": 2, "b": 3}') == "5"
        assert servers.health() == {"sums": {"state": "running", "tools": 1, "last_error": ""}}


async def test_a_server_over_http_answers():
    async with served(library()) as url, opened(books=MCPSettings(url=url)) as servers:
        assert await said(servers, "books__find", '{"title": "Emma"}') == "1 × Emma"
        assert await said(servers, "books__fails") == "error: Error executing tool fails: the shelf is empty"
        assert await said(servers, "books__cover") == "[image: image/png, 2 KB]"
        assert "copies" in await said(servers, "books__find", '{"title": "Emma", "copies": "many"}')


async def test_what_may_change_something_needs_the_users_consent():
    async with served(library()) as url, opened(books=MCPSettings(url=url)) as servers:
        assert await said(servers, "books__lend", '{"title": "Emma"}') == "error: this needs the user's consent"
        assert await said(servers, "books__lend", '{"title": "Emma"}', agreed=True) == "Emma is lent"


@pytest.mark.parametrize(("confirm", "asked"), [("all", 7), ("writes", 1), ("none", 0)])
async def test_the_file_says_which_tools_need_consent(confirm, asked):
    async with opened(old=MCPSettings(command=OLD, confirm=confirm)) as servers:
        tools = [servers.tools.get(name) for name in servers.tools.names]
        assert sum(tool.confirm for tool in tools) == asked


async def test_only_the_tools_that_the_file_allows_are_there():
    async with opened(old=MCPSettings(command=OLD, tools=("say", "nothing such"))) as servers:
        assert servers.tools.names == ("old__say",)
        assert await said(servers, "old__write", agreed=True) == (
            "error: there is no tool called old__write; there are: old__say"
        )


async def test_headers_reach_the_server(monkeypatch):
    seen = []
    server = library()
    make = server.streamable_http_app

    def app():
        inner = make()

        async def looked_at(scope, receive, send):
            seen.append(dict(scope.get("headers", ())).get(b"authorization"))
            await inner(scope, receive, send)

        return looked_at

    monkeypatch.setattr(server, "streamable_http_app", app)
    headers = {"Authorization": SecretStr("Bearer not-a-real-token")}
    async with served(server) as url, opened(books=MCPSettings(url=url, headers=headers)) as servers:
        await said(servers, "books__find", '{"title": "Emma"}')
    assert set(seen) - {None} == {b"Bearer not-a-real-token"}


async def test_no_secret_of_ours_reaches_a_program(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-key")
    monkeypatch.setenv("DATABASE_URL", "not-a-real-url")
    settings = MCPSettings(command=OLD, env={"ITS_OWN": SecretStr("not-a-real-secret")})
    async with opened(old=settings) as servers:
        names = set((await said(servers, "old__environment")).split())
    assert "ITS_OWN" in names
    assert names <= {"ITS_OWN", "HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LC_CTYPE"}


async def test_a_program_that_dies_in_mid_call_is_started_again():
    async with opened(old=MCPSettings(command=OLD)) as servers:
        assert await said(servers, "old__die") == "error: the server old failed: Connection closed"
        await until(lambda: not servers.tools)
        await until(lambda: bool(servers.tools))
        assert await said(servers, "old__say", '{"text": "back"}') == "back"


async def test_a_call_of_a_server_that_went_away_says_so():
    async with opened(old=MCPSettings(command=OLD)) as servers:
        before = servers.tools
    answer = await before.run(ToolCall("1", "old__say", "{}"))
    assert answer.text == "error: the server old is away"


async def test_a_tool_that_hangs_is_given_up_and_the_next_call_answers():
    async with opened(old=MCPSettings(command=OLD, limit=0.05)) as servers:
        assert await said(servers, "old__hang") == "error: no result within 0.05 s"
        await until(lambda: bool(servers.tools))
        tool = servers.tools.get("old__say")
        assert await tool.run({"text": "still here"}) == "still here"


async def test_a_result_that_is_not_as_declared_is_an_error():
    async with opened(old=MCPSettings(command=OLD)) as servers:
        assert await said(servers, "old__lie") == "error: the server old gave a result that is not as it declares"
        assert await said(servers, "old__say", '{"text": "fine"}') == "fine"


def programs() -> int:
    """Servers that we started and that are still there."""
    running = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return sum(OLD[1] in " ".join(child.cmdline()) for child in running)


async def test_no_program_is_left_behind():
    async with opened(one=MCPSettings(command=OLD), two=MCPSettings(command=OLD)) as servers:
        assert programs() == 2
        hanging = asyncio.create_task(said(servers, "one__hang"))
        await asyncio.sleep(0)
    assert programs() == 0
    assert (await hanging).startswith("error: the server one ")


SLOW_LOOK = MCPPace(first_retry=0.01, longest_retry=0.05, look_every=600, look_limit=5, gather=0.01, settle=20)


async def test_a_list_that_changes_is_followed_and_consent_is_not_lost_by_it():
    async with opened(SLOW_LOOK, old=MCPSettings(command=OLD)) as servers:
        assert servers.tools.get("old__grown") is None
        await said(servers, "old__grow")
        await until(lambda: servers.tools.get("old__grown") is not None)
        assert servers.tools.get("old__write").confirm, "it said only later that it changes nothing"


async def test_a_change_is_heard_over_http_too():
    async with served(library()) as url, opened(SLOW_LOOK, books=MCPSettings(url=url)) as servers:
        await said(servers, "books__grow")
        await until(lambda: servers.tools.get("books__find_again") is not None)


async def test_a_server_over_http_may_go_and_come_back():
    pace = MCPPace(first_retry=0.01, longest_retry=0.05, look_every=0.1, look_limit=0.5, gather=0.01, settle=20)
    async with contextlib.AsyncExitStack() as stack:
        async with served(library()) as url:
            servers = await stack.enter_async_context(opened(pace, books=MCPSettings(url=url)))
            assert servers.tools
        await until(lambda: not servers.tools)
        assert servers.health()["books"]["state"] == "away"
        async with served(library(), int(url.split(":")[2].split("/")[0])):
            await until(lambda: bool(servers.tools))
            assert await said(servers, "books__find", '{"title": "Emma"}') == "1 × Emma"
            await servers.stop()


async def test_one_server_that_is_away_keeps_none_of_the_others_from_working():
    nobody = MCPSettings(url="http://127.0.0.1:9/mcp")
    missing = MCPSettings(command=("no-such-program-anywhere",))
    broken = MCPSettings(command=(*OLD, "broken"))
    async with opened(nobody=nobody, missing=missing, broken=broken, old=MCPSettings(command=OLD)) as servers:
        assert {name: health["state"] for name, health in servers.health().items()} == {
            "nobody": "away",
            "missing": "away",
            "broken": "away",
            "old": "running",
        }
        (detail,) = (server.detail for server in servers._servers if server.name == "broken")
        assert detail.endswith("no licence key")
        errors = {name: health["last_error"] for name, health in servers.health().items()}
        assert errors.pop("missing") == "FileNotFoundError: see the log"
        assert errors.pop("old") == ""
        assert not [word for error in errors.values() for word in ("127.0.0.1", "licence") if word in error]
        assert await said(servers, "old__say", '{"text": "here"}') == "here"


def liar(tools: list[mcp_types.Tool]) -> Server:
    async def list_tools(context, params):
        return mcp_types.ListToolsResult(tools=tools)

    return Server("liar", on_list_tools=list_tools)


async def test_tools_with_bad_schemas_are_left_out_and_the_others_stay():
    bad = [
        {"type": "object", "properties": 7},
        {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/other.json"}}},
        {"type": "object", "description": "x" * 30_000},
    ]
    tools = [mcp_types.Tool(name=f"bad{number}", input_schema=schema) for number, schema in enumerate(bad)]
    tools += [mcp_types.Tool(name="good", input_schema={"type": "object"})] * 2
    tools += [mcp_types.Tool(name=f"more{number}", input_schema={"type": "object"}) for number in range(100)]
    async with served(liar(tools)) as url, opened(liar=MCPSettings(url=url)) as servers:
        assert servers.tools.names[0] == "liar__good"
        assert not [name for name in servers.tools.names if "bad" in name]
        assert len(servers.tools.names) == 64


async def test_a_server_that_never_says_hello_holds_up_nothing():
    pace = MCPPace(settle=0.05, connect_limit=600, stop_limit=20)
    async with opened(pace, mute=MCPSettings(command=("sh", "-c", "cat > /dev/null"))) as servers:
        assert servers.health() == {"mute": {"state": "starting", "tools": 0, "last_error": ""}}
    assert not servers.tools


async def test_without_the_package_the_fault_says_what_to_install(monkeypatch):
    def absent(name: str) -> None:
        raise ModuleNotFoundError("No module named 'mcp'", name="mcp")

    monkeypatch.setattr(mcp, "import_module", absent)
    with pytest.raises(
        ConfigError, match=r"mcp\.books needs the package 'mcp'.*uv pip install --python .venv/bin/python 'mcp"
    ):
        await MCPServers({"books": MCPSettings(url="http://127.0.0.1:9/mcp")}).start()


async def test_with_no_servers_there_is_nothing_to_install(monkeypatch):
    monkeypatch.setattr(mcp, "import_module", None)
    async with opened() as servers:
        assert not servers.tools


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({}, "expected either command or url"),
        ({"command": ["a"], "url": "http://127.0.0.1"}, "expected either command or url"),
        ({"url": "ftp://127.0.0.1"}, "url: expected an address"),
        ({"url": "http://127.0.0.1", "env": {"A": "b"}}, "env: goes with command"),
        ({"command": ["a"], "headers": {"A": "b"}}, "headers: goes with url"),
        ({"command": ["a"], "limit": 0}, "greater than 0"),
    ],
)
def test_a_wrong_setting_is_refused(settings, fault):
    with pytest.raises(ValidationError, match=fault):
        MCPSettings.model_validate(settings)


def test_a_tool_whose_arguments_are_no_object_cannot_be_told():
    with pytest.raises(mcp_words.Unusable):
        mcp_words.spec("a", mcp_types.Tool(name="b", input_schema={"type": "array"}))


@given(st.text(), st.text())
def test_any_name_becomes_one_that_a_model_takes(server, tool):
    name = mcp_words.tool_name(server, tool)
    assert 1 <= len(name) <= 64
    assert name.isascii()
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def test_names_that_differ_only_in_what_a_model_does_not_take_stay_different():
    assert mcp_words.tool_name("a", "b.c") != mcp_words.tool_name("a", "b/c")
    assert mcp_words.tool_name("a", "x" * 100) != mcp_words.tool_name("a", "x" * 101)


def test_every_kind_of_content_is_told_in_words():
    content = [
        mcp_types.TextContent(text="Hello\u200b there"),
        mcp_types.ImageContent(data="QUJD", mime_type="image/png"),
        mcp_types.AudioContent(data="QUJD", mime_type="audio/ogg"),
        mcp_types.ResourceLink(name="notes", uri="file:///notes.txt", description="of\ntoday"),
        mcp_types.EmbeddedResource(resource=mcp_types.TextResourceContents(uri="file:///a.txt", text="inside")),
        mcp_types.EmbeddedResource(resource=mcp_types.BlobResourceContents(uri="file:///b.bin", blob="QUJD")),
    ]
    assert mcp_words.result_text(mcp_types.CallToolResult(content=content)).split("\n\n") == [
        "Hello there",
        "[image: image/png, 1 KB]",
        "[audio: audio/ogg, 1 KB]",
        "[resource: notes, file:///notes.txt, of today]",
        "[resource: file:///a.txt]\ninside",
        "[file: file:///b.bin, 1 KB]",
    ]
    assert mcp_words.result_text(mcp_types.CallToolResult(content=[], structured_content={"n": 1})) == '{"n":1}'
    assert mcp_words.result_text(mcp_types.CallToolResult(content=[])) == "(no result)"
