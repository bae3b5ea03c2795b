"""A conversation in the terminal: lines from standard input, answers to standard output."""

import asyncio
import getpass
import re
import sys
import threading
import unicodedata
from concurrent.futures import CancelledError
from typing import TextIO
from uuid import uuid4

from rich.console import Console
from rich.markdown import Markdown

from adapters.console.settings import ConsoleSettings
from core.adapter import Adapter, Capabilities, Wiring
from core.errors import IntakeError
from core.events import Address, Command, Message, Part, Sent, User

_COMMAND = re.compile(r"/([a-z][a-z0-9_-]*)(?:\s+(.*))?", re.IGNORECASE)


class ConsoleAdapter(Adapter[ConsoleSettings]):
    capabilities = Capabilities(max_text=100_000)

    def __init__(
        self, settings: ConsoleSettings, wiring: Wiring, stdin: TextIO | None = None, stdout: TextIO | None = None
    ) -> None:
        super().__init__(settings, wiring)
        self.closed = asyncio.Event()
        """Set when the input has ended and each of its lines has been taken."""
        self._stdin = stdin or sys.stdin
        self._stdout = stdout or sys.stdout
        self._console = Console(file=self._stdout)
        self._user = User(_login())
        self._stopped = False

    async def start(self) -> None:
        self.health.identity = self._user.id
        # A daemon thread, as nothing can interrupt the reading of a line.
        threading.Thread(target=self._read, args=(asyncio.get_running_loop(),), name="console", daemon=True).start()

    async def stop(self) -> None:
        self._stopped = True
        self.closed.set()

    async def send(self, to: Address, part: Part, key: str) -> Sent:
        text = _printable(part.text)
        if self._console.is_terminal:
            self._console.print(Markdown(text))
        else:
            self._write(text)
        self.health.touch()
        return Sent(to, key)

    async def probe(self) -> None:
        self.health.touch()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """In its own thread: hand over one line after the other, the next only when the last has been taken."""
        try:
            for line in self._stdin:
                if self._stopped:
                    return
                if line.strip():
                    asyncio.run_coroutine_threadsafe(self._take(line.strip()), loop).result()
            loop.call_soon_threadsafe(self.closed.set)
        except (CancelledError, RuntimeError, ValueError):
            return  # the loop or the stream was closed meanwhile

    async def _take(self, line: str) -> None:
        uid, address = uuid4().hex, Address(self.wiring.channel, "console")
        event: Command | Message
        if command := _COMMAND.fullmatch(line):
            name, rest = command[1].lower(), command[2] or ""
            event = Command(
                uid=uid, address=address, user=self._user, direct=True, message_id=uid, name=name, text=rest
            )
        else:
            event = Message(uid=uid, address=address, user=self._user, direct=True, message_id=uid, text=line)
        try:
            await self.wiring.inbox(event)
        except IntakeError as error:
            self._write(f"not taken, please say it again: {error}")

    def _write(self, text: str) -> None:
        self._stdout.write(text + "\n")
        self._stdout.flush()


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "you"  # a container may run under a user id without a name


def _printable(text: str) -> str:
    """Without control characters: an escape sequence could rewrite the screen."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc")
