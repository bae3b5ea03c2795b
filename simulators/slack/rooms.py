"""What has been said where: the wire's records and what people see of them."""

import itertools
import time
from collections.abc import Callable
from typing import Any

from simulators.slack.display import show
from simulators.slack.events import BOT, BOT_USER, HUMAN, Payload
from simulators.stage import Seen

NAMES = {HUMAN: "Ada", "U2": "Ben", BOT_USER: "hub", "C1": "general"}


class Rooms:
    def __init__(self, messages: list[Seen], changed: Callable[[], None]) -> None:
        self._messages = messages
        self._changed = changed
        self._count = itertools.count(100)
        self._records: dict[tuple[str, str], Payload] = {}
        self._seen: dict[tuple[str, str], Seen] = {}
        self.known = {"C1", "D1"}
        self.people = {who: name for who, name in NAMES.items() if who.startswith("U")}
        """Those of the workspace, and what they are called; who has no name is called by the id."""

    def stamp(self) -> str:
        """A time that is a name: no two messages of a workspace share one here."""
        return f"{int(time.time())}.{next(self._count) % 1_000_000:06d}"

    def record(self, room: str, ts: str) -> Payload | None:
        return self._records.get((room, ts))

    def post(self, room: str, record: Payload, *, only_for: str | None = None, is_bot: bool = False) -> Seen:
        """Show a new message, and keep its record unless it is for one user's eyes."""
        ts, user = record["ts"], str(record["user"])
        seen = Seen(
            id=ts,
            room=room,
            author=user,
            text=record["text"],
            html=_html(record),
            name=self.people.setdefault(user, user),
            thread=record.get("thread_ts"),
            is_bot=is_bot,
            choices=_choices(record),
            only_for=only_for,
        )
        self.known.add(room)
        if only_for is None:
            self._records[room, ts] = record
        self._seen[room, ts] = seen
        self._messages.append(seen)
        self._changed()
        return seen

    def edit(self, room: str, ts: str, record: Payload) -> None:
        if (room, ts) in self._records:
            self._records[room, ts] = record
        seen = self._seen[room, ts]
        seen.text, seen.html, seen.choices, seen.edited = record["text"], _html(record), _choices(record), True
        self._changed()

    def delete(self, room: str, ts: str) -> None:
        self._records.pop((room, ts), None)
        self._seen[room, ts].deleted = True
        self._changed()

    def history(self, room: str, thread: str | None, oldest: float) -> list[Payload]:
        """Newest first for a room; a thread oldest first, its own first message always with it."""
        found = [r for (where, _), r in self._records.items() if where == room]
        if thread:
            return [
                r for r in found if r["ts"] == thread or (r.get("thread_ts") == thread and float(r["ts"]) >= oldest)
            ]
        top = [r for r in found if r.get("thread_ts") in (None, r["ts"]) and float(r["ts"]) >= oldest]
        return top[::-1]


def wire_text(text: str) -> str:
    """What a user typed, as the wire has it: three entities, and `@hub` as a mention."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("@hub", f"<@{BOT_USER}>")


def own(room: str, ts: str, call: dict[str, Any]) -> Payload:
    """The record of a message that the app posts."""
    record: Payload = {"type": "message", "user": BOT_USER, "bot_id": BOT, "ts": ts, "text": call.get("text", "")}
    if call.get("thread_ts"):
        record["thread_ts"] = call["thread_ts"]
    return record | {key: call[key] for key in ("blocks", "metadata") if call.get(key)}


def _choices(record: Payload) -> list[tuple[str, str]]:
    return [
        (element["text"]["text"], element.get("value", ""))
        for block in record.get("blocks") or ()
        if block.get("type") == "actions"
        for element in block["elements"]
        if element.get("type") == "button"
    ]


def _html(record: Payload) -> str:
    """Blocks where there are any; the text is for notifications then."""
    sections = [block["text"]["text"] for block in record.get("blocks") or () if block.get("type") == "section"]
    return show("\n".join(sections) if sections else record["text"], NAMES)
