"""Turns an update of the Bot API into an event; no I/O.

The structs name only what is read: newer fields are passed over, wrong types are refused."""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from core import events
from core.events import Address, AnyEvent, Attachment


class User(msgspec.Struct):
    id: int
    is_bot: bool = False
    first_name: str = ""
    last_name: str = ""
    username: str = ""
    language_code: str | None = None


class Chat(msgspec.Struct):
    id: int
    type: str
    title: str = ""
    first_name: str = ""


class Entity(msgspec.Struct):
    type: str
    offset: int
    length: int
    user: User | None = None


class File(msgspec.Struct):
    file_id: str
    file_name: str = ""
    mime_type: str = ""
    file_size: int | None = None
    title: str = ""
    emoji: str = ""


class Location(msgspec.Struct):
    latitude: float
    longitude: float


class Venue(msgspec.Struct):
    title: str
    address: str = ""


class Contact(msgspec.Struct):
    phone_number: str
    first_name: str = ""
    last_name: str = ""


class Button(msgspec.Struct):
    text: str = ""
    callback_data: str | None = None


class Keyboard(msgspec.Struct):
    inline_keyboard: list[list[Button]] = []


class Message(msgspec.Struct, kw_only=True):
    message_id: int
    chat: Chat
    date: int = 0
    edit_date: int | None = None
    sender: User | None = msgspec.field(name="from", default=None)
    sender_chat: Chat | None = None
    message_thread_id: int | None = None
    is_topic_message: bool = False
    reply_to_message: "Message | None" = None
    text: str | None = None
    caption: str | None = None
    entities: list[Entity] = []
    caption_entities: list[Entity] = []
    photo: list[File] = []
    voice: File | None = None
    audio: File | None = None
    video: File | None = None
    video_note: File | None = None
    animation: File | None = None
    document: File | None = None
    sticker: File | None = None
    location: Location | None = None
    venue: Venue | None = None
    contact: Contact | None = None
    new_chat_members: list[User] = []
    forum_topic_created: Any = None
    direct_messages_topic: Any = None
    business_connection_id: str | None = None
    guest_query_id: str | None = None
    reply_markup: Keyboard | None = None


class CallbackQuery(msgspec.Struct, kw_only=True):
    id: str
    sender: User = msgspec.field(name="from")
    message: Message | None = None
    data: str | None = None


class ReactionType(msgspec.Struct):
    type: str
    emoji: str = ""
    custom_emoji_id: str = ""


class MessageReaction(msgspec.Struct, kw_only=True):
    chat: Chat
    message_id: int
    date: int = 0
    user: User | None = None
    actor_chat: Chat | None = None
    old_reaction: list[ReactionType]
    new_reaction: list[ReactionType]


class Member(msgspec.Struct):
    status: str
    user: User
    is_member: bool = False


class MemberChange(msgspec.Struct):
    chat: Chat
    old_chat_member: Member
    new_chat_member: Member
    date: int = 0


class Update(msgspec.Struct, kw_only=True):
    update_id: int
    message: Message | None = None
    edited_message: Message | None = None
    callback_query: CallbackQuery | None = None
    message_reaction: MessageReaction | None = None
    my_chat_member: MemberChange | None = None


KINDS = Update.__struct_fields__[1:]
"""What to ask the Bot API for: left out, its default or the last bot's choice would stand."""

_decoder = msgspec.json.Decoder(Update)
_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,64})(?:@([A-Za-z0-9_]+))?(?:\s+(.*))?", re.DOTALL)
_FILES = {
    "voice": "audio",
    "audio": "audio",
    "video": "video",
    "video_note": "video",
    "animation": "video",
    "document": "file",
    "sticker": "sticker",
}


def parse(payload: bytes | dict[str, Any]) -> Update:
    """The update in a webhook's body or in a poll's answer. Raises ValueError on anything else."""
    try:
        return _decoder.decode(payload) if isinstance(payload, bytes) else msgspec.convert(payload, Update)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not an update: {error}") from None


def to_event(channel: str, update: Update, me: User) -> AnyEvent | None:
    """What happened, or None where that is nothing to answer."""
    uid = str(update.update_id)
    if update.message is not None:
        return _message(channel, uid, update.message, me)
    if update.edited_message is not None:
        return _edited(channel, uid, update.edited_message, me)
    if update.callback_query is not None:
        return _press(channel, uid, update.callback_query)
    if update.message_reaction is not None:
        return _reaction(channel, uid, update.message_reaction)
    if update.my_chat_member is not None:
        return _joined(channel, uid, update.my_chat_member)
    return None


def _message(channel: str, uid: str, message: Message, me: User) -> AnyEvent | None:
    sender = _sender(message)
    if sender is None or _belongs_elsewhere(message):
        return None
    about = partial(_about, channel, uid, message)
    for member in message.new_chat_members:
        if member.id != me.id:  # that the bot itself came in is told by `my_chat_member`
            return events.Joined(**about(_user(member)))
    if message.text and (command := _COMMAND.fullmatch(message.text)):
        name, addressee, rest = command.groups()
        if addressee and addressee.lower() != me.username.lower():
            return None
        return events.Command(**about(sender), name=name.lower(), text=(rest or "").strip())
    text, named = _heard(message, me)
    attachments = tuple(_attachments(message))
    if not attachments and message.text is None and message.caption is None:
        return None
    mentioned = named or _answers(message, me)
    return events.Message(**about(sender), text=text, mentioned=mentioned, attachments=attachments)


