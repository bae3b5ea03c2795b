"""The way of one message, top to bottom: `accept` makes it durable, `turn` answers it."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec
import structlog

from core import commands
from core.adapter import Adapter, Settings
from core.bot import Bot, Remembered, Restart, Turn
from core.conversation import key
from core.delivery.answer import Answer, fitted
from core.delivery.deliver import Delivery, Staged, part_key
from core.delivery.gate import Gate
from core.delivery.live import Live
from core.delivery.typing import sign_of_life
from core.engine.engine import Claim, Engine, Stale
from core.engine.spool import SpooledInbox
from core.errors import BotError, IntakeError, SendError, StoreError, Throttled, Undeliverable
from core.events import Accepted, AnyEvent, Command, Message, Part, Press
from core.language.detect import choose
from core.language.sentences import Sentence, say
from core.policies import Refusal, Silence, judge

log = structlog.get_logger(__name__)

TURN_LIMIT = 600.0
"""Seconds that a bot may take; a bot that hangs would hold up its conversation for ever."""
WAIT_LINE_LIMIT = 2.0
"""Seconds that the platform waits for our acknowledgement because of it."""
NOT_RUNNING_DELAY = 3.0
"""Seconds until an event of a channel that is not running is looked at again; it keeps its place in line."""

_encode = msgspec.json.Encoder().encode
_event = msgspec.json.Decoder(AnyEvent).decode
_staged = msgspec.json.Decoder(Staged).decode
_remembered = msgspec.json.Decoder(Remembered).decode


class Channel(Protocol):
    """What the hub needs to know of a configured connection."""

    settings: Settings
    bot: Bot[Any]
    adapter: Adapter[Any] | None
    """None while the channel is not running."""
    redelivers: bool
    """Its platform brings again what was not acknowledged."""

    def turn(self) -> AbstractContextManager[None]:
        """Held while an answer is made."""
        ...


class Hub:
    """Takes events in and answers them; one for the process, over all channels."""

    def __init__(self, engine: Engine, channels: Mapping[str, Channel], spool: SpooledInbox | None = None) -> None:
        """`spool`: takes the events of platforms that do not bring them again."""
        self.engine = engine
        self.spool = spool
        self.channels = channels
        self.gate = Gate()
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
        accepted = await inbox.accept(
            conversation,
            _encode(event),
            [f"{name}:{uid}" for uid in (event.uid, *event.also)],
            (name, event.cursor.name, event.cursor.value) if event.cursor else None,
        )
        if accepted is Accepted.FULL:
            await self._ask_to_wait(event, conversation, channel)
        return accepted

    async def turn(self, claim: Claim) -> None:
        """Answer the event at the head of a conversation, from where an earlier try left off.

        What it raises, the worker takes as "try again later"."""
        try:
            event = _event(claim.envelope)
        except msgspec.DecodeError as error:
            await self.engine.fail(claim, "dead", reason=f"unreadable event: {error}")
            return
        channel = self.channels.get(event.address.channel)
        if channel is None or channel.adapter is None:
            await self.engine.fail(claim, "release", delay=NOT_RUNNING_DELAY, reason="channel not running")
            return
        with channel.turn():
            await self._take(event, channel, channel.adapter, claim)

    async def _take(self, event: AnyEvent, channel: Channel, adapter: Adapter[Any], claim: Claim) -> None:
        delivery = self._delivery(event, adapter, claim)
        parts: list[Part] | None = delivery.staged.parts
        if parts is None:
            async with sign_of_life(adapter, event.address, self.gate):
                parts = await self._answer(event, channel, delivery, claim)
        if parts is None:
            return
        try:
            await delivery.finish(parts)
        except Throttled as error:
            await self.engine.fail(claim, "release", delay=error.retry_after)
            return
        except Undeliverable as error:
            await self.engine.fail(claim, "dead", reason=f"undeliverable: {error}")
            return
        await self._commit(delivery.staged, claim)

    def _delivery(self, event: AnyEvent, adapter: Adapter[Any], claim: Claim) -> Delivery:
        """The answer as far as an earlier try had brought it, or a new one."""

        async def save(so_far: Staged) -> None:
            await self.engine.stage(claim, _encode(so_far))

        staged = _staged(claim.staged) if claim.staged else Staged(event.address, claim.time)
        turn_id = f"{event.address.channel}:{event.uid}"
        return Delivery(staged, adapter, self.gate, save, turn_id, resumed=claim.staged is not None)

    async def _answer(self, event: AnyEvent, channel: Channel, delivery: Delivery, claim: Claim) -> list[Part] | None:
        """What to say, each part fit for one message; None when the turn has ended in silence."""
        staged, adapter = delivery.staged, delivery.adapter
        history = [_remembered(record) for record in claim.history]
        verdict = judge(event, channel.settings, history, claim.time)
        if isinstance(verdict, Silence):
            await self._say_nothing(verdict.reason, claim)
            return None
        if isinstance(verdict, Refusal):
            return [Part(say(verdict.line, choose(event.user.locale, None, "")))]
        turn = _turn(event, claim.conversation, history)
        try:
            async with asyncio.timeout(TURN_LIMIT):
                parts = await _listen(_respond(event, turn, channel.bot), delivery)
        except (Stale, StoreError):
            raise
        except (Exception, asyncio.CancelledError, SystemExit) as error:
            if isinstance(error, asyncio.CancelledError) and (task := asyncio.current_task()) and task.cancelling():
                raise  # the turn is cancelled; else the bot raised that by itself
            if claim.tries < self.engine.max_tries:
                raise BotError(f"{type(error).__name__}: {error}") from error
            await log.aexception("bot failed", conversation=claim.conversation, event_id=event.uid)
            staged.reason = f"bot failed: {type(error).__name__}: {error}"
            return [Part(say(Sentence.APOLOGY, turn.language, reference=event.uid))]
        staged.forget = turn.forgotten
        if not parts and not staged.sent:
            await self._say_nothing("bot silent", claim, forget=turn.forgotten)
            return None
        staged.remember = [] if turn.forgotten or not turn.kept else _exchange(event, turn, parts, claim.time)
        return await fitted(parts, adapter)

    async def _say_nothing(self, reason: str, claim: Claim, *, forget: bool = False) -> None:
        await self.engine.commit(claim, outcome="silent", forget=forget)
        self.silences[reason] += 1

    async def _commit(self, staged: Staged, claim: Claim) -> None:
        if staged.reason:
            await self.engine.fail(claim, "dead", reason=staged.reason)
            return
        append = [_encode(record) for record in staged.remember]
        await self.engine.commit(
            claim, outcome="answered", append=append, forget=staged.forget, replies=[_encode(s) for s in staged.sent]
        )

    async def _ask_to_wait(self, event: AnyEvent, conversation: str, channel: Channel) -> None:
        """One line a minute to a user whose mailbox is full; best effort, since nothing was stored."""
        adapter, now = channel.adapter, time.monotonic()
        if adapter is None or not self.gate.is_open(event.address):
            return
        if isinstance(judge(event, channel.settings, (), time.time()), Silence):
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


async def _listen(pieces: AsyncIterator[str | Part | Restart], delivery: Delivery) -> list[Part]:
    """Hear the bot out; where the platform can edit, the user reads along."""
    answer = Answer()
    if not delivery.adapter.can_draft(delivery.staged.to):
        async for piece in pieces:
            answer.add(piece)
        return answer.parts()
    async with Live(answer, delivery) as live:
        async for piece in pieces:
            answer.add(piece)
            live.news()
    return answer.parts()


def _turn(event: AnyEvent, conversation: str, history: Sequence[Remembered]) -> Turn:
    match event:
        case Message(text=text, attachments=attachments):
            text = _chosen(text, history) or "\n".join(filter(None, (text, *(file.text for file in attachments))))
        case Command(text=text) | Press(value=text):
            attachments = ()
        case _:
            raise TypeError(f"{type(event).__name__} is not answered")
    return Turn(
        text, event.user, event.address.channel, conversation, event.direct, history, attachments, reference=event.uid
    )


def _chosen(text: str, history: Sequence[Remembered]) -> str | None:
    """The value behind a number that was typed in answer to a list of choices."""
    number = text.strip().rstrip(".")
    offered = history[-1].choices if history else ()
    return (
        offered[int(number) - 1].value
        if number.isascii() and number.isdigit() and 0 < int(number) <= len(offered)
        else None
    )


def _respond(event: AnyEvent, turn: Turn, bot: Bot[Any]) -> AsyncIterator[str | Part | Restart]:
    return commands.run(event.name, turn, bot) if isinstance(event, Command) else bot.respond(turn)


def _exchange(event: AnyEvent, turn: Turn, parts: Sequence[Part], now: float) -> list[Remembered]:
    """What the session keeps of a turn."""
    said = event.label if isinstance(event, Press) and event.label else turn.text
    question = Remembered("user", said, event.user.name, time=now, by_bot=event.user.is_bot)
    offered = tuple(choice for part in parts for choice in part.choices)
    answer = Remembered("assistant", "\n\n".join(part.text for part in parts), time=now, choices=offered)
    return [question, answer]
