"""Tools of other programs, by the Model Context Protocol: the servers that the YAML names, kept connected."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from core.errors import ConfigError
from core.model.tools import Tools

if TYPE_CHECKING:
    from core.model.mcp_server import Server

log = structlog.get_logger(__name__)

MISSING = (
    "needs the package 'mcp', an extra: uv pip install --python .venv/bin/python 'mcp>=2.3,<3' "
    "(without uv: docs/operations.md, Extras)"
)


class MCPSettings(BaseModel):
    """One MCP server: a program that the hub starts, or an address."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)

    command: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """The program and its arguments, spoken to over its standard input and output."""
    env: Mapping[str, SecretStr] = {}
    """Its environment, beside PATH, HOME and the like: nothing else of the hub's own environment reaches it."""
    url: str = ""
    """Instead of a command: the address of a server that speaks streamable HTTP."""
    headers: Mapping[str, SecretStr] = {}
    """What is sent with every request to the address, such as `Authorization`."""
    tools: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """The tools that may be used, as the server calls them; empty: all of them."""
    confirm: Literal["all", "writes", "none"] = "writes"
    """Which tools run only after the user agreed: all, those that the server does not declare as read-only, or none."""
    limit: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 30
    """Seconds that a tool may take."""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> "MCPSettings":
        if bool(self.command) == bool(self.url):
            raise ValueError("expected either command or url")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("url: expected an address such as http://127.0.0.1:8000/mcp")
        if self.url and self.env:
            raise ValueError("env: goes with command, not with url")
        if self.command and self.headers:
            raise ValueError("headers: goes with url, not with command")
        return self


@dataclass(frozen=True, slots=True)
class MCPPace:
    """Seconds in a connection's life."""

    connect_limit: float = 30.0
    """Until a server must have told its tools; programs that are fetched first take their time."""
    settle: float = 5.0
    """So long the hub's start waits for the servers; one that is slower comes in later."""
    look_every: float = 30.0
    """Between looks at the list of tools: what is also the proof of life."""
    look_limit: float = 10.0
    """Within which a server must answer a look."""
    gather: float = 0.2
    """In which changes of a list are gathered."""
    first_retry: float = 1.0
    longest_retry: float = 60.0
    stop_limit: float = 10.0


class MCPServers:
    """All MCP servers of the configuration: `start`, read `tools` for each turn, `stop`.

    A server that is away stops nothing: its tools are not there until it is back."""

    def __init__(self, settings: Mapping[str, MCPSettings], *, pace: MCPPace = MCPPace()) -> None:
        self._settings = settings
        self._pace = pace
        self._servers: list[Server] = []
        self._lives: list[asyncio.Task[None]] = []
        self._tools = Tools()

    @property
    def tools(self) -> Tools:
        """What can be called now; a later change makes a new one."""
        return self._tools

    async def start(self) -> None:
        """Connect, and wait a moment for the servers. Raises ConfigError where the package is missing."""
        if not self._settings:
            return
        try:
            # A second of importing: in a thread, since the loop may be at work already.
            module = await asyncio.to_thread(import_module, "core.model.mcp_server")
        except ModuleNotFoundError as error:
            if error.name not in ("mcp", "mcp_types"):
                raise
            raise ConfigError([f"mcp.{name} {MISSING}" for name in self._settings]) from error
        for name, settings in self._settings.items():
            server = module.Server(name, settings, self._pace, self._changed)
            self._servers.append(server)
            self._lives.append(asyncio.create_task(server.live(), name=f"mcp {name}"))
        tried = [asyncio.create_task(server.tried.wait()) for server in self._servers]
        await asyncio.wait(tried, timeout=self._pace.settle)
        for task in tried:
            task.cancel()

    async def stop(self) -> None:
        """End the connections and the programs that were started."""
        for server in self._servers:
            server.end()
        if self._lives:
            _, left = await asyncio.wait(self._lives, timeout=self._pace.stop_limit)
            for life in left:
                await log.awarning("an MCP server did not end in time", task=life.get_name())
                life.cancel()
        self._servers, self._lives = [], []
        self._changed()

    def health(self) -> dict[str, dict[str, str | int]]:
        """How each server is, how many tools it has, and of what kind its last failure was; the words of that stand in
        the log alone, since others may read this."""
        return {
            server.name: {"state": server.state, "tools": len(server.tools), "last_error": server.last_error}
            for server in self._servers
        }

    def _changed(self) -> None:
        tools = Tools()
        for server in self._servers:
            for tool in server.tools.values():
                if tools.get(tool.spec.name) is None:
                    tools.put(tool)
        self._tools = tools
