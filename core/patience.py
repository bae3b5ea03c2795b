"""Asks users to wait whose conversation has more waiting messages than there is room for."""

import asyncio
import time

import structlog

from core.delivery.deliver import part_key
from core.delivery.gate import Gate
from core.errors import SendError
from core.events import AnyEvent, Part
from core.language.detect import choose
from core.language.sentences import Sentence, say
from core.policies import Case, is_for_us
from core.work import Channel

log = structlog.get_logger(__name__)

WAIT_LINE_LIMIT = 2.0
"""Seconds that the platform waits for our acknowledgement because of it."""
AGAIN = 60.0
"""Seconds until a conversation is asked again."""


class Patience:
    """One for the process."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._asked: dict[str, float] = {}
        """Conversation -> until when, by the monotonic clock, it is not asked again."""

    async def ask(self, event: AnyEvent, conversation: str, channel: Channel) -> None:
        """One line a minute to a user whose mailbox is full; best effort, since nothing was stored."""
        adapter, now = channel.adapter, time.monotonic()
        if adapter is None or not self._gate.is_open(event.address):
            return
        settings = channel.settings
        if not is_for_us(Case(event, settings, now=time.time())):
            return
        if settings.access != "open" and event.user.id not in settings.allow:
            return  # who may not be answered is not asked to wait either
        if now < self._asked.get(conversation, now):
            return
        self._asked = {each: until for each, until in self._asked.items() if until > now}
        self._asked[conversation] = now + AGAIN
        line = say(Sentence.WAIT, choose(event.user.locale, None, ""))
        try:
            async with asyncio.timeout(WAIT_LINE_LIMIT):
                await adapter.send(event.address, Part(line), part_key(event.uid, "wait"))
        except (SendError, TimeoutError) as error:
            await log.awarning("could not ask to wait", channel=event.address.channel, error=str(error))
