"""What people call themselves: Slack's events carry ids alone, so that names are looked up beside them.

https://docs.slack.dev/reference/methods/users.info
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from adapters.slack.client import Refused, WebApi
from core.errors import SendError
from core.tasks import Tasks

log = structlog.get_logger(__name__)

PATIENCE = 0.4
"""Seconds that an event may wait for a name: Slack sends it again after three."""
LIMIT = 5.0
"""Seconds after which a lookup is given up."""
LASTS = 3600.0
"""Seconds that a name is good for; also that somebody has none."""
PAUSE = 300.0
"""Seconds without lookups after one that failed for all (a scope is missing, too many calls, no connection)."""
MOST = 10_000
"""People remembered; the one who was silent for longest goes first."""


class Names:
    """No failure here is one of the channel: where a name cannot be had, there is none."""

    def __init__(
        self, api: WebApi, *, patience: float = PATIENCE, most: int = MOST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._patience = patience
        self._most = most
        self._clock = clock
        self._known: OrderedDict[str, tuple[str, float]] = OrderedDict()
        """User -> name, and until when it is good. One that is too old is better than none."""
        self._lookups = Tasks()
        """At most one a user, by their id."""
        self._paused_until = 0.0

    async def of(self, user: str) -> str:
        """The name of somebody who says something, after `patience` at most; empty where it is not known by then."""
        name, until = self._known.get(user, ("", 0.0))
        if self._clock() < until:
            self._known.move_to_end(user)
            return name
        if user not in self._lookups and self._clock() >= self._paused_until:
            self._lookups.start(self._look_up(user), user)
        await self.settled(user)
        return self._known.get(user, (name, 0.0))[0]

    async def settled(self, user: str) -> None:
        """Wait for a lookup under way, so that nothing somebody does overtakes what they said before."""
        await self._lookups.settled(user, self._patience)

    async def stop(self) -> None:
        await self._lookups.end()

    async def _look_up(self, user: str) -> None:
        try:
            async with asyncio.timeout(LIMIT):
                answer = await self._api.read("users.info", {"user": user})
        except Refused as error:
            if error.advice:
                self._pause(error.advice)
            else:  # this one alone: not known, or of a workspace that is not shown
                self._keep(user, "")
        except (SendError, TimeoutError) as error:
            self._pause(str(error) or "no answer")
        else:
            self._keep(user, _name(answer))

    def _pause(self, reason: str) -> None:
        self._paused_until = self._clock() + PAUSE
        log.warning("people are nameless for now", reason=reason, seconds=PAUSE)

    def _keep(self, user: str, name: str) -> None:
        self._known[user] = name, self._clock() + LASTS
        self._known.move_to_end(user)
        while len(self._known) > self._most:
            self._known.popitem(last=False)


def _name(answer: Mapping[str, Any]) -> str:
    """As Slack's apps show it: the display name, which may be empty; then the real one."""
    user = answer.get("user")
    profile = user.get("profile") if isinstance(user, dict) else None
    places = [(profile, "display_name"), (profile, "real_name"), (user, "real_name"), (user, "name")]
    found = (str(place.get(key) or "").strip() for place, key in places if isinstance(place, dict))
    return next(filter(None, found), "")
