"""MCP servers in the health report and the metrics of the running hub."""

import asyncio
import sys
from pathlib import Path

import aiohttp

SERVER = str(Path(__file__).parents[1] / "core" / "model" / "old_mcp_server.py")
HERE = {"command": [sys.executable, SERVER]}
AWAY = {"command": ["no-such-program-anywhere", "canary"]}


async def read(hub, path):
    async with aiohttp.ClientSession() as http, http.get(f"{hub.url}{path}") as response:
        return response.status, await response.text()


async def gauges(hub):
    _, page = await read(hub, "/metrics")
    return {line for line in page.splitlines() if line.startswith("switchboard_tool_server")}


async def test_each_server_is_told_of_and_one_that_is_away_leaves_the_hub_ready(open_hub):
    hub = await open_hub("telegram", bot={"mcp": {"old": HERE, "gone": AWAY}})
    servers = (await hub.health())["tool_servers"]["assistant"]
    assert servers["old"]["state"] == "running"
    assert servers["old"]["tools"] > 0
    assert servers["gone"] == {"state": "away", "tools": 0, "last_error": "FileNotFoundError: see the log"}
    assert (await read(hub, "/health/ready"))[0] == 200


async def test_the_metrics_have_them_as_long_as_they_are_in_the_file(open_hub):
    hub = await open_hub("telegram", bot={"mcp": {"old": HERE, "gone": AWAY}})
    tools = (await hub.health())["tool_servers"]["assistant"]["old"]["tools"]
    assert await gauges(hub) == {
        'switchboard_tool_server_up{bot="assistant",server="old"} 1.0',
        'switchboard_tool_server_up{bot="assistant",server="gone"} 0.0',
        f'switchboard_tool_server_tools{{bot="assistant",server="old"}} {tools}.0',
        'switchboard_tool_server_tools{bot="assistant",server="gone"} 0.0',
    }
    del hub.document["bots"]["assistant"]["mcp"]
    hub.write()
    async with asyncio.timeout(10):
        while await gauges(hub):
            await asyncio.sleep(0.05)
