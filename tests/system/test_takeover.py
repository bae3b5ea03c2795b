"""Two processes have one bot: one of them uses it, and the other takes over when that one dies."""

import asyncio
import json
import signal
import sys
import textwrap
import time

import pytest

from simulators.telegram import TelegramSimulator

HUB = """
    import asyncio, json, sys
    import aiohttp
    from adapters.telegram.adapter import TelegramAdapter
    from adapters.telegram.settings import TelegramSettings
    from core.adapter import Wiring
    from core.bot import BotSettings
    from core.engine.engine import Engine
    from core.engine.lease import Lease
    from core.engine.store import connect
    from core.supervisor import Channel, Pace, Supervisor
    from tests.fakes import FakeBot, NoCursors

    async def main(name, socket, prefix, settings, leased):
        settings = TelegramSettings.model_validate(json.loads(settings))
        async with connect("unix://" + socket) as client, aiohttp.ClientSession() as http:
            engine = Engine(client, prefix=prefix)

            async def inbox(event):
                return await engine.accept("c", event.text.encode(), [event.uid])

            def build():
                return TelegramAdapter(settings, Wiring("tg", inbox, http, "http://127.0.0.1", NoCursors()))

            def lease(resource):
                return Lease(engine, resource, name, length=3.0, renew_every=0.3, spare=1.0)

            wanted = lease if leased == "yes" else None
            channel = Channel("tg", settings, FakeBot(), build, Pace(lease_every=0.1), lease=wanted)
            supervisor = Supervisor()
            supervisor.start([channel])
            seen = ""
            while True:
                if seen != (seen := f"{channel.state}: {channel.detail}"):
                    print(f"state {seen}", flush=True)
                await asyncio.sleep(0.01)

    asyncio.run(main(*sys.argv[1:]))
"""


class Hub:
    """A process with one channel; `until` reads what it prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def until(self, state: str, limit: float = 20.0) -> str:
        async with asyncio.timeout(limit):
            while True:
                line = (await self.process.stdout.readline()).decode().strip()
                assert line or self.process.returncode is None, self.lines
                self.lines.append(line)
                if line.startswith(f"state {state}"):
                    return line


@pytest.fixture
async def start(store, prefix, telegram):
    """Starts a hub on that platform."""
    made = []

    async def start(name: str, leased: str = "yes") -> Hub:
        settings = json.dumps({"platform": "telegram", "enabled": True, **telegram.settings(), "poll_timeout": 1})
        command = (sys.executable, "-c", textwrap.dedent(HUB), name, str(store.socket), prefix, settings, leased)
        made.append(Hub(await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)))
        return made[-1]

    yield start
    for hub in made:
        if hub.process.returncode is None:
            hub.process.kill()
        await hub.process.communicate()


@pytest.fixture
async def telegram():
    """Counts in `clashes` how often a poller was cut off by another (409)."""
    async with TelegramSimulator() as telegram:
        poll, telegram.clashes = telegram.queue.poll, 0

        async def counted(*args):
            updates = await poll(*args)
            telegram.clashes += updates is None
            return updates

        telegram.queue.poll = counted
        yield telegram


async def test_when_the_hub_that_has_the_bot_is_killed_the_other_takes_over_within_a_lease(engine, start, telegram):
    first = await start("first")
    await first.until("running")
    second = await start("second")
    assert "another process has this bot (since" in await second.until("not ready")
    await telegram.say("one")
    await until_accepted(engine, 1)
    first.process.send_signal(signal.SIGKILL)
    began = time.monotonic()
    await telegram.say("two")
    await second.until("running")
    took = time.monotonic() - began
    await until_accepted(engine, 2)
    assert took < 4.5
    assert telegram.clashes == 0
    assert await engine.command("LRANGE", engine.shards[0].mb + "c", 0, -1) == [b"one", b"two"]


async def test_a_hub_that_slept_longer_than_its_lease_leaves_the_bot_to_the_other(engine, start, telegram):
    first = await start("first")
    await first.until("running")
    second = await start("second")
    await second.until("not ready")
    first.process.send_signal(signal.SIGSTOP)
    await second.until("running")
    first.process.send_signal(signal.SIGCONT)
    await first.until("not ready: another process has this bot")
    await telegram.say("hello")
    await until_accepted(engine, 1)
    assert telegram.clashes <= 1  # the poll that it was in when it fell asleep


async def test_without_leases_they_cut_each_other_off(start, telegram):
    await asyncio.gather(start("first", leased="no"), start("second", leased="no"))
    async with asyncio.timeout(20):
        while not telegram.clashes:
            await asyncio.sleep(0.01)


async def until_accepted(engine, count: int) -> None:
    async with asyncio.timeout(20):
        while (await engine.stats()).accepted < count:
            await asyncio.sleep(0.01)
