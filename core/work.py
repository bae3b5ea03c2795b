"""One turn on its way: what it is about, who answers it where, and what the bot is told."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec

from core import commands
from core.adapter import Adapter, Settings
from core.archive.record import Kept, Said, TakenBack
from core.bot import Bot, Notes, Remembered, Turn
from core.conversation.key import account, joins, key, place
from core.conversation.session import NEW, Session, total
from core.delivery.deliver import Delivery, Staged
from core.engine.engine import Claim, Trace
from core.events import AnyEvent, Command, Deleted, Edited, Message, Press, Sent
from core.limits.bill import Bill
from core.limits.purse import Usage
from core.overlap import ASKING, Question, asks_to_stop
from core.people.flow import Here
from core.people.people import Sender
from core.people.person import Chat
from core.policies import Case, is_for_us

_event = msgspec.json.Decoder(AnyEvent).decode


class Traced(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `trace` shows of an event."""

    outcome: str
    """answered | silent | dead"""
    reason: str
    time: float
    """When its last try began, Unix seconds."""
    conversation: str
    tries: int = 1


class Channel(Protocol):
    """What the hub needs to know of a configured connection."""

    settings: Settings
    bot: Bot[Any]
    adapter: Adapter[Any] | None
    """None while the channel is not running."""
    elsewhere: bool
    """Another process runs it."""
    redelivers: bool
    """Its platform brings again what was not acknowledged."""

    def turn(self) -> AbstractContextManager[None]:
        """Held while an answer is made."""
        ...


@dataclass(frozen=True, slots=True)
class Work:
    """One turn on its way."""

    claim: Claim
    question: Question
    session: Session
    """As far as it plays a part: for a question that was changed, as it was when that was asked first."""
    channel: Channel
    adapter: Adapter[Any]
    delivery: Delivery
    turn_id: str
    """The same on every try."""
    bill: Bill
    """Of this try."""
    began: float
    """When it began, by the monotonic clock."""
    person: str = ""
    """Who the account belongs to; empty where it stands on its own."""
    whole: Session = NEW
    """As it was found."""

    @property
    def event(self) -> AnyEvent:
        return self.question.event

    @property
    def staged(self) -> Staged:
        return self.delivery.staged

    @property
    def account(self) -> str:
        return account(self.event, self.channel.settings.platform)

    def trace(self, outcome: str, reason: str) -> Trace:
        """How the event ended, for `trace`."""
        record = Traced(outcome, reason, self.claim.time, self.claim.conversation, self.claim.tries)
        return Trace(self.turn_id, msgspec.json.encode(record))

    def note(self, notes: Notes | None) -> None:
        """What the session shall keep beside its messages; None: what it has."""
        self.staged.notes, self.staged.noted = notes, self.session.notes

    def here(self, turn: Turn) -> Here:
        """The facts that the talk about joined accounts needs."""
        event, settings = self.event, self.channel.settings
        return Here(
            self.account,
            turn.user.name,
            settings.bot,
            key(event, settings.conversation),
            joins(event, settings.conversation),
            turn.language,
            self.claim,
            self.turn_id,
        )

    def command(self, turn: Turn) -> str:
        """The hub's own command that this is; empty where the bot is asked."""
        event = self.event
        if isinstance(event, Command):
            if event.name not in ASKING or not turn.text.strip():
                return event.name
            name, rest = commands.short(turn.text)
            turn.text = rest if name else turn.text
            return name
        is_followed = not event.direct and self.channel.settings.answer != "mentions"
        return "stop" if asks_to_stop(event) and (turn.notes.stopped or is_followed) else ""

    def ends_something(self, command: str) -> bool:
        """Whether the command is a stop that is not in vain: no limit may stand in its way."""
        notes = self.session.notes
        return command == "stop" and (notes.stopped or not (self.event.direct or notes.quiet))

    def is_for_us(self, event: AnyEvent) -> bool:
        """Whether an event of this conversation is one that is answered."""
        return is_for_us(Case(event, self.channel.settings, self.session, self.claim.time))


def sender(channels: Mapping[str, Channel], envelope: bytes) -> Sender | None:
    """The direct chat that an event came from; None where it came from no such chat."""
    try:
        event = _event(envelope)
    except msgspec.DecodeError:
        return None
    channel = channels.get(event.address.channel)
    if channel is None or not joins(event, channel.settings.conversation):
        return None
    settings = channel.settings
    return Sender(Chat(account(event, settings.platform), settings.bot), key(event, settings.conversation))


