"""Turns an update of the Bot API into an event; no I/O.

The structs name only what is read: newer fields are passed over, wrong types are refused."""

import re
from typing import Any

import msgspec

from core import events
from core.events import Address, AnyEvent, Attachment


class Named(msgspec.Struct, kw_only=True):
    first_name: str = ""
    last_name: str = ""

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


class User(Named):
    id: int
    is_bot: bool = False
    username: str = ""
    language_code: str | None = None


class Chat(msgspec.Struct):
    id: int
    type: str
    title: str = ""


class File(msgspec.Struct):
    file_id: str
    file_name: str = ""
    mime_type: str = ""
    file_size: int | None = None
    emoji: str = ""


class Location(msgspec.Struct):
    latitude: float
    longitude: float


class Contact(Named):
    phone_number: str


class Entity(msgspec.Struct):
    type: str
    user: User | None = None


class Button(msgspec.Struct):
    text: str
    callback_data: str | None = None


class Message(msgspec.Struct, kw_only=True):
    message_id: int
    chat: Chat
    date: int
    edit_date: int = 0
    sender: User | None = msgspec.field(name="from", default=None)
    sender_chat: Chat | None = None
    message_thread_id: int | None = None
    is_topic_message: bool = False
    reply_to_message: "Message | None" = None
    text: str = ""
    entities: list[Entity] = []
    caption: str = ""
    caption_entities: list[Entity] = []
    photo: list[File] = []
    animation: File | None = None
    audio: File | None = None
    document: File | None = None
    sticker: File | None = None
    video: File | None = None
    video_note: File | None = None
    voice: File | None = None
    location: Location | None = None
    contact: Contact | None = None
    new_chat_members: list[User] = []
    forum_topic_created: Any = None
    reply_markup: dict[str, list[list[Button]]] = {}

    @property
    def answered(self) -> User | None:
        """Whose message this one answers. In a topic, what replies to nothing names the topic's first message."""
        to = self.reply_to_message
        return to.sender if to and to.forum_topic_created is None else None


class CallbackQuery(msgspec.Struct, kw_only=True):
    id: str
    sender: User = msgspec.field(name="from")
    message: Message | None = None
    data: str = ""


class ReactionType(msgspec.Struct):
    type: str
    emoji: str = ""


class MessageReaction(msgspec.Struct, kw_only=True):
    chat: Chat
    message_id: int
    date: int
    user: User | None = None
    old_reaction: list[ReactionType]
    new_reaction: list[ReactionType]


class Member(msgspec.Struct):
    status: str
    user: User


