"""The way of one message through the core, top to bottom: taken in, judged, answered, delivered, committed."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from core import commands
from core.adapter import Adapter
from core.afterwards import Afterwards
from core.bot import NO_NOTES, Restart, Turn
from core.conversation import key
from core.delivery.answer import Answer, fitted
from core.delivery.deliver import Delivery, Staged, part_key
from core.delivery.gate import Gate
from core.delivery.live import Live
from core.delivery.typing import sign_of_life
from core.engine.engine import Claim, Engine, Stale
from core.engine.signals import Signals
from core.engine.spool import SpooledInbox
from core.errors import BotError, IntakeError, SendError, StoreError, Throttled, Undeliverable
from core.events import Accepted, AnyEvent, Command, Deleted, Edited, Message, Part
from core.language.detect import choose
from core.language.sentences import Sentence, say
from core.overlap import Cut, asks_to_stop, may_cut, question
from core.policies import Case, Refusal, Silence, is_for_us, judge
from core.session import Session, exchange, taken_back
from core.under_way import CutShort, Meanwhile, UnderWay
from core.work import Channel, Work, asked_again, turn_of, waiting, with_ids

log = structlog.get_logger(__name__)

TURN_LIMIT = 600.0
"""Seconds that a bot may take; a bot that hangs would hold up its conversation for ever."""
WAIT_LINE_LIMIT = 2.0
"""Seconds that the platform waits for our acknowledgement because of it."""
NOT_RUNNING_DELAY = 3.0
"""Seconds until an event of a channel that is not running is looked at again; it keeps its place in line."""
BROKEN_OFF = " …"
"""Ends an answer that was cut short."""

_encode = msgspec.json.Encoder().encode
_meanwhile = msgspec.json.Decoder(Meanwhile).decode
_staged = msgspec.json.Decoder(Staged).decode


class Hub:
    """Takes events in and answers them; one for the process, over all channels."""

    def __init__(
        self,
        engine: Engine,
        channels: Mapping[str, Channel],
        spool: SpooledInbox | None = None,
        signals: Signals | None = None,
    ) -> None:
        """`spool`: takes the events of platforms that do not bring them again. `signals`: to the hub's other processes,
        one of which may be giving the answer that an event ends; `hear` takes theirs."""
        self.engine = engine
        self.spool = spool
        self.signals = signals
        self.channels = channels
        self.gate = Gate()
        self.under_way = UnderWay()
        self.afterwards = Afterwards(engine)
        self.silences: Counter[str] = Counter()
        """Reason -> how many events this process passed over for it."""
        self._asked: dict[str, float] = {}
        """Conversation -> until when, by the monotonic clock, it is not asked to wait again."""

    async def accept(self, event: AnyEvent) -> Accepted:
        """Make an event durable; the adapter acknowledges it after that. Raises IntakeError."""
        name = event.address.channel
        channel = self.channels.get(name)
        if channel is None:
            raise IntakeError(f"there is no channel {name} any more")
        inbox = self.engine if channel.redelivers or self.spool is None else self.spool
        conversation = key(event, channel.settings.conversation)
        is_held = channel.settings.overlap == "collect" and isinstance(event, Message)
        accepted = await inbox.accept(
            conversation,
            _encode(event),
            [f"{name}:{uid}" for uid in (event.uid, *event.also)],
            (name, event.cursor.name, event.cursor.value) if event.cursor else None,
            channel.settings.collect_for if is_held else 0,
        )
        if accepted is Accepted.FULL:
            await self._ask_to_wait(event, conversation, channel)
        elif accepted is Accepted.NEW and may_cut(event, channel.settings.overlap):
            is_here = self.under_way.hear(conversation, event)
            if not is_here and self.signals is not None:
                await self.signals.send(_encode(Meanwhile(conversation, event)))
        return accepted

    def hear(self, message: bytes) -> None:
        """Another process took an event that may end an answer which is given here."""
        meanwhile = _meanwhile(message)
        self.under_way.hear(meanwhile.conversation, meanwhile.event)

    async def turn(self, claim: Claim) -> None:
        """Answer the event at the head of a conversation, from where an earlier try left off.

        What it raises, the worker takes as "try again later"."""
        try:
            events = waiting(claim.envelopes)
            session = Session.of(claim)
        except msgspec.DecodeError as error:
            await self.engine.fail(claim, "dead", reason=f"unreadable: {error}")
            return
        channel = self.channels.get(events[0].address.channel)
        if channel is None or channel.adapter is None:
            await self.engine.fail(claim, "release", delay=NOT_RUNNING_DELAY, reason="channel not running")
            return
        with channel.turn():
            await self._take(self._begun(claim, events, session, channel, channel.adapter))

    def _begun(
        self, claim: Claim, events: Sequence[AnyEvent], session: Session, channel: Channel, adapter: Adapter[Any]
    ) -> Work:
        """The turn as far as an earlier try had brought it, or a new one."""

        async def save(so_far: Staged) -> None:
            await self.engine.stage(claim, _encode(so_far))

        head, settings = events[0], channel.settings
        asked = question(events, settings.overlap, lambda event: is_for_us(Case(event, settings, session, claim.time)))
        staged = _staged(claim.staged) if claim.staged else Staged(head.address, claim.time)
        turn_id = f"{head.address.channel}:{head.uid}"
        delivery = Delivery(staged, adapter, self.gate, save, turn_id, resumed=claim.staged is not None)
        return Work(claim, asked, session, channel, adapter, delivery)

    async def _take(self, work: Work) -> None:
        staged = work.staged
        parts = staged.parts
        if parts is None:
            staged.events = work.question.events
            parts = await self._answer(work)
            if parts is None:
                return
        try:
            if parts or staged.sent:
                await work.delivery.finish(parts)
        except Throttled as error:
            await self.engine.fail(work.claim, "release", delay=error.retry_after)
            return
        except Undeliverable as error:
            await self.engine.fail(work.claim, "dead", reason=f"undeliverable: {error}", events=staged.events)
            return
        await self._commit(work)

    async def _answer(self, work: Work) -> list[Part] | None:
        """What to say, each part fit for one message; nothing is a silence with a reason, None a turn handed back."""
        if work.question.cut:
            return self._unanswered(work, work.question.cut)
        if isinstance(work.event, Deleted):
            return self._taken_back(work)
        if isinstance(work.event, Edited):
            again = asked_again(work, work.event)
            if again is None:
                return self._nothing(work, "edited")
            work = again
        session = work.session
        verdict = judge(Case(work.event, work.channel.settings, session, work.claim.time))
        if isinstance(verdict, Silence):
            work.staged.notes = verdict.notes
            return self._nothing(work, verdict.reason)
        if isinstance(verdict, Refusal):
            return [Part(say(verdict.line, choose(work.event.user.locale, None, "")))]
        turn = turn_of(work)
        answer = Answer()
        try:
            await self._hear_out(work, turn, answer)
        except (Stale, StoreError):
            raise
        except CutShort as short:
            return await self._cut_short(work, turn, answer, short.cut)
        except (Exception, asyncio.CancelledError, SystemExit) as error:
            if isinstance(error, asyncio.CancelledError) and (task := asyncio.current_task()) and task.cancelling():
                raise  # the turn is cancelled; else the bot raised that by itself
            if work.claim.tries < self.engine.max_tries:
                raise BotError(f"{type(error).__name__}: {error}") from error
            await log.aexception("bot failed", conversation=work.claim.conversation, event_id=work.event.uid)
            work.staged.reason = f"bot failed: {type(error).__name__}: {error}"
            return [Part(say(Sentence.APOLOGY, turn.language, reference=work.event.uid))]
        return await self._said(work, turn, answer.parts())

    async def _hear_out(self, work: Work, turn: Turn, answer: Answer) -> None:
        """Have the bot answer; where the platform can edit, the user reads along."""
        conversation = work.claim.conversation
        with self.under_way.answering(conversation, work.question, work.channel.settings.overlap, work.is_for_us) as it:
            async with sign_of_life(work.adapter, work.event.address, self.gate), it, asyncio.timeout(TURN_LIMIT):
                pieces = _respond(work, turn)
                if not work.adapter.can_draft(work.staged.to):
                    async for piece in pieces:
                        answer.add(piece)
                    return
                async with Live(answer, work.delivery) as live:
                    async for piece in pieces:
                        answer.add(piece)
                        live.news()

    async def _said(self, work: Work, turn: Turn, parts: list[Part]) -> list[Part]:
        """Note what the session keeps of an answer, and make it fit."""
        staged = work.staged
        staged.forget = turn.forgotten
        staged.notes = turn.notes if turn.notes != (NO_NOTES if turn.forgotten else work.session.notes) else None
        if not parts:
            return self._nothing(work, "bot silent")
        if turn.kept and not turn.forgotten:
            staged.remember = exchange(work.event, work.question.ids, turn, parts, work.claim.time)
        return await fitted(parts, work.adapter)

    async def _cut_short(self, work: Work, turn: Turn, answer: Answer, cut: Cut) -> list[Part] | None:
        """The user went on while the bot spoke."""
        if cut == "edited":  # the edit waits behind this event, and is seen when the turn begins anew
            await work.delivery.save()
            await self.engine.fail(work.claim, "release")
            return None
        parts = answer.parts()
        if cut == "withdrawn" or not parts:
            return self._unanswered(work, cut)
        if cut == "stopped":
            turn.note(stopped=True)
        parts[-1] = msgspec.structs.replace(parts[-1], text=parts[-1].text.rstrip() + BROKEN_OFF, choices=())
        return await self._said(work, turn, parts)

    def _unanswered(self, work: Work, cut: Cut) -> list[Part]:
        """Nothing is said to a question; one that others followed is kept for the answer to these."""
        if cut == "stopped":
            work.staged.notes = msgspec.structs.replace(work.session.notes, stopped=True)
        if cut == "interrupted":
            work.staged.remember = exchange(work.event, work.question.ids, turn_of(work), (), work.claim.time)
        return self._nothing(work, cut)

    def _taken_back(self, work: Work) -> list[Part]:
        """A message that was answered before is gone from the session with its answer."""
        message_id = work.event.message_id
        if message_id and work.session.question(message_id):
            work.staged.remember = [taken_back(message_id)]
        return self._nothing(work, "deleted")

    def _nothing(self, work: Work, reason: str) -> list[Part]:
        work.staged.silence = reason
        return []

    async def _commit(self, work: Work) -> None:
        staged, claim = work.staged, work.claim
        if staged.reason:
            await self.engine.fail(claim, "dead", reason=staged.reason, events=staged.events)
            return
        remember = [with_ids(record, staged.sent) for record in staged.remember]
        await self.engine.commit(
            claim,
            outcome="silent" if staged.silence else "answered",
            events=staged.events,
            append=[_encode(record) for record in remember],
            forget=staged.forget,
            notes=_encode(staged.notes) if staged.notes else b"",
            replies=[_encode(sent) for sent in staged.sent],
        )
        if staged.silence:
            self.silences[staged.silence] += 1
        elif remember:
            self.afterwards.reflect(work.channel.bot, claim, work.session, remember, staged.notes)

    async def _ask_to_wait(self, event: AnyEvent, conversation: str, channel: Channel) -> None:
        """One line a minute to a user whose mailbox is full; best effort, since nothing was stored."""
        adapter, now = channel.adapter, time.monotonic()
        if adapter is None or not self.gate.is_open(event.address):
            return
        if not is_for_us(Case(event, channel.settings, now=time.time())):
            return
        if now < self._asked.get(conversation, now):
            return
        self._asked = {each: until for each, until in self._asked.items() if until > now}
        self._asked[conversation] = now + 60
        line = say(Sentence.WAIT, choose(event.user.locale, None, ""))
        try:
            async with asyncio.timeout(WAIT_LINE_LIMIT):
                await adapter.send(event.address, Part(line), part_key(event.uid, "wait"))
        except (SendError, TimeoutError) as error:
            await log.awarning("could not ask to wait", channel=event.address.channel, error=str(error))


def _respond(work: Work, turn: Turn) -> AsyncIterator[str | Part | Restart]:
    """The bot's answer, or a command's."""
    event, bot = work.event, work.channel.bot
    if isinstance(event, Command):
        return commands.run(event.name, turn, bot)
    is_followed = not event.direct and work.channel.settings.answer != "mentions"
    if asks_to_stop(event) and (turn.notes.stopped or is_followed):
        return commands.run("stop", turn, bot)
    return bot.respond(turn)
