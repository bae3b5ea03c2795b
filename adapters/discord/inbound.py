"""Gateway payloads -> events. Pure: all that must be known beside the payload is in `Places`."""

import re
from typing import Any

from adapters.discord.handle import Interaction, Opening, Quote
from adapters.discord.payloads import (
    THREADABLE,
    Author,
    Component,
    DeletionData,
    File,
    GivenOption,
    Guild,
    InteractionData,
    InteractionInput,
    Member,
    MemberData,
    MessageData,
    ReactionData,
    time_of,
    typed,
)
from adapters.discord.places import Places, lobby_of
from core.events import (
    Address,
    AnyEvent,
    Attachment,
    Command,
    Cursor,
    Deleted,
    Edited,
    Joined,
    Message,
    Press,
    Reaction,
    User,
)

SAID = (0, 19)
"""Message types that a person typed: https://docs.discord.com/developers/resources/message#message-object-message-types"""
USER_JOIN = 7
VOICE = 1 << 13
PRIVATE = frozenset({"help", "reset"})
"""Commands whose answer only the asker sees."""

_MARKUP = re.compile(r"([ \t]*)<(?:@([!&]?)(\d+)|a?:(\w+):\d+)>([ \t]*)")


def to_event(channel: str, name: str, data: Any, here: Places, delivery: str = "") -> AnyEvent | None:
    """The event behind one dispatch of the gateway, or None where there is nothing to tell. Raises Malformed.

    `delivery` names this dispatch, the same when it is replayed: reactions have no id of their own."""
    match name:
        case "MESSAGE_CREATE":
            return _message(channel, typed(data, MessageData), here)
        case "MESSAGE_UPDATE":
            return _edited(channel, typed(data, MessageData), here)
        case "MESSAGE_DELETE":
            return _deleted(channel, typed(data, DeletionData), here)
        case "MESSAGE_REACTION_ADD" | "MESSAGE_REACTION_REMOVE":
            return _reaction(channel, typed(data, ReactionData), here, name.endswith("ADD"), delivery)
        case "INTERACTION_CREATE":
            return _interaction(channel, typed(data, InteractionData), here)
        case "GUILD_MEMBER_ADD":
            return _member(channel, typed(data, MemberData), here)
        case "GUILD_CREATE":
            return _invited(channel, typed(data, Guild), here)
        case _:
            return None


def _message(channel: str, said: MessageData, here: Places) -> AnyEvent | None:
    if said.author is None or said.author.id == here.me:
        return None
    if said.type == USER_JOIN and said.guild_id:
        address = Address(channel, said.channel_id)
        return _joined(address, _user(said.author, said.member), said.guild_id, time_of(said.id))
    if said.type not in SAID:
        return None
    mentioned = _mentioned(said, here)
    return Message(
        uid=said.id,
        address=_address(channel, said, here, mentioned),
        user=_user(said.author, said.member, webhook=said.webhook_id is not None),
        message_id=said.id,
        direct=said.guild_id is None,
        time=time_of(said.id),
        cursor=Cursor(said.channel_id, said.id),
        text=_readable(said, here),
        mentioned=mentioned,
        attachments=_attachments(said),
    )


def _edited(channel: str, said: MessageData, here: Places) -> Edited | None:
    """Unfurled links come as updates too, without a time of edit or with that of an edit already told."""
    if not said.edited_timestamp or said.author is None or said.author.id == here.me or said.type not in SAID:
        return None
    mentioned = _mentioned(said, here)
    return Edited(
        uid=f"{said.id}:{said.edited_timestamp}",
        address=_address(channel, said, here, mentioned),
        user=_user(said.author, said.member, webhook=said.webhook_id is not None),
        message_id=said.id,
        direct=said.guild_id is None,
        time=time_of(said.id),
        text=_readable(said, here),
        mentioned=mentioned,
    )


def _deleted(channel: str, gone: DeletionData, here: Places) -> Deleted:
    thread = gone.channel_id if here.is_thread(gone.channel_id, None) else None
    unknown = Address(channel, gone.channel_id, thread), User(id=""), gone.guild_id is None
    address, user, direct = here.said.get(gone.id, unknown)
    return Deleted(uid=f"deleted:{gone.id}", address=address, user=user, direct=direct, message_id=gone.id)


def _reaction(channel: str, data: ReactionData, here: Places, added: bool, delivery: str) -> Reaction | None:
    if data.user_id == here.me:
        return None
    emoji = data.emoji.name or data.emoji.id or ""
    who = data.member.user if data.member and data.member.user else Author(id=data.user_id)
    thread = data.channel_id if here.is_thread(data.channel_id, None) else None
    sign = "+" if added else "-"
    return Reaction(
        uid=f"reaction:{data.message_id}:{data.user_id}:{emoji}:{sign}:{delivery}",
        address=Address(channel, data.channel_id, thread, str(Quote(data.message_id))),
        user=_user(who, data.member),
        message_id=data.message_id,
        direct=data.guild_id is None,
        emoji=emoji,
        added=added,
    )


