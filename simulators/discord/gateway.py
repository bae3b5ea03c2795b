"""Discord's gateway: https://docs.discord.com/developers/events/gateway."""

import asyncio
import contextlib
import json
import secrets
import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from simulators.discord.world import APPLICATION, BOT, World
from simulators.stage import Faults

Json = dict[str, Any]
DISPATCH, RECONNECT, INVALID, HELLO, ACK = 0, 7, 9, 10, 11
"""https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-opcodes"""
CODE_AUTH, CODE_INTENTS, CODE_NOT_AUTHENTICATED = 4004, 4014, 4003
"""https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes"""
MEMBERS, CONTENT = 1 << 1, 1 << 15
"""https://docs.discord.com/developers/events/gateway#list-of-intents, like those below"""
_GUILD_INTENTS = {"MESSAGE": 1 << 9, "MESSAGE_REACTION": 1 << 10}
_DIRECT_INTENTS = {"MESSAGE": 1 << 12, "MESSAGE_REACTION": 1 << 13}

ACK_AFTER = 0.05
"""Seconds. No network is as quick as loopback, and discord.py takes an answer that comes before it has noted the time
of its own heartbeat for 41 s late."""


class Socket:
    """One connection; `zlib-stream` is one zlib context over all frames, flushed after each."""

    def __init__(self, ws: web.WebSocketResponse, compress: bool) -> None:
        self.ws = ws
        self._zlib = zlib.compressobj() if compress else None
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._pump = asyncio.create_task(self._send_all())

    def send(self, text: str) -> None:
        self._queue.put_nowait(text)

    async def flushed(self) -> None:
        await self._queue.join()

    async def close(self) -> None:
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)

    async def _send_all(self) -> None:
        while True:
            text = await self._queue.get()
            with contextlib.suppress(ConnectionError):
                if self._zlib is None:
                    await self.ws.send_str(text)
                else:
                    await self.ws.send_bytes(self._zlib.compress(text.encode()) + self._zlib.flush(zlib.Z_SYNC_FLUSH))
            self._queue.task_done()


def _frame(op: int, data: Any = None, name: str | None = None, seq: int | None = None) -> str:
    """Written out at once: what it tells of goes on changing."""
    return json.dumps({"op": op, "d": data, "s": seq, "t": name}, separators=(",", ":"))


@dataclass(slots=True)
class Session:
    id: str
    intents: int
    seq: int = 0
    sent: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=10_000))
    """What can be replayed: number and frame."""
    socket: Socket | None = None

    def tell(self, name: str, data: Json) -> str:
        """The next dispatch of this session."""
        self.seq += 1
        text = _frame(DISPATCH, data, name, self.seq)
        self.sent.append((self.seq, text))
        return text

    def send(self, text: str) -> None:
        if self.socket is not None and not self.socket.ws.closed:
            self.socket.send(text)


