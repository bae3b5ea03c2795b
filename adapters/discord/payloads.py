"""The fields of Discord's payloads that are read here; all others may come and go.

https://docs.discord.com/developers/events/gateway-events, …/resources/message, …/interactions/receiving-and-responding
"""

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Struct

Snowflake = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{1,20}\Z")]
T = TypeVar("T")

THREADS = (10, 11, 12)
"""Channel types: announcement thread, public thread, private thread."""
THREADABLE = (0, 5)
"""Channel types under whose messages a thread can be opened: text, announcement."""


class Malformed(ValueError):
    """The payload is not what Discord documents."""


class Author(Struct):
    id: Snowflake
    username: str = ""
    global_name: str | None = None
    bot: bool = False


class Member(Struct):
    nick: str | None = None
    user: Author | None = None


class File(Struct):
    url: str
    filename: str = ""
    content_type: str | None = None
    size: int | None = None
    description: str | None = None


class Sticker(Struct):
    id: Snowflake
    name: str = ""


class Quoted(Struct):
    author: Author | None = None


class Component(Struct):
    custom_id: str = ""
    label: str | None = None
    components: tuple["Component", ...] = ()


class MessageData(Struct):
    id: Snowflake
    channel_id: Snowflake
    author: Author | None = None
    content: str = ""
    guild_id: Snowflake | None = None
    channel_type: int | None = None
    member: Member | None = None
    mentions: tuple[Author, ...] = ()
    mention_roles: tuple[str, ...] = ()
    edited_timestamp: str | None = None
    type: int = 0
    flags: int = 0
    webhook_id: str | None = None
    attachments: tuple[File, ...] = ()
    sticker_items: tuple[Sticker, ...] = ()
    referenced_message: Quoted | None = None
    components: tuple[Component, ...] = ()


class DeletionData(Struct):
    id: Snowflake
    channel_id: Snowflake
    guild_id: Snowflake | None = None


class EmojiData(Struct):
    name: str | None = None
    id: Snowflake | None = None


class ReactionData(Struct):
    user_id: Snowflake
    channel_id: Snowflake
    message_id: Snowflake
    emoji: EmojiData
    guild_id: Snowflake | None = None
    member: Member | None = None


class MemberData(Struct):
    guild_id: Snowflake
    user: Author
    nick: str | None = None


class Channel(Struct):
    id: Snowflake
    type: int = 0
    guild_id: Snowflake | None = None
    parent_id: Snowflake | None = None
    last_message_id: Snowflake | None = None


class RoleTags(Struct):
    bot_id: Snowflake | None = None


class Role(Struct):
    id: Snowflake
    tags: RoleTags | None = None


class Guild(Struct):
    id: Snowflake
    name: str = ""
    joined_at: str = ""
    unavailable: bool = False
    system_channel_id: Snowflake | None = None
    channels: tuple[Channel, ...] = ()
    threads: tuple[Channel, ...] = ()
    roles: tuple[Role, ...] = ()


class ThreadList(Struct):
    threads: tuple[Channel, ...] = ()


class GivenOption(Struct):
    name: str = ""
    value: str | int | float | bool | None = None
    options: tuple["GivenOption", ...] = ()


class InteractionInput(Struct):
    name: str = ""
    type: int = 1
    options: tuple[GivenOption, ...] = ()
    custom_id: str = ""
    values: tuple[str, ...] = ()


class InteractionData(Struct):
    id: Snowflake
    application_id: Snowflake
    type: int
    token: str
    channel_id: Snowflake | None = None
    channel: Channel | None = None
    guild_id: Snowflake | None = None
    member: Member | None = None
    user: Author | None = None
    locale: str | None = None
    context: int | None = None
    data: InteractionInput | None = None
    message: MessageData | None = None


class Ready(Struct):
    user: Author
    guilds: tuple[Guild, ...] = ()


def typed(data: Any, kind: type[T]) -> T:
    """The payload as typed data. Raises Malformed."""
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Malformed(str(error)) from error


def time_of(snowflake: str) -> float:
    """When the thing with this id was made, Unix seconds."""
    return ((int(snowflake) >> 22) + 1_420_070_400_000) / 1000


def snowflake_at(seconds: float) -> int:
    """The lowest id of that moment."""
    return max(int(seconds * 1000) - 1_420_070_400_000, 0) << 22
