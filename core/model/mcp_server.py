"""One MCP server's life: connected, looked at, called, and connected anew. The only module that imports the client."""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any, Literal, TextIO

import anyio
import httpx2
import mcp_types
import structlog
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.session import IncomingMessage
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import SubscriptionLost
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from core.model.mcp import MCPPace, MCPSettings
from core.model.mcp_words import Unusable, is_read_only, result_text, spec
from core.model.tools import Tool, ToolError

log = structlog.get_logger(__name__)

MOST_TOOLS = 64
"""Of one server: a model is told about all of them in every turn."""
_MOST_PAGES = 20
_TAIL = 2000
"""Characters of a program's error output that are kept to tell why it ended."""


class Server:
    """`live` is its one task: a client of the SDK must be entered and left in the same one."""

    def __init__(self, name: str, settings: MCPSettings, pace: MCPPace, changed: Callable[[], None]) -> None:
        self.name = name
        self.settings = settings
        self.state: Literal["starting", "running", "away", "stopped"] = "starting"
        self.detail = ""
        self.last_error = ""
        """Of what kind; stays when the server is back."""
        self.tools: Mapping[str, Tool] = {}
        self.tried = asyncio.Event()
        """Set once the first attempt to connect has ended, well or not."""
        self._pace = pace
        self._changed = changed
        self._client: Client | None = None
        self._look = asyncio.Event()
        self._scope = anyio.CancelScope()
        self._guarded: set[str] = set()
        self._passed_over: set[tuple[str, str]] = set()
        self._errors = ""

    async def live(self) -> None:
        """Until `end`. A server that is away is tried again, ever more rarely."""
        failures = 0
        with self._scope:
            while True:
                try:
                    await self._run()
                except Exception as error:  # noqa: BLE001 - the edge of one server
                    was_running = self.state == "running"
                    self._away(error)
                    failures = 1 if was_running else failures + 1
                    self.tried.set()
                ceiling = min(self._pace.longest_retry, self._pace.first_retry * 2 ** min(failures - 1, 16))
                await anyio.sleep(random.uniform(ceiling / 2, ceiling))
        self.state = "stopped"
        self.tried.set()

    def end(self) -> None:
        """Leave, from whatever `live` is in the middle of; the SDK's own cleaning up is shielded against it."""
        self._scope.cancel()

    async def _run(self) -> None:
        """Connect, and follow the list of tools until the connection breaks."""
        with anyio.CancelScope(deadline=anyio.current_time() + self._pace.connect_limit) as connecting:
            try:
                async with self._connected() as client:
                    await self._refresh(client)
                    connecting.deadline = float("inf")
                    self._client, self.state, self.detail = client, "running", client.protocol_version
                    log.info("MCP server", server=self.name, state=self.state, tools=len(self.tools))
                    self.tried.set()
                    async with anyio.create_task_group() as tasks:
                        if client.protocol_version in MODERN_PROTOCOL_VERSIONS:
                            tasks.start_soon(self._follow, client)
                        await self._watch(client)
            finally:
                self._client, self.tools = None, {}
                self._changed()
        if connecting.cancelled_caught:
            raise TimeoutError(f"no answer within {self._pace.connect_limit:g} s")

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        async with contextlib.AsyncExitStack() as stack:
            if self.settings.command:
                program, *arguments = self.settings.command
                env = {name: value.get_secret_value() for name, value in self.settings.env.items()}
                errors = await stack.enter_async_context(_pipe(self._heard))
                transport = stdio_client(StdioServerParameters(command=program, args=arguments, env=env), errors)
            else:
                headers = {name: value.get_secret_value() for name, value in self.settings.headers.items()}
                # A server may keep a stream open and silent for as long as it likes.
                timeout = httpx2.Timeout(self._pace.look_limit, read=None)
                http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=timeout))
                transport = streamable_http_client(self.settings.url, http_client=http)
            yield await stack.enter_async_context(Client(transport, message_handler=self._told, cache=None))

    def _heard(self, said: str) -> None:
        self._errors = (self._errors + said)[-_TAIL:]

    async def _told(self, message: IncomingMessage) -> None:
        if isinstance(message, mcp_types.ToolListChangedNotification):
            self._look.set()

    async def _follow(self, client: Client) -> None:
        """Hear of changes from a server that tells them only to those who ask; without it, looks are all there is."""
        with contextlib.suppress(MCPError, SubscriptionLost, TimeoutError):
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self._look.set()

    async def _watch(self, client: Client) -> None:
        """Raises when the server no longer answers."""
        while True:
            with anyio.move_on_after(self._pace.look_every):
                await self._look.wait()
            await anyio.sleep(self._pace.gather)
            self._look.clear()
            with anyio.fail_after(self._pace.look_limit):
                await self._refresh(client)

    async def _refresh(self, client: Client) -> None:
        """Read the list of tools. Raises what the client raises."""
        found: dict[str, Tool] = {}
        missing = set(self.settings.tools)
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            page = await client.list_tools(cursor=cursor)
            for tool in page.tools:
                missing.discard(tool.name)
                if (not self.settings.tools or tool.name in self.settings.tools) and (ours := self._tool(tool)):
                    found.setdefault(ours.spec.name, ours)
            cursor = page.next_cursor
            if cursor is None:
                break
        for name in list(found)[MOST_TOOLS:]:
            self._pass_over(name, f"it is one too many: {MOST_TOOLS} of a server are told to a model")
            del found[name]
        for name in missing:
            self._pass_over(name, "the server has no such tool")
        if {name: (tool.spec, tool.confirm) for name, tool in found.items()} != {
            name: (tool.spec, tool.confirm) for name, tool in self.tools.items()
        }:
            self.tools = found
            self._changed()

    def _tool(self, tool: mcp_types.Tool) -> Tool | None:
        try:
            told = spec(self.name, tool)
        except Unusable as error:
            self._pass_over(tool.name, str(error))
            return None
        if self.settings.confirm == "all" or (self.settings.confirm == "writes" and not is_read_only(tool)):
            # Stays so: a server cannot talk itself out of it by declaring something else later.
            self._guarded.add(told.name)
        run = partial(self._call, tool.name)
        return Tool(told, told.name in self._guarded, self.settings.limit, run, is_async=True)

    def _pass_over(self, tool: str, reason: str) -> None:
        """Say it once."""
        if (tool, reason) not in self._passed_over and len(self._passed_over) < 10 * MOST_TOOLS:
            self._passed_over.add((tool, reason))
            log.warning("a tool of an MCP server is not used", server=self.name, tool=tool[:200], reason=reason)

    async def _call(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """Raises ToolError, whatever the server does."""
        client = self._client
        if client is None:
            raise ToolError(f"the server {self.name} is away")
        try:
            result = await client.call_tool(tool, dict(arguments))
        except asyncio.CancelledError:
            self._look.set()  # perhaps since it hangs
            raise
        except MCPError as error:
            self._look.set()
            raise ToolError(f"the server {self.name} failed: {error.message[:500]}") from error
        except (RuntimeError, ValidationError) as error:
            self._look.set()
            log.warning("an MCP server broke the protocol", server=self.name, tool=tool, error=str(error)[:500])
            raise ToolError(f"the server {self.name} gave a result that is not as it declares") from error
        except (OSError, httpx2.HTTPError, anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            self._look.set()
            raise ToolError(f"the server {self.name} is away") from error
        text = result_text(result)
        if result.is_error:
            raise ToolError(text)
        return text

    def _away(self, error: BaseException) -> None:
        while isinstance(error, BaseExceptionGroup):  # the SDK wraps what happened in one or two of them
            error = error.exceptions[0]
        self.last_error = f"{type(error).__name__}: see the log"
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        last = self._errors.strip().splitlines()[-1:]
        detail = "; ".join([reason[:300], *(line[:300] for line in last)])
        self._errors = ""
        if (self.state, self.detail) != ("away", detail):
            log.warning("MCP server", server=self.name, state="away", detail=detail)
        self.state, self.detail = "away", detail


@contextlib.asynccontextmanager
async def _pipe(heard: Callable[[str], None]) -> AsyncIterator[TextIO]:
    """A file for a program's error output, which would else mix with the hub's own."""
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0)
    )

    async def listen() -> None:
        while said := await reader.read(4096):
            heard(said.decode("utf-8", "replace"))

    listening = asyncio.create_task(listen())
    try:
        with os.fdopen(writing, "w") as file:
            yield file
    finally:
        # What the program said last, such as why it could not start, is still to be read; a child of its own may
        # hold the pipe open.
        with anyio.CancelScope(shield=True):
            await asyncio.wait([listening], timeout=0.2)
        listening.cancel()
        transport.close()
