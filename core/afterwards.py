"""What is done after an answer was sent, in nobody's way: bots look back, and their summaries are kept."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import structlog

from core.bot import Bot, Notes, Remembered
from core.cancel import cancelled
from core.conversation.session import Session
from core.engine.engine import Claim, Engine
from core.errors import StoreError

log = structlog.get_logger(__name__)

AT_ONCE = 4
"""Bots that look back at the same time; a conversation that finds no room does it after its next answer."""
LIMIT = 60.0
"""Seconds that one may take."""


class Afterwards:
    """At most one look back for each conversation at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._looking: dict[str, tuple[Bot[Any], asyncio.Task[None]]] = {}

    def reflect(
        self, bot: Bot[Any], claim: Claim, session: Session, said: Sequence[Remembered], notes: Notes | None
    ) -> None:
        """Have the bot look back at a session to which `said` was just added."""
        if type(bot).reflect is Bot.reflect or claim.conversation in self._looking or len(self._looking) >= AT_ONCE:
            return
        look = self._look(bot, claim, session.after(said), notes or session.notes)
        task = asyncio.create_task(look, name="afterwards")
        self._looking[claim.conversation] = bot, task
        task.add_done_callback(lambda _: self._looking.pop(claim.conversation, None))

    async def stop(self, bots: Collection[Bot[Any]] | None = None) -> None:
        """Let go of what is under way, with these bots or with all: it is done anew after a later answer."""
        await cancelled([task for bot, task in self._looking.values() if bots is None or bot in bots])

    async def _look(self, bot: Bot[Any], claim: Claim, session: Session, notes: Notes) -> None:
        try:
            async with asyncio.timeout(LIMIT):
                summary = await bot.reflect(session.history, session.summary, session.first, notes)
            if summary is not None and summary != session.summary:
                stored = msgspec.json.encode(session.stored(summary))
                await self._engine.summarize(claim, session.id or claim.token, stored)
        except (TimeoutError, StoreError) as error:
            log.info("no summary was kept", conversation=claim.conversation, error=str(error))
        except Exception:
            log.exception("bot could not look back", conversation=claim.conversation)
