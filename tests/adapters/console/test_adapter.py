"""The console channel, over streams in memory."""

import asyncio
import getpass
import io
from collections.abc import Callable

import aiohttp
import pytest

from adapters.console.adapter import ConsoleAdapter
from adapters.console.settings import ConsoleSettings
from core.adapter import Wiring
from core.errors import IntakeError
from core.events import Accepted, Address, AnyEvent, Command, Message, Part

HERE = Address("terminal", "console")


class NoCursors:
    async def read(self) -> dict[str, str]:
        return {}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
async def connect():
    taken: list[AnyEvent] = []
    adapters: list[ConsoleAdapter] = []

    async def inbox(event: AnyEvent) -> Accepted:
        taken.append(event)
        return Accepted.NEW

    async with aiohttp.ClientSession() as http:

        def build(typed: str, screen: io.StringIO | None = None, inbox: Callable = inbox) -> ConsoleAdapter:
            wiring = Wiring("terminal", inbox, http, "http://127.0.0.1:8080", NoCursors())
            settings = ConsoleSettings(platform="console")
            adapters.append(ConsoleAdapter(settings, wiring, io.StringIO(typed), screen or io.StringIO()))
            return adapters[-1]

        build.taken = taken
        yield build
        for adapter in adapters:
            await adapter.stop()


async def listen(adapter: ConsoleAdapter) -> None:
    await adapter.start()
    async with asyncio.timeout(5):
        await adapter.closed.wait()


async def test_each_line_is_a_message_to_the_bot_alone(connect):
    await listen(connect("hello\n\n  how are you?  \n"))
    assert [(event.text, event.direct) for event in connect.taken] == [("hello", True), ("how are you?", True)]
    assert {event.address for event in connect.taken} == {HERE}
    assert {event.user.id for event in connect.taken} == {getpass.getuser()}


async def test_the_same_line_twice_is_two_messages(connect):
    await listen(connect("again\nagain\n"))
    assert len({event.uid for event in connect.taken}) == 2


async def test_a_slash_makes_a_command(connect):
    await listen(connect("/AI what is new?\n/reset\n/usr/bin is full\n"))
    said = [(type(e), getattr(e, "name", ""), e.text) for e in connect.taken]
    assert said == [(Command, "ai", "what is new?"), (Command, "reset", ""), (Message, "", "/usr/bin is full")]


async def test_a_line_that_is_not_taken_is_said_to_be_lost_and_the_next_one_goes_on(connect):
    screen, taken = io.StringIO(), []

    async def full(event: AnyEvent) -> Accepted:
        if not taken:
            taken.append("refused")
            raise IntakeError("the store is away")
        taken.append(event.text)
        return Accepted.NEW

    await listen(connect("one\ntwo\n", screen, full))
    assert "not taken" in screen.getvalue()
    assert taken == ["refused", "two"]


async def test_an_answer_goes_into_a_pipe_as_it_was_written(connect):
    screen = io.StringIO()
    await connect("", screen).send(HERE, Part("**bold** and [a link](https://example.com)"), "KEY")
    assert screen.getvalue() == "**bold** and [a link](https://example.com)\n"


async def test_an_answer_is_formatted_on_a_terminal(connect, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    screen = Terminal()
    await connect("", screen).send(HERE, Part("**bold**"), "KEY")
    assert "bold" in screen.getvalue()
    assert "**" not in screen.getvalue()


async def test_an_answer_cannot_rewrite_the_screen(connect):
    screen = io.StringIO()
    await connect("", screen).send(HERE, Part("a\x1b[2Jb\x9b1mc\rd\n\te"), "KEY")
    assert screen.getvalue() == "a[2Jb1mcd\n\te\n"


async def test_stopping_twice_and_before_the_start_is_safe(connect):
    adapter = connect("never read\n")
    await adapter.stop()
    await adapter.stop()
    assert adapter.closed.is_set()
