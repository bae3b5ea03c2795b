"""Turns to archive."""

import msgspec

from core.archive.record import Entry, Kept, Said

DAY = 86400.0
NOW = 20_000 * DAY


def turn(text="hello", account="p:ann", *, time=NOW, conversation="desk/room", room="room", direct=True, **more):
    messages = (
        Said("user", text, account, account.partition(":")[2], time, ids=(f"q-{text}",)),
        Said("assistant", f"you said {text}", time=time, tokens=2, model="m"),
    )
    return Kept(
        conversation=conversation,
        session="s1",
        channel=conversation.partition("/")[0],
        bot="echo",
        account=account,
        time=time,
        room=room,
        messages=messages,
        direct=direct,
        **{"prompt_tokens": 3, "completion_tokens": 2, "cost": 0.5, **more},
    )


def entry(kept, number=0):
    return Entry(f"{int(kept.time * 1000):013}-{number:06}-0", kept.time, kept)


def texts(turns):
    return [said.text for kept in turns for said in kept.messages if said.role == "user"]


def encoded(kept):
    return msgspec.json.encode(kept)