class MemberChange(msgspec.Struct):
    chat: Chat
    date: int
    old_chat_member: Member
    new_chat_member: Member


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
_OUTSIDE = ("left", "kicked")
_FILES = {  # an animation comes with a document of the same, for old bots
    "animation": "video",
    "audio": "audio",
    "document": "file",
    "sticker": "sticker",
    "video": "video",
    "video_note": "video",
    "voice": "audio",
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
    if said := update.message or update.edited_message:
        return _said(channel, uid, said, me, is_edit=update.message is None)
    if update.callback_query:
        return _press(channel, uid, update.callback_query)
    if update.message_reaction:
        return _reaction(channel, uid, update.message_reaction)
    return _joined(channel, uid, update.my_chat_member) if update.my_chat_member else None


def _said(channel: str, uid: str, message: Message, me: User, is_edit: bool) -> AnyEvent | None:
    about = _about(channel, uid, message)
    text, mentioned = _heard(message, me)
    if is_edit:
        about |= {"time": float(message.edit_date)}
        return events.Edited(**about, text=text, mentioned=mentioned) if message.text or message.caption else None
    about |= {"also": (f"{message.chat.id}:{message.message_id}",)}
    for member in message.new_chat_members:
        if member.id != me.id:  # that the bot itself came in is told by `my_chat_member`
            return events.Joined(**about | {"user": _user(member)})
    if command := _COMMAND.fullmatch(message.text):
        name, addressee, rest = command.groups()
        if addressee and addressee.lower() != me.username.lower():
            return None
        return events.Command(**about, name=name.lower(), text=(rest or "").strip())
    attachment = _attachment(message)
    if not (message.text or message.caption or attachment):
        return None
    return events.Message(
        **about,
        text=text,
        mentioned=mentioned,
        to_others=not mentioned and _is_to_others(message, me),
        attachments=(attachment,) if attachment else (),
    )


def _press(channel: str, uid: str, query: CallbackQuery) -> AnyEvent | None:
    message = query.message
    if message is None:
        return None
    rows = message.reply_markup.get("inline_keyboard", [])
    labels = {button.callback_data: button.text for row in rows for button in row}
    about = _about(channel, uid, message) | {"user": _user(query.sender), "time": 0.0}
    return events.Press(**about, also=(f"press:{query.id}",), value=query.data, label=labels.get(query.data, ""))


def _reaction(channel: str, uid: str, reaction: MessageReaction) -> AnyEvent | None:
    added = [kind for kind in reaction.new_reaction if kind not in reaction.old_reaction]
    changed = added or [kind for kind in reaction.old_reaction if kind not in reaction.new_reaction]
    if not changed or reaction.user is None:
        return None
    message = Message(message_id=reaction.message_id, chat=reaction.chat, date=reaction.date, sender=reaction.user)
    emoji = changed[0].emoji or changed[0].type
    return events.Reaction(**_about(channel, uid, message), emoji=emoji, added=bool(added))


def _joined(channel: str, uid: str, change: MemberChange) -> AnyEvent | None:
    before, after = change.old_chat_member, change.new_chat_member
    came = before.status in _OUTSIDE and after.status not in _OUTSIDE
    if not came or change.chat.type == "private":  # there it means that a user lifted his block
        return None
    address = Address(channel, str(change.chat.id))
    return events.Joined(uid=uid, address=address, user=_user(after.user), time=float(change.date), is_me=True)


def _about(channel: str, uid: str, message: Message) -> dict[str, Any]:
    """What all events have in common that are about a message."""
    direct = message.chat.type == "private"
    # Elsewhere than in topics a thread id only marks a chain of replies.
    thread = str(message.message_thread_id) if message.is_topic_message and message.message_thread_id else None
    number = str(message.message_id)
    return {
        "uid": uid,
        "address": Address(channel, str(message.chat.id), thread, None if direct else number),
        "user": _sender(message),
        "message_id": number,
        "direct": direct,
        "time": float(message.date),
    }


def _sender(message: Message) -> events.User:
    """Anonymous admins and channels speak as a chat; the `from` beside it is a stand-in."""
    if message.sender is None or message.sender_chat is not None:
        chat = message.sender_chat or message.chat
        return events.User(str(chat.id), chat.title)
    return _user(message.sender)


def _user(user: User) -> events.User:
    return events.User(str(user.id), user.name, user.is_bot, user.language_code)


def _heard(message: Message, me: User) -> tuple[str, bool]:
    """The text without our name, and whether that was there or a message of ours is answered."""
    text = message.text or message.caption
    # Telegram's own rule of what a mention is. Bots have usernames, so there is no other way to name one.
    rest, named = re.subn(rf"(?<!\w)@{me.username}\b ?", "", text, flags=re.IGNORECASE)
    if named:
        return rest.strip(), True
    return text, message.answered is not None and message.answered.id == me.id


def _is_to_others(message: Message, me: User) -> bool:
    """Given that we are not meant: whether somebody else is named or answered."""
    author, sender = message.answered, message.sender
    if author is not None and not author.is_bot and (sender is None or author.id != sender.id):
        return True
    entities = (*message.entities, *message.caption_entities)
    return any(one.type == "mention" or (one.user is not None and one.user.id != me.id) for one in entities)


def _attachment(message: Message) -> Attachment | None:
    if message.photo:
        largest = message.photo[-1]
        return Attachment("image", largest.file_id, mime="image/jpeg", size=largest.file_size)
    for field, kind in _FILES.items():
        file: File | None = getattr(message, field)
        if file is not None:
            return Attachment(kind, file.file_id, file.file_name, file.mime_type, file.file_size, file.emoji)
    if place := message.location:
        return Attachment("location", "", text=f"{place.latitude:.6f}, {place.longitude:.6f}")
    if contact := message.contact:
        return Attachment("contact", "", contact.name, text=f"{contact.name} {contact.phone_number}")
    return None
