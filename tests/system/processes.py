"""The hub as a real child process, for tests that start, kill and reconfigure it."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import yaml

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class HubProcess:
    """`python -m composition serve` on a YAML file and a folder of its own; `start` may follow `kill`."""

    def __init__(self, home: Path, channels: Mapping[str, object], *, bot: Mapping[str, object] | None = None, **hub):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.home = home
        self.config = home / "hub.yaml"
        self.document = {
            "hub": {"public_url": self.url, "port": self.port, "var": str(home / "var"), "playground": False, **hub},
            "channels": dict(channels),
            "bots": {"assistant": dict(bot or {"use": "echo"})},
        }
        self.process: asyncio.subprocess.Process | None = None
        self.output: list[str] = []
        self._reader: asyncio.Task[None] | None = None

    def write(self) -> None:
        self.config.write_text(yaml.safe_dump(self.document, sort_keys=False))

    async def start(self, *, ready: bool = True) -> None:
        self.write()
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "composition", "serve", "--config", str(self.config)),
            cwd=ROOT,
            env={**os.environ, "REDIS_URL": ""},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        seen = asyncio.Event()
        self._reader = asyncio.create_task(self._read(self.process, seen))
        if ready:
            async with asyncio.timeout(30):
                await seen.wait()
            assert "is ready" in self.output[-1] or any("is ready" in line for line in self.output), self.text

    async def _read(self, process: asyncio.subprocess.Process, seen: asyncio.Event) -> None:
        assert process.stdout is not None
        while line := (await process.stdout.readline()).decode():
            self.output.append(line.rstrip())
            if "is ready" in line:
                seen.set()
        seen.set()

    async def command(self, *words: str, config: Path | None = None) -> list[str]:
        """Run another command beside it; its output, line by line."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "composition", *words, "--config", str(config or self.config)),
            cwd=ROOT,
            env={**os.environ, "REDIS_URL": ""},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output
        return output.decode().splitlines()

    @property
    def text(self) -> str:
        """All that it has printed."""
        return "\n".join(self.output)

    async def kill(self, number: int = signal.SIGKILL) -> None:
        """End it by this signal and wait until it is gone."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        await self.process.wait()
        if self._reader is not None:
            await self._reader

    async def health(self) -> dict[str, object]:
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/health") as response:
            return await response.json()

    async def state(self, channel: str) -> str:
        """`running`, `off`… or `none` where there is no such channel."""
        return (await self.health())["channels"].get(channel, {}).get("state", "none")

    async def until(self, channel: str, state: str, limit: float = 10.0) -> None:
        """Wait until the channel is in this state."""
        async with asyncio.timeout(limit):
            while await self.state(channel) != state:
                await asyncio.sleep(0.02)
