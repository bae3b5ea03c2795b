"""What belongs to one conversation: the key under which events are answered in order and remembered together."""

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
    return "/".join(quote(part, safe=":+-@") for part in parts)


def account(event: Event, platform: str) -> str:
    """Who did it, across all channels of a platform."""
    return f"{platform}:{event.user.id}"
