"""The way of one message through the core, top to bottom: taken in, judged, answered, delivered, committed."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
import structlog

from core import commands, metrics, pseudonym
from core.access.access import Access
from core.adapter import Adapter
from core.archive.erased import Erased
from core.bot import NO_NOTES, Turn
from core.conversation.key import account, joins, key, place
from core.conversation.session import Session, exchange, taken_back
from core.delivery.answer import Answer, fitted
from core.delivery.deliver import Delivery, Staged
from core.delivery.gate import Gate
from core.delivery.live import Live
from core.delivery.typing import sign_of_life
from core.ending import Ending
from core.engine.engine import Claim, Engine, Stale
from core.engine.signals import Signals
from core.engine.spool import SpooledInbox
from core.errors import BotError, IntakeError, StoreError, Throttled, Undeliverable
from core.events import Accepted, AnyEvent, Deleted, Edited, Message, Part, Press, Sent
from core.language.sentences import Sentence, say
from core.limits.bill import Bill
from core.limits.errors import OverBudget, Refused
from core.limits.limits import Limits, Payer
from core.limits.lines import refusal
from core.limits.settings import LimitsSettings
from core.overlap import Cut, may_cut, question
from core.patience import Patience
from core.people import flow
from core.people.people import Busy, People
from core.policies import Case, Refusal, Silence, is_for_us, judge
from core.under_way import Answering, CutShort, Meanwhile, UnderWay
from core.work import Channel, Work, asked_again, reworded, sender, turn_of, waiting

log = structlog.get_logger(__name__)

TURN_LIMIT = 600.0
"""Seconds that a bot may take; a bot that hangs would hold up its conversation for ever."""
NOT_RUNNING_DELAY = 3.0
"""Seconds until an event of a channel that is not running is looked at again, at first; it keeps its place in line."""
ELSEWHERE_DELAY = 0.1
"""The same where another process runs it, which is to take the event."""
GONE_PATIENCE = 86400.0
"""Seconds after which an event of a channel that is no more in the configuration is a dead letter."""
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
        access: Access | None = None,
        limits: Limits | None = None,
        people: People | None = None,
        erased: Erased | None = None,
    ) -> None:
        """`spool`: takes the events of platforms that do not bring them again. `signals`: to the hub's other processes,
        one of which may be giving the answer that an event ends; `hear` takes theirs. `access`, `limits`: who is
        answered, and how much; without them all are. `people`: whose direct chats are one conversation. `erased`:
        there is an archive, and this tells who must not come back into it."""
        self.engine = engine
        self.spool = spool
        self.signals = signals
        self.access = access or Access(engine)
        self.erased = erased
        self.people = people or People(engine, partial(sender, channels))
        self.limits = limits or Limits(engine, LimitsSettings())
        self.channels = channels
        self.gate = Gate()
        self.under_way = UnderWay()
        self.ending = Ending(engine, archived=erased is not None)
        self.patience = Patience(self.gate)

    async def accept(self, event: AnyEvent) -> Accepted:
        """Make an event durable; the adapter acknowledges it after that. Raises IntakeError."""
        name = event.address.channel
        channel = self.channels.get(name)
        if channel is None:
            raise IntakeError(f"there is no channel {name} any more")
        inbox = self.engine if channel.redelivers or self.spool is None else self.spool
        settings = channel.settings
        conversation = key(event, settings.conversation)
        if joins(event, settings.conversation):
            with contextlib.suppress(StoreError):  # its turn looks again
                conversation = await self.people.home(account(event, settings.platform), settings.bot, conversation)
        is_held = channel.settings.overlap == "collect" and isinstance(event, Message)
        taken = await inbox.take(
            conversation,
            _encode(event),
            [f"{name}:{uid}" for uid in (event.uid, *event.also)],
            (name, event.cursor.name, event.cursor.value) if event.cursor else None,
            channel.settings.collect_for if is_held else 0,
        )
        accepted = taken.outcome
        if accepted is not Accepted.NEW:
            metrics.count("events_total", channel=name, outcome=str(accepted))
        if accepted is Accepted.FULL:
            await self.patience.ask(event, conversation, channel)
        elif accepted is Accepted.NEW and may_cut(event, channel.settings.overlap) and await self._may_cut(event):
            is_here = self.under_way.hear(conversation, event, taken.number)
            if not is_here and taken.number is not None and self.signals is not None:
                await self.signals.send(_encode(Meanwhile(conversation, event, taken.number)))
        return accepted

    async def _may_cut(self, event: AnyEvent) -> bool:
        """Whether the sender has a say in this channel; while the store cannot tell, the turn of the event will."""
        try:
            return not await self._strangers([event])
        except StoreError:
            return False

    async def _strangers(self, events: Sequence[AnyEvent]) -> set[str]:
        """The ids of events whose senders are not answered: these bear on no answer, and are not remembered."""
        channels = ((event, self.channels.get(event.address.channel)) for event in events)
        return {
            event.uid
            for event, channel in channels
            if channel is None or not await self.access.lets_in(event, channel.settings)
        }

    def hear(self, message: bytes) -> None:
        """Another process took an event that may end an answer which is given here."""
        meanwhile = _meanwhile(message)
        self.under_way.hear(meanwhile.conversation, meanwhile.event, meanwhile.number)

    async def turn(self, claim: Claim) -> None:
        """Answer the event at the head of a conversation, from where an earlier try left off.

        What it raises, the worker takes as "try again later"."""
        try:
            events = waiting(claim.envelopes)
        except msgspec.DecodeError as error:
            await self.engine.fail(claim, "dead", reason=f"unreadable event: {error}")
            return
        channel = self.channels.get(events[0].address.channel)
        if channel is None:
            reason = "its channel is gone"
            await self.engine.fail(claim, "wait", delay=NOT_RUNNING_DELAY, patience=GONE_PATIENCE, reason=reason)
            return
        adapter = channel.adapter
        if adapter is None:
            delay = ELSEWHERE_DELAY if channel.elsewhere else NOT_RUNNING_DELAY
            await self.engine.fail(claim, "wait", delay=delay, reason="channel not running")
            return
        pseudonym.about(claim.conversation, *(account(event, channel.settings.platform) for event in events))
        with channel.turn():
            if not claim.staged and await self._is_elsewhere(claim, events[0], channel):
                return
            work = await self._begun(claim, events, Session.of(claim), channel, adapter)
            about = (work.question, channel.settings.overlap, work.is_for_us)
            with self.under_way.answering(claim.conversation, *about, claim.upto) as it:
                try:
                    await self._take(work, it)
                finally:
                    await work.bill.settle()  # of a try that came to nothing

    async def _is_elsewhere(self, claim: Claim, event: AnyEvent, channel: Channel) -> bool:
        """Whether the event belongs to another conversation by now, and was handed on to it."""
        settings = channel.settings
        if not joins(event, settings.conversation):
            return False
        own = key(event, settings.conversation)
        return await self.people.forward(claim, account(event, settings.platform), settings.bot, own)

    async def _begun(
        self, claim: Claim, events: Sequence[AnyEvent], session: Session, channel: Channel, adapter: Adapter[Any]
    ) -> Work:
        """The turn as far as an earlier try had brought it, or a new one."""

        async def save(so_far: Staged) -> None:
            staged = self.engine.stage(claim, _encode(so_far))
            if so_far.parts is None:
                await staged
            else:  # the models are done; however the turn ends, they are paid for
                await asyncio.gather(staged, bill.settle())

        head, settings = events[0], channel.settings
        strangers = await self._strangers(events)

        def counts(event: AnyEvent) -> bool:
            return event.uid not in strangers and is_for_us(Case(event, settings, session, claim.time))

        asked = question(events, settings.overlap, counts)
        staged = _staged(claim.staged) if claim.staged else Staged(head.address, claim.time)
        turn_id = f"{head.address.channel}:{head.uid}"
        delivery = Delivery(staged, adapter, self.gate, save, turn_id, resumed=claim.staged is not None)
        own = account(head, settings.platform)
        payer = Payer(await self.people.payer(own), head.address.channel, head.address.room)
        bill = Bill(self.limits, payer, turn_id, claim.token)
        person = await self.people.person(own)
        return Work(claim, asked, session, channel, adapter, delivery, turn_id, bill, time.monotonic(), person, session)

    async def _take(self, work: Work, answering: Answering) -> None:
        staged = work.staged
        parts = staged.parts
        if parts is None:
            staged.events = work.question.events
            parts = await self._answer(work, answering)
            if parts is None:
                return
            if not parts and staged.sent:
                parts = await self._before(work)
        try:
            if parts or staged.sent:
                await work.delivery.finish(parts)
        except Throttled as error:
            await self.engine.fail(work.claim, "release", delay=error.retry_after)
            return
        except Undeliverable as error:
            reason = f"undeliverable: {error}"
            await self.ending.bury(work, reason)
            return
        await self.ending.commit(work)

    async def _before(self, work: Work) -> list[Part]:
        """What messages showed in which an answer was begun in vain: those to a changed question have an older one."""
        at = (work.event.message_id, place(work.event))
        before = work.session.answer_to(*at) if isinstance(work.event, Edited) else None
        return await fitted([Part(before.text, before.choices)], work.adapter) if before else []

    async def _answer(self, work: Work, answering: Answering) -> list[Part] | None:
        """What to say, each part fit for one message; nothing is a silence with a reason, None a turn handed back."""
        if self.erased is not None and self.erased.covers(work.account, work.event.time or work.claim.time):
            return self._nothing(work, "erased")
        if isinstance(work.event, Deleted):
            return self._taken_back(work)
        shown: list[Sent] = []
        if isinstance(work.event, Edited):
            again = asked_again(work, work.event)
            if again is None:
                if not await self._strangers([work.event]):
                    work.staged.remember = reworded(work, work.event)
                return self._nothing(work, "edited")
            work, shown = again
        if work.question.cut:
            return self._unanswered(work, work.question.cut)
        session = work.session
        verdict = judge(Case(work.event, work.channel.settings, session, work.claim.time))
        if isinstance(verdict, Silence):
            work.note(verdict.notes)
            return self._nothing(work, verdict.reason)
        turn = turn_of(work)
        if denied := await self.access.check(work.event, work.channel.settings):
            return self._refused(work, denied.reason, denied.text(turn.language))
        is_refused = isinstance(verdict, Refusal)
        command = "" if is_refused else work.command(turn) or await self._answered_link(work, turn)
        if command:
            answering.carry_out()
        if not work.ends_something(command):
            purse = await work.bill.reserve(0 if command or is_refused else work.channel.bot.most(turn))
            if isinstance(purse, Refused):
                return self._refused(work, purse.limit, refusal(purse, turn.language) if purse.is_first else None)
            turn.purse = purse
        if isinstance(verdict, Refusal):
            return self._refused(work, verdict.reason, say(verdict.line, turn.language))
        work.delivery.take_up(shown)
        answer = Answer(turn)
        try:
            async with sign_of_life(work.adapter, work.event.address, self.gate), answering:
                await self._hear_out(work, turn, answer, command, answering)
        except (Stale, StoreError, Busy):
            raise
        except OverBudget as error:
            return self._refused(work, error.refused.limit, refusal(error.refused, turn.language))
        except CutShort as short:
            return await self._cut_short(work, turn, answer, short.cut)
        except (Exception, asyncio.CancelledError, SystemExit) as error:
            if isinstance(error, asyncio.CancelledError) and (task := asyncio.current_task()) and task.cancelling():
                raise  # the turn is cancelled; else the bot raised that by itself
            if work.claim.tries < self.engine.max_tries:
                if turn.usage:
                    await work.delivery.save()
                raise BotError(f"{type(error).__name__}: {error}") from error
            await log.aexception("bot failed", conversation=work.claim.conversation, event_id=work.event.uid)
            work.staged.reason = f"bot failed: {type(error).__name__}: {error}"
            work.delivery.take_up([])
            return [Part(say(Sentence.APOLOGY, turn.language, reference=work.event.uid))]
        return await self._said(work, turn, answer.parts())

    async def _hear_out(self, work: Work, turn: Turn, answer: Answer, command: str, answering: Answering) -> None:
        """Have the bot answer, or a command; where the platform can edit, the user reads along."""
        order = commands.Order(turn, work.channel.bot, work.bill.payer, self.limits, self.people, work.here(turn))
        pieces = commands.run(command, order) if command else work.channel.bot.respond(turn)
        try:
            async with asyncio.timeout(TURN_LIMIT):
                if not work.adapter.can_draft(work.staged.to):
                    async for piece in pieces:
                        answer.add(piece)
                    return
                async with Live(answer, work.delivery, lambda: answering.is_cut) as live:
                    async for piece in pieces:
                        answer.add(piece)
                        live.news()
        finally:
            work.staged.usage += turn.usage  # behind what earlier tries of this event took

    async def _answered_link(self, work: Work, turn: Turn) -> str:
        """Whether this answers the question that `/link` asked, by its button or in words."""
        value: str | None
        if isinstance(work.event, Press):
            value = work.event.value
        else:
            value = await flow.typed(work.here(turn), self.people, turn.text, work.session.history)
        if value is None or not flow.is_answer(value):
            return ""
        turn.text = value
        return "link"

    async def _said(self, work: Work, turn: Turn, parts: list[Part]) -> list[Part]:
        """Note what the session keeps of an answer, and make it fit."""
        staged = work.staged
        staged.forget = turn.forgotten
        staged.language, staged.problem = turn.language, turn.problem
        work.note(turn.notes if turn.notes != (NO_NOTES if turn.forgotten else work.session.notes) else None)
        if not parts:
            return self._nothing(work, "bot silent")
        if turn.kept and not turn.forgotten:
            self._remember(work, turn, parts)
        return await fitted(parts, work.adapter, turn.links)

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

    def _remember(self, work: Work, turn: Turn, parts: Sequence[Part]) -> None:
        said = exchange(work.event, work.question.ids, turn, parts, work.claim.time)
        work.staged.remember = said if work.session is work.whole else work.whole.anew(said)

    def _unanswered(self, work: Work, cut: Cut) -> list[Part]:
        """Nothing is said to a question; one that others followed is kept for the answer to these."""
        if cut == "stopped":
            work.note(msgspec.structs.replace(work.session.notes, stopped=True))
        if cut == "interrupted":
            self._remember(work, turn_of(work), ())
        return self._nothing(work, cut)

    def _taken_back(self, work: Work) -> list[Part]:
        """A message that was answered before is gone from the session with its answer."""
        if work.event.message_id and work.session.question(work.event.message_id, place(work.event)):
            work.staged.remember = [taken_back(work.event)]
        return self._nothing(work, "deleted")

    def _refused(self, work: Work, reason: str, line: str | None) -> list[Part]:
        """One polite line, or none where it was said before."""
        metrics.count("refusals_total", reason=reason)
        work.delivery.take_up([])
        return [Part(line)] if line else self._nothing(work, reason)

    def _nothing(self, work: Work, reason: str) -> list[Part]:
        work.staged.silence = reason
        return []
