"""What belongs to one conversation: the key under which events are answered in order and remembered together."""

from functools import lru_cache
from typing import Literal
from urllib.parse import quote

from core.events import Event

Sharing = Literal["thread", "user", "room"]


def key(event: Event, sharing: Sharing) -> str:
    """The conversation of an event: by default its thread, else room + user in groups, else the direct chat.

    Parts are percent-quoted, so that no room or user name can be mistaken for another conversation."""
    to = event.address
    parts = [to.channel, to.room]
    if sharing == "thread" and to.thread:
        parts.append(to.thread)
    elif sharing != "room" and not event.direct:
        parts += ["", event.user.id]
    return "/".join(map(_quoted, parts))


@lru_cache(maxsize=4096)  # a turn asks for its key several times, and people speak more than once
def _quoted(part: str) -> str:
    return quote(part, safe=":+-@")


def beginning(channel: str) -> str:
    """What the names of all conversations of a channel begin with."""
    return f"{_quoted(channel)}/"


def joins(event: Event, sharing: Sharing) -> bool:
    """Whether this is said in a direct chat as a whole, which is one conversation with the other direct chats of the
    same person."""
    return event.direct and not (sharing == "thread" and event.address.thread)


def place(event: Event) -> str:
    """The direct chat that something is said in; empty for groups."""
    return f"{event.address.channel}/{event.address.room}" if event.direct else ""


def account(event: Event, platform: str) -> str:
    """Who did it, across all channels of a platform."""
    return f"{platform}:{event.user.id}"
