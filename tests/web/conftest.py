"""A browser, and a playground of four small places that echo."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page, async_playwright, expect

from core.site import Site
from simulators.stage import Seen, Simulator, Wire
from web.playground import Pane, Person, Playground, Room

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync "
    "--no-first-run --disable-quic"
)


class EchoStage(Simulator):
    """A place that answers by itself, without a hub: under the message or in its thread."""

    bot_id = "B1"

    def __init__(self, platform: str, *, threads: bool = False) -> None:
        super().__init__()
        self.platform = platform
        self.threads = threads
        self.pressed: list[tuple[str, str, str]] = []

    def app(self):
        return web.Application()

    def settings(self):
        return {}

    def add(self, text: str, *, room: str = "group", author: str = "U1", **more) -> Seen:
        message = Seen(id=f"m{len(self.messages) + 1}", room=room, author=author, text=text, **more)
        self.messages.append(message)
        self.changed()
        return message

    def answer(self, text: str, **more) -> Seen:
        return self.add(text, author=self.bot_id, name="hub", is_bot=True, **more)

    async def say(self, text: str, *, user: str = "", room: str = "", thread: str | None = None) -> Seen:
        if text == "refuse":
            raise ConnectionRefusedError("nobody is at home")
        place = {"thread": thread} if self.threads else {"reply_to": thread}
        said = self.add(text, room=room, author=user, name=user, **place)
        self.wire.append(Wire("POST", "/webhooks/echo", text, 200, inbound=False))
        place = {"thread": thread or said.id} if self.threads else {"reply_to": said.id}
        self.answer(f"echo: {text}", room=room, choices=[("Again", "again")], **place)
        return said

    async def command(self, name: str, rest: str, user: str, room: str) -> Seen:
        return await self.say(f"command {name}({rest})", user=user, room=room)

    async def quote(self, text: str, message: Seen, user: str) -> Seen:
        return await self.say(text, user=user, room=message.room, thread=message.id)

    async def press(self, message: Seen, value: str, *, user: str = "") -> None:
        self.pressed.append((message.id, value, user))
        message.text, message.choices, message.edited = f"pressed {value}", [], True
        self.changed()


@pytest.fixture
def stages() -> list[EchoStage]:
    return [EchoStage("slack", threads=True), EchoStage("whatsapp"), EchoStage("telegram"), EchoStage("discord")]


@pytest.fixture
def panes(stages) -> list[Pane]:
    people = [Person("U1", "Ada"), Person("U2", "Ben")]
    direct = [Room("D1", "hub", only="U1"), Room("D2", "hub", only="U2")]
    return [
        Pane(
            title=stage.platform.title(),
            platform=stage.platform,
            simulator=stage,
            users=people,
            rooms=direct if stage.platform == "whatsapp" else [Room("group", "#general", group=True), *direct],
            threads=stage.threads,
            command=stage.command if stage.platform == "slack" else None,
            quote=None if stage.platform in ("slack", "whatsapp") else stage.quote,
        )
        for stage in stages
    ]


class Served:
    """The playground on a port of its own."""

    def __init__(self, panes: list[Pane]) -> None:
        app = web.Application()
        Playground(panes).mount(app)
        self.runner = web.AppRunner(app, access_log=None)

    async def start(self, port: int = 0) -> None:
        await self.runner.setup()
        await Site(self.runner, "127.0.0.1", port).start()
        self.port = self.runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}/playground"

    async def stop(self) -> None:
        await self.runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def serve(panes):
    """`await serve()` puts the four echoing places on a port."""
    async with AsyncExitStack() as stack:

        async def start(port: int = 0) -> Served:
            served = Served(panes)
            await served.start(port)
            stack.push_async_callback(served.stop)
            return served

        yield start


@pytest_asyncio.fixture(loop_scope="session")
async def url(serve) -> str:
    """Where they are served."""
    return (await serve()).url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium, one for all tests that are marked `asyncio(loop_scope="session")`.

    Without Chromium they are skipped, and fail where CI is set."""
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        complain = pytest.fail if os.environ.get("CI") else pytest.skip
        complain(f"WARNING: NO BROWSER TEST WAS RUN: none of {', '.join(CHROMIUM)} is on PATH; install Chromium")
    expect.set_options(timeout=15_000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=QUIET.split())
        yield browser
        await browser.close()


@pytest.fixture
def faults() -> list[str]:
    """What the browser's console complained of; a test that expects complaints clears it."""
    return []


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser, faults) -> AsyncIterator[Page]:
    """An empty page of desktop size. At the end it must have had no fault and asked nobody beyond loopback."""
    page = await browser.new_page(viewport={"width": 1600, "height": 900}, locale="en-GB")
    page.set_default_timeout(15_000)
    asked: set[str | None] = set()
    page.on("console", lambda message: message.type in ("error", "warning") and faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: asked.add(urlsplit(request.url).hostname))
    yield page
    await page.close()
    assert faults == []
    assert asked <= {"127.0.0.1"}
