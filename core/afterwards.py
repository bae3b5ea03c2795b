"""What is done after an answer was sent, in nobody's way: bots look back, and their summaries are kept and paid for."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import structlog

from core.bot import Bot, Remembered
from core.cancel import cancelled
from core.engine.engine import Engine
from core.errors import StoreError
from core.limits.bill import Bill
from core.limits.errors import OverBudget
from core.limits.purse import Usage
from core.work import Work, kept

log = structlog.get_logger(__name__)

AT_ONCE = 4
"""Bots that look back at the same time; a conversation that finds no room does it after its next answer."""
LIMIT = 60.0
"""Seconds that one may take."""


class Afterwards:
    """At most one look back for each conversation at a time."""

    def __init__(self, engine: Engine, *, archived: bool) -> None:
        """`archived`: what models took goes into the archive."""
        self._engine = engine
        self._archived = archived
        self._looking: dict[str, tuple[Bot[Any], asyncio.Task[None]]] = {}

    def reflect(self, work: Work, said: Sequence[Remembered]) -> None:
        """Have the bot look back at a session to which `said` was just added; it is on the account of that turn."""
        bot, conversation = work.channel.bot, work.claim.conversation
        if type(bot).reflect is Bot.reflect or conversation in self._looking or len(self._looking) >= AT_ONCE:
            return
        look = self._look(bot, work, said, work.bill.of_another("summary"))
        task = asyncio.create_task(look, name="afterwards")
        self._looking[conversation] = bot, task
        task.add_done_callback(lambda _: self._looking.pop(conversation, None))

    async def stop(self, bots: Collection[Bot[Any]] | None = None) -> None:
        """Let go of what is under way, with these bots or with all: it is done anew after a later answer."""
        await cancelled([task for bot, task in self._looking.values() if bots is None or bot in bots])

    async def _look(self, bot: Bot[Any], work: Work, said: Sequence[Remembered], bill: Bill) -> None:
        session, claim = work.whole.after(said), work.claim
        notes = work.staged.notes or session.notes
        purse = bill.purse()
        try:
            async with asyncio.timeout(LIMIT):
                summary = await bot.reflect(session.history, session.summary, session.first, notes, purse)
            if summary is not None and summary != session.summary:
                stored = msgspec.json.encode(session.stored(summary))
                await self._engine.summarize(claim, session.id or claim.token, stored)
        except (TimeoutError, StoreError, OverBudget) as error:
            log.info("no summary was kept", conversation=claim.conversation, error=str(error))
        except Exception:
            log.exception("bot could not look back", conversation=claim.conversation)
        finally:
            await asyncio.gather(bill.settle(), self._archive(work, purse.usage))

    async def _archive(self, work: Work, usage: Sequence[Usage]) -> None:
        if not (self._archived and usage):
            return
        try:
            await self._engine.archive(work.claim, msgspec.json.encode(kept(work, (), usage)))
        except StoreError as error:
            log.warning("the archive will not know what a summary took", error=str(error))