def waiting(envelopes: Sequence[bytes]) -> list[AnyEvent]:
    """The head, and those behind it that can be read. Raises msgspec.DecodeError where the head cannot."""
    waiting = [_event(envelopes[0])]
    for envelope in envelopes[1:]:
        try:
            waiting.append(_event(envelope))
        except msgspec.DecodeError:
            break
    return waiting


def asked_again(work: Work, edited: Edited) -> tuple[Work, list[Sent]] | None:
    """An edited question as a new one, and the messages of its answer, which are to be edited.

    None where that cannot be, or nothing has changed."""
    at = (edited.message_id, place(edited))
    before, answer = work.session.question(*at), work.session.answer_to(*at)
    is_same = before is None or before.text == edited.text or before.ids != (edited.message_id,)
    if is_same or not (answer and answer.ids and work.adapter.capabilities.can_edit):
        return None
    said = Message(
        uid=edited.uid,
        address=edited.address,
        user=edited.user,
        message_id=edited.message_id,
        direct=edited.direct,
        time=edited.time,
        text=edited.text,
        mentioned=True,
    )
    asked = msgspec.structs.replace(work.question, event=said)
    shown = [Sent(edited.address, id_) for id_ in answer.ids]
    return replace(work, question=asked, session=work.session.before(*at)), shown


def reworded(work: Work, edited: Edited) -> list[Remembered]:
    """A question that others followed before it was answered is remembered with its new words."""
    at = (edited.message_id, place(edited))
    before = work.session.question(*at)
    if before is None or before.ids != (edited.message_id,) or before.text == edited.text:
        return []
    new = [msgspec.structs.replace(before, text=edited.text)]
    return [] if work.session.answer_to(*at) else work.session.anew(new)


def turn_of(work: Work) -> Turn:
    event, session = work.event, work.session
    match event:
        case Message(text=text, attachments=attachments):
            text = _chosen(text, session) or "\n".join(filter(None, (text, *(file.text for file in attachments))))
        case Command(text=text) | Press(value=text):
            attachments = ()
        case _:
            raise TypeError(f"{type(event).__name__} is not answered")
    turn = Turn(
        text,
        event.user,
        event.address.channel,
        work.claim.conversation,
        event.direct,
        session.history,
        attachments,
        reference=event.uid,
        account=work.account,
        message_id=event.message_id,
        notes=session.notes,
        summary=session.summary,
        first=session.first,
    )
    if turn.notes.quiet and isinstance(event, Message) and event.mentioned:
        turn.note(quiet=False)
    return turn


def _chosen(text: str, session: Session) -> str | None:
    """The value behind a number that was typed in answer to a list of choices."""
    number = text.strip().rstrip(".")
    offered = session.history[-1].choices if session.history else ()
    return (
        offered[int(number) - 1].value
        if number.isascii() and number.isdigit() and 0 < int(number) <= len(offered)
        else None
    )


def archived(work: Work, said: Sequence[Remembered]) -> Kept | TakenBack | None:
    """What the archive is to learn of a turn, given what the session remembers of it."""
    event = work.event
    if isinstance(event, Deleted):  # also of what no session remembers any more
        to = event.address
        return TakenBack(to.channel, to.room, event.message_id, work.claim.time) if event.message_id else None
    return kept(work, said, work.staged.usage) if any(record.text for record in said) else None


def kept(work: Work, said: Sequence[Remembered], usage: Sequence[Usage]) -> Kept:
    """What the archive is to keep of an answered turn, or of what else it made models do."""
    used, staged, claim = total(usage), work.staged, work.claim
    return Kept(
        conversation=claim.conversation,
        session=claim.session or claim.token,
        channel=work.event.address.channel,
        bot=work.channel.settings.bot,
        account=work.account,
        time=claim.time,
        room=work.event.address.room,
        event=work.event.uid,
        messages=tuple(
            Said(one.role, one.text, one.author, one.name, one.time, one.tokens, one.model, one.ids)
            for one in said
            if one.text
        ),
        person=work.person,
        name=work.event.user.name,
        direct=work.event.direct,
        language=staged.language,
        prompt_tokens=used.prompt_tokens,
        completion_tokens=used.completion_tokens,
        cost=used.cost,
    )


def with_ids(record: Remembered, sent: Sequence[Sent]) -> Remembered:
    """An answer knows the messages that it was said in once they are sent."""
    if record.role != "assistant":
        return record
    return msgspec.structs.replace(record, ids=tuple(message.id for message in sent))