def _edited(channel: str, uid: str, message: Message, me: User) -> AnyEvent | None:
    sender = _sender(message)
    if sender is None or _belongs_elsewhere(message) or (message.text is None and message.caption is None):
        return None
    text, named = _heard(message, me)
    about = _about(channel, uid, message, sender) | {"also": (), "time": float(message.edit_date or message.date)}
    return events.Edited(**about, text=text, mentioned=named or _answers(message, me))


def _press(channel: str, uid: str, query: CallbackQuery) -> AnyEvent | None:
    message = query.message
    if message is None or query.data is None or _belongs_elsewhere(message):
        return None
    rows = message.reply_markup.inline_keyboard if message.reply_markup else []
    label = next((button.text for row in rows for button in row if button.callback_data == query.data), "")
    about = _about(channel, uid, message, _user(query.sender)) | {"also": (f"press:{query.id}",), "time": 0.0}
    return events.Press(**about, value=query.data, label=label)


def _reaction(channel: str, uid: str, reaction: MessageReaction) -> AnyEvent | None:
    before, after = ({_emoji(kind) for kind in kinds} for kinds in (reaction.old_reaction, reaction.new_reaction))
    changed = sorted(after - before) or sorted(before - after)
    user = _user(reaction.user) if reaction.user else reaction.actor_chat and _chat_user(reaction.actor_chat)
    if not changed or not user:
        return None
    message = Message(message_id=reaction.message_id, chat=reaction.chat, date=reaction.date)
    about = _about(channel, uid, message, user) | {"also": ()}
    return events.Reaction(**about, emoji=changed[0], added=bool(after - before))


def _joined(channel: str, uid: str, change: MemberChange) -> AnyEvent | None:
    came = not _is_in(change.old_chat_member) and _is_in(change.new_chat_member)
    if not came or change.chat.type == "private":  # there it means that a user lifted his block
        return None
    return events.Joined(
        uid=uid,
        address=Address(channel, str(change.chat.id)),
        user=_user(change.new_chat_member.user),
        time=float(change.date),
        is_me=True,
    )


def _is_in(member: Member) -> bool:
    return member.status in ("member", "administrator", "creator") or member.is_member


def _belongs_elsewhere(message: Message) -> bool:
    """Said on a business account's behalf, to a guest bot, or in a channel's inbox: other methods answer there."""
    return bool(message.business_connection_id or message.guest_query_id or message.direct_messages_topic)


def _about(channel: str, uid: str, message: Message, user: events.User) -> dict[str, Any]:
    direct = message.chat.type == "private"
    # Elsewhere than in topics a thread id only marks a chain of replies.
    thread = str(message.message_thread_id) if message.is_topic_message and message.message_thread_id else None
    room, number = str(message.chat.id), str(message.message_id)
    return {
        "uid": uid,
        "also": (f"{room}:{number}",),
        "address": Address(channel, room, thread, None if direct else number),
        "user": user,
        "message_id": number,
        "direct": direct,
        "time": float(message.date),
    }


def _sender(message: Message) -> events.User | None:
    """Anonymous admins and channels speak as a chat; the `from` beside it is a stand-in."""
    if message.sender_chat is not None:
        return _chat_user(message.sender_chat)
    return _user(message.sender) if message.sender else None


def _user(user: User) -> events.User:
    name = f"{user.first_name} {user.last_name}".strip() or user.username
    return events.User(str(user.id), name, user.is_bot, user.language_code)


def _chat_user(chat: Chat) -> events.User:
    return events.User(str(chat.id), chat.title or chat.first_name)


def _answers(message: Message, me: User) -> bool:
    """Whether it replies to a message of ours. In a topic, what replies to nothing names the topic's first message."""
    to = message.reply_to_message
    return bool(to and to.sender and to.sender.id == me.id and to.forum_topic_created is None)


def _heard(message: Message, me: User) -> tuple[str, bool]:
    """The text without our name, and whether that was there. Entities count in UTF-16 units."""
    text, entities = (
        (message.text, message.entities)
        if message.text is not None
        else (message.caption or "", message.caption_entities)
    )
    named = False
    for entity in sorted(entities, key=lambda entity: entity.offset, reverse=True):
        if entity.type not in ("mention", "text_mention") or entity.offset < 0 or entity.length < 0:
            continue
        units = text.encode("utf-16-le")
        start, end = 2 * entity.offset, 2 * (entity.offset + entity.length)
        before, name, after = (
            part.decode("utf-16-le", "ignore") for part in (units[:start], units[start:end], units[end:])
        )
        if entity.user.id == me.id if entity.user else name.lower() == f"@{me.username.lower()}":
            named = True
            text = before + (after[1:] if before[-1:].isspace() and after[:1].isspace() else after)
    return (text.strip() if named else text), named


def _attachments(message: Message) -> Iterator[Attachment]:
    if message.photo:
        largest = message.photo[-1]
        yield Attachment("image", largest.file_id, mime="image/jpeg", size=largest.file_size)
    for field, kind in _FILES.items():
        file: File | None = getattr(message, field)
        if file is not None and not (field == "document" and message.animation):  # told twice for old bots
            yield Attachment(
                kind, file.file_id, file.file_name or file.title, file.mime_type, file.file_size, file.emoji
            )
    if message.location is not None:
        place: Sequence[str] = (message.venue.title, message.venue.address) if message.venue else ()
        at = f"{message.location.latitude:.6f}, {message.location.longitude:.6f}"
        yield Attachment("location", "", text=", ".join(filter(None, (*place, at))))
    if message.contact is not None:
        name = f"{message.contact.first_name} {message.contact.last_name}".strip()
        yield Attachment("contact", "", name, text=f"{name} {message.contact.phone_number}".strip())


def _emoji(kind: ReactionType) -> str:
    return kind.emoji or kind.custom_emoji_id or kind.type