class Gateway:
    def __init__(self, token: str, faults: Faults) -> None:
        self.token = token
        self.faults = faults
        self.heartbeat_interval = 41_250
        """Milliseconds; as observed, the page leaves it to HELLO: …/events/gateway#hello-event"""
        self.privileged = MEMBERS | CONTENT
        """The privileged intents that are switched on in the Developer Portal."""
        self.sessions: dict[str, Session] = {}
        self.identified = 0
        self.resumed = 0
        self.compressed = False
        """Whether the last connection asked for zlib-stream."""
        self.url = ""
        """Where sessions are opened and resumed."""
        self.world: World
        self._held: list[tuple[Session, str]] = []

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        await self.faults.speaking()
        ws = web.WebSocketResponse(max_msg_size=4096)  # …/events/gateway#sending-events: larger ones end the connection
        await ws.prepare(request)
        self.compressed = request.query.get("compress") == "zlib-stream"
        socket = Socket(ws, self.compressed)
        socket.send(_frame(HELLO, {"heartbeat_interval": self.heartbeat_interval}))
        session: Session | None = None
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    session = await self._hear(socket, session, json.loads(message.data))
        finally:
            self._let_go(session, socket, ws.close_code)
            await socket.close()
        return ws

    def dispatch(self, name: str, data: Json) -> None:
        """Tell every session that asked for it; those that are away get it when they resume."""
        for session in self.sessions.values():
            if self._wants(session, name, data):
                self._deliver(session, session.tell(name, self._redacted(session, data)))

    async def flushed(self) -> None:
        """Until all frames have left."""
        for session in list(self.sessions.values()):
            if session.socket is not None and not session.socket.ws.closed:
                await session.socket.flushed()

    async def drop(self, resumable: bool) -> None:
        """Cut all connections; without `resumable` their sessions are over as well."""
        sockets = [session.socket for session in self.sessions.values() if session.socket]
        for session in self.sessions.values():
            session.socket = None
        if not resumable:
            self.sessions.clear()
        for socket in sockets:
            await socket.ws.close(code=4000, message=b"Unknown error")

    async def ask_reconnect(self) -> None:
        for session in self.sessions.values():
            if session.socket is not None:
                session.socket.send(_frame(RECONNECT))

    async def _hear(self, socket: Socket, session: Session | None, frame: Json) -> Session | None:
        match frame.get("op"):
            case 1:  # HEARTBEAT
                if not self.faults.silent:
                    asyncio.get_running_loop().call_later(ACK_AFTER, self._acknowledge, socket)
            case 2:  # IDENTIFY
                return await self._identify(socket, frame["d"])
            case 6:  # RESUME
                return await self._resume(socket, frame["d"])
            case _ if session is None:
                await socket.ws.close(code=CODE_NOT_AUTHENTICATED, message=b"Not authenticated.")
        return session

    def _acknowledge(self, socket: Socket) -> None:
        if not self.faults.silent:
            socket.send(_frame(ACK))

    async def _identify(self, socket: Socket, asked: Json) -> Session | None:
        if asked.get("token") != self.token:
            await socket.ws.close(code=CODE_AUTH, message=b"Authentication failed.")
            return None
        if asked["intents"] & (MEMBERS | CONTENT) & ~self.privileged:
            await socket.ws.close(code=CODE_INTENTS, message=b"Disallowed intent(s).")
            return None
        self.identified += 1
        session = Session(secrets.token_hex(16), asked["intents"], socket=socket)
        self.sessions[session.id] = session
        ready = {
            "v": 10,
            "user": self.world.user(BOT),
            "guilds": [{"id": guild, "unavailable": True} for guild in self.world.guilds],
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "application": {"id": APPLICATION, "flags": 0},
            "private_channels": [],
        }
        session.send(session.tell("READY", ready))
        for guild in self.world.guilds:
            session.send(session.tell("GUILD_CREATE", self.world.guild(guild)))
        return session

    async def _resume(self, socket: Socket, asked: Json) -> Session | None:
        """https://docs.discord.com/developers/events/gateway#resuming"""
        if asked.get("token") != self.token:
            await socket.ws.close(code=CODE_AUTH, message=b"Authentication failed.")
            return None
        session = self.sessions.get(asked.get("session_id") or "")
        if session is None:
            socket.send(_frame(INVALID, data=False))
            return None
        self.resumed += 1
        session.socket = socket
        for seq, text in session.sent:
            if seq > asked["seq"]:
                socket.send(text)
        socket.send(session.tell("RESUMED", {}))
        return session

    def _deliver(self, session: Session, text: str) -> None:
        if self.faults.silent:
            return
        if self.faults.take("reorder"):
            self._held.append((session, text))
            if self.faults.reorder > 0:
                return
            held, self._held = self._held, []
            for owner, late in reversed(held):
                owner.send(late)
            return
        session.send(text)
        if self.faults.take("duplicate"):
            session.send(text)

    def _let_go(self, session: Session | None, socket: Socket, code: int | None) -> None:
        """Closing with 1000 or 1001 ends the session: …/events/gateway#initiating-a-disconnect"""
        if session is None or session.socket is not socket:
            return
        session.socket = None
        if code in (1000, 1001):
            self.sessions.pop(session.id, None)

    def _wants(self, session: Session, name: str, data: Json) -> bool:
        """https://docs.discord.com/developers/events/gateway#list-of-intents"""
        kind = "MESSAGE_REACTION" if name.startswith("MESSAGE_REACTION") else name.partition("_")[0]
        needed = (_GUILD_INTENTS if "guild_id" in data else _DIRECT_INTENTS).get(kind)
        return needed is None or bool(session.intents & needed)

    def _redacted(self, session: Session, data: Json) -> Json:
        """Without the Message Content intent only direct messages and mentions can be read."""
        foreign = "content" in data and data.get("guild_id") and data["author"]["id"] != BOT
        if not foreign or session.intents & CONTENT or any(user["id"] == BOT for user in data["mentions"]):
            return data
        return data | {"content": "", "embeds": [], "attachments": [], "components": []}
