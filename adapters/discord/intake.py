"""From the gateway to the inbox: every event in its room's order, and what was missed from the room's history."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import structlog
from discord.utils import time_snowflake

from adapters.discord.client import GatewayClient
from adapters.discord.inbound import MALFORMED, Payload, Places, to_event
from core.adapter import Cursors
from core.errors import Throttled, Unavailable, Unconfirmed, Undeliverable
from core.events import AnyEvent, Command, Press
from core.tasks import Tasks

log = structlog.get_logger(__name__)

Job = Callable[[], Awaitable[None]]

HISTORY = timedelta(days=1)
"""How far back is read after a gap."""
ROOMS = 500
"""Rooms looked into after a gap, the liveliest first."""


class Intake:
    def __init__(
        self,
        cursors: Cursors,
        here: Places,
        client: GatewayClient,
        keep: Callable[[AnyEvent], Awaitable[None]],
        acknowledge: Callable[[Payload], None],
    ) -> None:
        self.ready = asyncio.Event()
        self.limit = 10_000
        """Events that may wait for the inbox."""
        self.is_overrun = False
        """More had to wait: nothing is taken any more, so that the next session finds the rest in the history."""
        self._cursors = cursors
        self._here = here
        self._client = client
        self._keep = keep
        self._acknowledge = acknowledge
        self._waiting = 0
        self._rooms: dict[str, deque[Job]] = {}
        self._tasks = Tasks()
        self._seen: dict[str, str] = {}
        """Room -> its last message that is durable."""
        self._seen_before = 0
        """The last message of all rooms before this session."""
        self._fetching = asyncio.Semaphore(4)

    async def open(self) -> None:
        """Find out how far was read before, and listen. Raises StoreError."""
        self._seen.update(await self._cursors.read())
        self._client.tell(self._take)

    async def close(self) -> None:
        """Give what waits a moment to go through, then let go of it."""
        await self._tasks.end(grace=2.0)

    def _take(self, name: str, data: Any) -> None:
        """One dispatch of the gateway."""
        match name, data:
            case "MESSAGE_DELETE_BULK", {"ids": list(messages)}:
                for message in messages:
                    self._take("MESSAGE_DELETE", {**data, "id": message})
                return
        if event := self._read(name, data):
            self._queue(data.get("channel_id", event.address.room), partial(self._accept, event, data))

    def _read(self, name: str, data: Any) -> AnyEvent | None:
        try:
            event = to_event(name, data, self._here, self._client.delivery)
            self._here.learn(name, data)
            if name == "READY":
                self._look_back()
            if name == "GUILD_CREATE":
                self._look_around([*data.get("channels", ()), *data.get("threads", ())])
        except MALFORMED as error:
            log.warning("an odd dispatch was left out", channel=self._here.channel, kind=name, error=repr(error))
            return None
        return event

    def _queue(self, room: str, job: Job) -> None:
        """Do this after all else of the room; discord.py would let handlers run in any order and without bound."""
        self.is_overrun = self.is_overrun or self._waiting >= self.limit
        if self.is_overrun:
            return
        self._waiting += 1
        if room in self._rooms:
            self._rooms[room].append(job)
            return
        self._rooms[room] = deque([job])
        self._tasks.start(self._work(room))

    async def _work(self, room: str) -> None:
        jobs = self._rooms[room]
        while jobs:
            try:
                await jobs[0]()
            except Exception:
                log.exception("an event was given up", channel=self._here.channel, room=room)
            jobs.popleft()
            self._waiting -= 1
        del self._rooms[room]

    async def _accept(self, event: AnyEvent, data: Payload) -> None:
        """Until it is durable: what comes later in the room waits behind it."""
        await self._keep(event)
        if event.cursor is not None:
            self._seen[event.cursor.name] = event.cursor.value
        if isinstance(event, Command | Press):
            self._acknowledge(data)

    # after a gap

    def _look_back(self) -> None:
        """A new session: what was said since the last one goes before all that comes now."""
        self._seen_before = max(map(int, self._seen.values()), default=0)
        liveliest = sorted(self._seen, key=lambda room: int(self._seen[room]), reverse=True)
        for room in liveliest[:ROOMS]:
            self._queue(room, partial(self._catch_up, room))
        self.ready.set()

    def _look_around(self, rooms: list[Payload]) -> None:
        """Those that were first spoken in during the gap."""
        for room in rooms:
            is_new = room["id"] not in self._seen and int(room.get("last_message_id") or 0) > self._seen_before
            if self._seen_before and is_new:
                self._queue(room["id"], partial(self._catch_up, room["id"]))

    async def _catch_up(self, room: str) -> None:
        since = max(int(self._seen.get(room, self._seen_before)), time_snowflake(datetime.now(UTC) - HISTORY))
        try:
            while page := await self._fetch(room, "/messages", {"limit": "100", "after": str(since)}):
                place = await self._fetch(room)
                for message in sorted(page, key=lambda message: int(message["id"])):
                    # The history leaves out what the gateway tells of the place.
                    told = message | {"guild_id": place.get("guild_id"), "channel_type": place["type"]}
                    if event := self._read("MESSAGE_CREATE", told):
                        await self._accept(event, told)
                    since = int(message["id"])
        except Undeliverable as error:
            log.info("a room's history cannot be read", channel=self._here.channel, room=room, reason=str(error))

    async def _fetch(self, room: str, what: str = "", params: dict[str, str] | None = None) -> Any:
        """A GET that waits out throttling and faults. Raises Undeliverable."""
        path = "/channels/{channel_id}" + what
        while True:
            try:
                async with self._fetching:
                    return await self._client.call("GET", path, params=params, channel_id=room)
            except Throttled as error:
                await asyncio.sleep(error.retry_after)
            except (Unavailable, Unconfirmed):
                await asyncio.sleep(2.0)
