"""From the gateway to the inbox: every event in its room's order, and what was missed from the room's history."""

import asyncio
import contextlib
import logging
import time
from functools import partial
from typing import Any

from adapters.discord.client import GatewayClient
from adapters.discord.inbound import PRIVATE, to_event
from adapters.discord.intake import Intake
from adapters.discord.interactions import DEFER_MESSAGE, DEFER_UPDATE, Interactions
from adapters.discord.payloads import Channel, Malformed, snowflake_at, typed
from adapters.discord.places import Places
from core.adapter import Wiring
from core.errors import IntakeError, SendError, Throttled, Unavailable, Unconfirmed
from core.events import AnyEvent, Command, Press

log = logging.getLogger(__name__)

DAY = 24 * 3600.0
PAGE = 100
"""Messages fetched of one room after a gap."""
ROOMS = 500
"""Rooms looked into after a gap, the liveliest first."""


class Reader:
    def __init__(self, wiring: Wiring, places: Places) -> None:
        self.ready = asyncio.Event()
        self.malformed = 0
        """Payloads that were not what Discord documents."""
        self._wiring = wiring
        self._places = places
        self._intake = Intake()
        self._seen: dict[str, str] = {}
        """Room -> its last message that is durable."""
        self._heard_until = 0
        """The last message of all rooms before this session."""
        self._behind: set[str] = set()
        """Rooms whose messages are left to the history, because too much waits."""
        self._history = asyncio.Semaphore(4)
        self._client: GatewayClient
        self._interactions: Interactions

    async def open(self, client: GatewayClient, interactions: Interactions) -> None:
        """Find out how far was read before. Raises StoreError."""
        self._client, self._interactions = client, interactions
        self._seen.update(await self._wiring.cursors.read())

    async def close(self) -> None:
        await self._intake.close(grace=2.0)

    def take(self, name: str, data: Any) -> None:
        """One dispatch of the gateway; called in order, so it only puts things in their queues."""
        try:
            event = self._read(name, data)
        except Malformed as error:
            self.malformed += 1
            log.warning("channel %s: an odd %s was left out: %s", self._wiring.channel, name, error)
            return
        if event is None:
            return
        room = str(data.get("channel_id") or event.address.room)
        job = partial(self._accept, event, self._acknowledgement(event, data))
        if room in self._behind or self._intake.put(room, job):
            return
        log.warning("channel %s: too much waits in room %s; its history is read later", self._wiring.channel, room)
        self._behind.add(room)
        self._intake.put(room, partial(self._catch_up, room), force=True)

    def _read(self, name: str, data: Any) -> AnyEvent | None:
        if name == "READY":
            self._greeted(data)
            return None
        event = to_event(self._wiring.channel, name, data, self._places, self._client.delivery)
        self._places.learn(name, data)
        if name == "GUILD_CREATE":
            self._look_around(data["id"])
        if event is not None:
            self._places.remember(event)
        return event

    async def _accept(self, event: AnyEvent, acknowledge: partial[None] | None = None) -> None:
        """Until it is durable: what comes later in the room waits behind it."""
        while True:
            try:
                await self._wiring.inbox(event)
                break
            except IntakeError as error:
                log.warning("channel %s: an event waits: %s", self._wiring.channel, error)
                await asyncio.sleep(min(error.retry_after, 10.0))
        if event.cursor is not None:
            self._seen[event.cursor.name] = event.cursor.value
        if acknowledge is not None:
            acknowledge()

    def _acknowledgement(self, event: AnyEvent, data: Any) -> partial[None] | None:
        """Discord wants to hear within 3 seconds that an interaction arrived."""
        if not isinstance(event, Command | Press):
            return None
        kind = DEFER_MESSAGE if isinstance(event, Command) else DEFER_UPDATE
        private = isinstance(event, Command) and event.name in PRIVATE
        return partial(self._interactions.defer, data["id"], data["token"], kind, private)

    # after a gap

    def _greeted(self, data: Any) -> None:
        """A new session: what was said since the last one goes before all that comes now."""
        self._places.ready(data)
        self._heard_until = max(map(int, self._seen.values()), default=0)
        for room in sorted(self._seen, key=lambda room: -int(self._seen[room]))[:ROOMS]:
            self._intake.put(room, partial(self._catch_up, room), force=True)
        self.ready.set()

    def _look_around(self, guild: str) -> None:
        """Rooms of a guild that were first spoken in during the gap."""
        if not self._heard_until:
            return
        for room in self._places.homes.values():
            is_new = room.id not in self._seen and int(room.last_message_id or 0) > self._heard_until
            if is_new and room.guild_id == guild:
                self._intake.put(room.id, partial(self._catch_up, room.id), force=True)

    async def _catch_up(self, room: str) -> None:
        self._behind.discard(room)
        since = max(int(self._seen.get(room, self._heard_until)), snowflake_at(time.time() - DAY))
        try:
            page = await self._patiently(room, "/messages", {"limit": str(PAGE), "after": str(since)})
            if not page:
                return
            if room not in self._places.homes:
                self._places.add(typed(await self._patiently(room, "", {}), Channel))
        except (SendError, Malformed) as error:
            log.info("channel %s: the history of room %s cannot be read: %s", self._wiring.channel, room, error)
            return
        home = self._places.homes[room]
        for message in sorted(page, key=lambda message: int(message["id"])):
            # The history leaves out what the gateway tells of the place.
            told = message | {"guild_id": home.guild_id, "channel_type": home.type}
            with contextlib.suppress(Malformed):
                if event := self._read("MESSAGE_CREATE", told):
                    await self._accept(event)

    async def _patiently(self, room: str, path: str, params: dict[str, str]) -> Any:
        """A GET that waits out throttling and faults. Raises Undeliverable."""
        pause = 1.0
        while True:
            try:
                async with self._history:
                    path_names = {"channel_id": room}
                    return await self._client.call("GET", "/channels/{channel_id}" + path, path_names, params=params)
            except Throttled as error:
                await asyncio.sleep(error.retry_after)
            except (Unavailable, Unconfirmed):
                if self._client.is_closed():
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, 60.0)
