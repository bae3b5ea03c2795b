"""Updates on their way to the bot: kept until confirmed by an offset or by a 2xx."""

import asyncio
import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import count

import aiohttp

from simulators.stage import Faults, Wire
from simulators.telegram.chats import Json, run_number

# core.telegram.org/bots/api#getupdates: "an empty list to receive all update types except chat_member,
# message_reaction, and message_reaction_count (default)"
_ONLY_WHEN_ASKED = {"chat_member", "message_reaction", "message_reaction_count"}


class Queue:
    def __init__(self, faults: Faults, log: Callable[[Wire], None]) -> None:
        self.updates: list[Json] = []
        self.webhook = ""
        self.secret = ""
        self.last_error = ""
        self.retry_every = 0.05
        """Seconds between two tries of a webhook; the real ones are not documented."""
        self.http: aiohttp.ClientSession
        self._faults = faults
        self._log = log
        self._allowed: Sequence[str] = ()
        self._ids = count(run_number())
        self._held: list[Json] = []
        self._news = asyncio.Event()
        self._poller: object = None
        self._tasks: set[asyncio.Task[None]] = set()

    def allow(self, kinds: Sequence[str]) -> None:
        """#getupdates: "this parameter doesn't affect updates created before the call"."""
        self._allowed = kinds

    def listen(self, url: str, secret: str, drop: bool) -> None:
        """Set or, with an empty URL, remove the webhook."""
        self.webhook, self.secret, self.last_error = url, secret, ""
        if drop:
            self.updates.clear()
        for update in self.updates if url else ():
            self._spawn(update, asyncio.Event())
        self._wake()

    async def put(self, **happened: Json) -> Json | None:
        """Hand an update to the bot: it is queued, or its webhook has answered once.

        None: the bot did not ask for this kind."""
        (kind,) = happened
        if kind not in self._allowed if self._allowed else kind in _ONLY_WHEN_ASKED:
            return None
        update: Json = {"update_id": next(self._ids), **deepcopy(happened)}
        if self._faults.take("reorder"):
            self._held.insert(0, update)
            if self._faults.reorder:
                return update
        ready, self._held = self._held or [update], []
        for one in ready:
            await self._hand_over(one, 2 if self._faults.take("duplicate") else 1)
        return update

    async def poll(self, offset: int, limit: int, timeout: float) -> list[Json] | None:
        """#getupdates: "confirmed as soon as getUpdates is called with an offset higher than its update_id".

        None: another poller came."""
        if offset < 0:
            self.updates = self.updates[offset:]
        else:
            self.updates = [update for update in self.updates if update["update_id"] >= offset]
        me = self._poller = object()
        self._wake()
        try:
            async with asyncio.timeout(timeout):
                while not self.updates and self._poller is me:
                    await self._news.wait()
        except TimeoutError:
            pass
        if self._poller is not me:
            return None
        self._poller = None
        return self.updates[:limit]

    @property
    def polled(self) -> bool:
        """Somebody waits for updates."""
        return self._poller is not None

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _hand_over(self, update: Json, times: int) -> None:
        self.updates += [update] * times
        self._wake()
        if not self.webhook:
            return
        tried = [asyncio.Event() for _ in range(times)]
        for event in tried:
            self._spawn(update, event)
        for event in tried:
            await event.wait()

    def _spawn(self, update: Json, tried: asyncio.Event) -> None:
        task = asyncio.create_task(self._push(update, tried))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _push(self, update: Json, tried: asyncio.Event) -> None:
        """#setwebhook: "In case of an unsuccessful request … we will repeat the request"."""
        url = self.webhook
        while self.webhook == url and update in self.updates:
            if not self._faults.silent:
                status = await self._post(update)
                if 200 <= status < 300:
                    self.updates.remove(update)
                    tried.set()
                    return
                self.last_error = f"Wrong response from the webhook: {status}"
            tried.set()
            await asyncio.sleep(self.retry_every)
        tried.set()

    async def _post(self, update: Json) -> int:
        headers = {"X-Telegram-Bot-Api-Secret-Token": self.secret} if self.secret else {}
        status = 0
        try:
            async with self.http.post(self.webhook, json=update, headers=headers) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError):
            pass
        self._log(Wire("POST", self.webhook, json.dumps(update), status, inbound=False))
        return status

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
