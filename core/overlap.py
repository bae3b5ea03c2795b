"""What becomes of a message when more comes in before it was answered: edits, deletions, a word to stop, further words.

Pure: the events that wait in a mailbox go in, and what the next turn is about comes out."""

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import msgspec

from core.events import AnyEvent, Command, Deleted, Edited, Message, Press
from core.language.stop import means_stop

Overlap = Literal["queue", "collect", "interrupt"]
"""Each message gets its answer in turn | quick messages become one | a new message ends the answer before it."""

Said = TypeVar("Said", Message, Edited)

ASKING = ("ai", "ask")
"""Commands that ask the bot; the others are carried out whatever comes behind them."""

Cut = Literal["stopped", "interrupted", "withdrawn", "edited"]
"""Why an answer is not given, or not to its end."""


class Question(msgspec.Struct, frozen=True):
    """What one turn is about."""

    event: AnyEvent
    """With the words that count now."""
    ids: tuple[str, ...]
    """The platform's ids of the messages that it was said in."""
    events: int = 1
    """So many events of the mailbox end with the turn."""
    cut: Cut | None = None
    """It is not to be answered."""


def question(waiting: Sequence[AnyEvent], overlap: Overlap, is_for_us: Callable[[AnyEvent], bool]) -> Question:
    """The turn of the first of the `waiting` events, in the light of those behind it."""
    head, *later = waiting
    is_stopped = any(asks_to_stop(event) and is_for_us(event) for event in later)
    if isinstance(head, Edited):
        changed, is_withdrawn = _as_edited(head, later)
        return Question(changed, _ids(head), cut="withdrawn" if is_withdrawn else "stopped" if is_stopped else None)
    if not isinstance(head, Message | Command):
        return Question(head, _ids(head))
    if isinstance(head, Command) and head.name not in ASKING:
        return Question(head, _ids(head))
    if is_stopped and is_for_us(head) and not asks_to_stop(head):
        return Question(head, _ids(head), cut="stopped")
    if isinstance(head, Command):
        return Question(head, _ids(head))
    asked, is_withdrawn = _as_edited(head, later)
    if is_withdrawn:
        return Question(head, _ids(head), cut="withdrawn")
    is_followed = any(isinstance(event, Message) and is_for_us(event) for event in later)
    if overlap == "interrupt" and is_followed and is_for_us(head):  # else it would be remembered as a question to us
        return Question(asked, _ids(head), cut="interrupted")
    together = [asked]
    if overlap == "collect" and not asked.attachments and is_for_us(asked):
        for event in later:
            if not isinstance(event, Message) or not _is_more(event, head) or not is_for_us(event):
                break
            said, is_withdrawn = _as_edited(event, later)
            together.append(msgspec.structs.replace(said, text="", message_id="") if is_withdrawn else said)
    return Question(_joined(together), tuple(id_ for each in together for id_ in _ids(each)), len(together))


def asks_to_stop(event: AnyEvent) -> bool:
    """Whether this is `/stop`, or just the word."""
    if isinstance(event, Command):
        return event.name == "stop"
    return isinstance(event, Message) and means_stop(event.text)


def may_cut(new: AnyEvent, overlap: Overlap) -> bool:
    """Whether an event could end an answer that is being given."""
    return (
        isinstance(new, Edited | Deleted) or asks_to_stop(new) or (overlap == "interrupt" and isinstance(new, Message))
    )


def cuts(new: AnyEvent, ids: Sequence[str], overlap: Overlap) -> Cut | None:
    """What a new event does to the answer that is being given to what was said in the messages `ids`.

    Where one of several is taken back, the others are still to be answered: it is as if that changed the question."""
    if isinstance(new, Edited | Deleted):
        if new.message_id not in ids:
            return None
        return "withdrawn" if isinstance(new, Deleted) and len(ids) == 1 else "edited"
    if asks_to_stop(new):
        return "stopped"
    return "interrupted" if overlap == "interrupt" and isinstance(new, Message) else None


def in_one_room(one: AnyEvent, other: AnyEvent) -> bool:
    """Ids tell messages apart in a room only; the chats of accounts that are linked are one conversation."""
    return (one.address.channel, one.address.room) == (other.address.channel, other.address.room)


def _is_more(said: Message, head: Message) -> bool:
    """The same user goes on in the same place."""
    return (said.user.id, said.address.channel, said.address.room, said.address.thread) == (
        head.user.id,
        head.address.channel,
        head.address.room,
        head.address.thread,
    )


def _as_edited(said: Said, later: Sequence[AnyEvent]) -> tuple[Said, bool]:
    """A message as it reads now, and whether it was taken back."""
    for event in later:
        if not said.message_id or event.message_id != said.message_id or not in_one_room(event, said):
            continue
        if isinstance(event, Deleted):
            return said, True
        if isinstance(event, Edited):
            said = msgspec.structs.replace(said, text=event.text, mentioned=said.mentioned or event.mentioned)
    return said, False


def _joined(messages: Sequence[Message]) -> Message:
    first = messages[0]
    if len(messages) == 1:
        return first
    return msgspec.structs.replace(
        first,
        text="\n".join(message.text for message in messages if message.text),
        attachments=tuple(file for message in messages for file in message.attachments),
    )


def _ids(event: AnyEvent) -> tuple[str, ...]:
    """A button is pressed under a message of ours, and said in none."""
    return (event.message_id,) if event.message_id and not isinstance(event, Press) else ()