def _interaction(channel: str, asked: InteractionData, here: Places) -> Command | Press | None:
    author = asked.member.user if asked.member and asked.member.user else asked.user
    if author is None or asked.channel_id is None or asked.data is None:
        return None
    kind = asked.channel.type if asked.channel else None
    thread = asked.channel_id if here.is_thread(asked.channel_id, kind) else None
    user = _user(author, asked.member, locale=asked.locale)
    direct = asked.guild_id is None and asked.context != 2  # 2: a private channel between other people
    if asked.type == 2 and asked.data.type == 1:
        name = asked.data.name.lower()
        handle = Interaction(asked.id, asked.application_id, asked.token, name in PRIVATE)
        return Command(
            uid=asked.id,
            address=Address(channel, asked.channel_id, thread, str(handle)),
            user=user,
            direct=direct,
            time=time_of(asked.id),
            name=name,
            text=" ".join(_words(asked.data.options)),
        )
    if asked.type == 3 and asked.message is not None:
        value = _pressed(asked.data)
        return Press(
            uid=asked.id,
            address=Address(channel, asked.channel_id, thread, str(Quote(asked.message.id))),
            user=user,
            message_id=asked.message.id,
            direct=direct,
            time=time_of(asked.id),
            value=value,
            label=_label(asked.message.components, value),
        )
    return None


def _member(channel: str, new: MemberData, here: Places) -> Joined | None:
    lobby = here.lobbies.get(new.guild_id)
    if lobby is None or new.user.id == here.me:
        return None
    return _joined(Address(channel, lobby), _user(new.user, Member(new.nick)), new.guild_id, 0.0)


def _joined(address: Address, user: User, guild: str, time: float) -> Joined:
    """The same id by both ways of hearing of it: the greeting in the lobby, and the privileged event."""
    return Joined(uid=f"joined:{guild}:{user.id}", address=address, user=user, time=time)


def _invited(channel: str, guild: Guild, here: Places) -> Joined | None:
    """A guild that was not there at READY is one that somebody has just asked the bot into."""
    lobby = lobby_of(guild)
    if guild.id in here.guilds or guild.unavailable or lobby is None:
        return None
    uid = f"joined:{guild.id}:{here.me}:{guild.joined_at}"
    return Joined(uid=uid, address=Address(channel, lobby), user=User(here.me, is_bot=True), is_me=True)


def _address(channel: str, said: MessageData, here: Places, mentioned: bool) -> Address:
    room = said.channel_id
    if here.is_thread(room, said.channel_type):
        return Address(channel, room, room, str(Quote(said.id)))
    if said.guild_id is None:
        return Address(channel, room)
    home = here.homes.get(room)
    kind = said.channel_type if said.channel_type is not None else home.type if home else 0
    if here.under_mentions and mentioned and kind in THREADABLE:
        # A thread started from a message has the id of that message.
        title = " ".join(_readable(said, here).split())[:90]
        return Address(channel, said.id, said.id, str(Opening(room, said.id, title)))
    return Address(channel, room, reply=str(Quote(said.id)))


def _mentioned(said: MessageData, here: Places) -> bool:
    quoted = said.referenced_message.author if said.referenced_message else None
    return (
        any(user.id == here.me for user in said.mentions)
        or not here.roles.isdisjoint(said.mention_roles)
        or (quoted is not None and quoted.id == here.me)
    )


def _readable(said: MessageData, here: Places) -> str:
    """The text as it reads on screen: our own name taken out, other names written out."""
    names = {user.id: user.global_name or user.username for user in said.mentions}

    def name(found: re.Match[str]) -> str:
        before, sign, who, emoji, after = found.groups()
        if emoji:
            return f"{before}:{emoji}:{after}"
        if (who == here.me and sign != "&") or (who in here.roles and sign == "&"):
            return " "
        return f"{before}@{names[who]}{after}" if who in names and sign != "&" else found[0]

    return _MARKUP.sub(name, said.content).strip()


def _user(author: Author, member: Member | None, *, webhook: bool = False, locale: str | None = None) -> User:
    nick = member.nick if member else None
    return User(author.id, nick or author.global_name or author.username, author.bot or webhook, locale)


def _attachments(said: MessageData) -> tuple[Attachment, ...]:
    files = [_attachment(file, voice=bool(said.flags & VOICE)) for file in said.attachments]
    stickers = [Attachment("sticker", sticker.id, sticker.name) for sticker in said.sticker_items]
    return (*files, *stickers)


def _attachment(file: File, voice: bool) -> Attachment:
    mime = file.content_type or ""
    family = mime.partition("/")[0]
    kind = "audio" if voice else family if family in ("image", "audio", "video") else "file"
    return Attachment(kind, file.url, file.filename, mime, file.size, file.description or "")


def _words(options: tuple[GivenOption, ...]) -> list[str]:
    words: list[str] = []
    for option in options:
        words += [option.name, *_words(option.options)] if option.value is None else [str(option.value)]
    return words


def _pressed(given: InteractionInput) -> str:
    return given.values[0] if given.values else given.custom_id


def _label(components: tuple[Component, ...], value: str) -> str:
    for component in components:
        if component.custom_id == value and component.label:
            return component.label
        if found := _label(component.components, value):
            return found
    return ""
