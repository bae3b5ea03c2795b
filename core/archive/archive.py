"""The archive itself: takes turns, shows them, counts what they took, and forgets them."""

import asyncio
import contextlib
import datetime
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Row, Select, and_, case, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from core.archive.database import Database
from core.archive.record import Entry, Kept, Said, TakenBack, Used
from core.archive.tables import asked, deleted, erased, said, turns

DAY = 86400
CHUNK = 1000
"""Turns that one transaction expires at most, so that it is in nobody's way."""
LATE = 30 * DAY
"""Seconds for which it is remembered that a message was deleted: a turn about it may still be on its way."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much an erasure took."""

    turns: int = 0
    messages: int = 0
    """Those in turns of other people, which stay."""


class Archive:
    """Each call raises ArchiveAway when it may work later."""

    def __init__(self, url: str, var: Path, pseudonym: Callable[[str], str]) -> None:
        """`url`: `DATABASE_URL`, or empty for a file under `var`. `pseudonym`: of an account, under which its erasure
        is remembered. Raises HubError where the address is none."""
        self._database = Database(url, var)
        self._insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        self._pseudonym = pseudonym

    async def open(self) -> None:
        await self._database.open()

    async def close(self) -> None:
        await self._database.close()

    async def add(self, batch: Sequence[Entry]) -> int:
        """Keep these turns, all or none; those that are there already stay as they are.

        What people said who were erased since is left out; returns from how many turns. What was deleted since comes
        in without its words. Raises ArchiveRefusal where one of them can never be kept."""
        async with self._database.writes() as connection:
            gone = await self._erased(connection, {name for entry in batch for name in _people(entry.kept)})
            kept = [(entry, _without(entry, gone)) for entry in batch]
            rests = [(entry.id, rest) for entry, rest in kept if rest is not None]
            late = await _deleted(connection, {id_ for _, rest in rests for id_ in _ids(rest)})
            rests = [(id_, _emptied(rest) if any(each.is_of(rest) for each in late) else rest) for id_, rest in rests]
            rows = [_turn(id_, rest) for id_, rest in rests]
            lines = [line for id_, rest in rests for line in _said(id_, rest)]
            questions = [{"entry": id_, "message": message} for id_, rest in rests for message in _ids(rest)]
            for table, values in ((turns, rows), (said, lines), (asked, questions)):
                if values:
                    await connection.execute(self._insert(table).on_conflict_do_nothing(), values)
        return sum(rest is not entry.kept for entry, rest in kept)

    async def take_back(self, messages: Sequence[TakenBack]) -> int:
        """Empty the turns that these messages asked for, words and answer, also those that are yet to come in; who
        asked when and what it took stays. Returns how many there were."""
        stones = [{field: _clean(getattr(each, field)) for field in each.__struct_fields__} for each in messages]
        ids = {each["message"] for each in stones}
        async with self._database.writes(alone=True) as connection:
            await connection.execute(self._insert(deleted).on_conflict_do_nothing(), stones)
            named = select(asked.c.entry).where(asked.c.message.in_(ids))
            channels = {each["channel"] for each in stones}
            rooms = {each["room"] for each in stones} | ids
            wanted = select(turns).where(turns.c.entry.in_(named), turns.c.channel.in_(channels))
            found = await _named(connection, wanted.where(turns.c.room.in_(rooms), ~turns.c.deleted))
            gone = [entry for entry, kept in found.items() if any(each.is_of(kept) for each in messages)]
            for at in range(0, len(gone), CHUNK):
                some = gone[at : at + CHUNK]
                await connection.execute(update(said).where(said.c.entry.in_(some)).values(text=""))
                await connection.execute(update(turns).where(turns.c.entry.in_(some)).values(deleted=True))
        if gone:
            await self._database.wipe()
        return len(gone)

    async def history(self, conversation: str, *, limit: int = 100, session: str = "") -> list[Kept]:
        """The latest turns of a conversation, oldest first; of one session only where that is named."""
        wanted = select(turns).where(turns.c.conversation == conversation).order_by(turns.c.entry.desc()).limit(limit)
        if session:
            wanted = wanted.where(turns.c.session == session)
        async with self._database.reads() as connection:
            return (await _read(connection, wanted))[::-1]

    async def answered(self, event: str) -> list[Kept]:
        """The turns that answered an event of this id, in whatever channels; what an earlier version archived is found
        by the id of its message."""
        said_in = select(asked.c.entry).where(asked.c.message == event)
        wanted = select(turns).where(or_(turns.c.event == event, and_(turns.c.event == "", turns.c.entry.in_(said_in))))
        async with self._database.reads() as connection:
            return await _read(connection, wanted.order_by(turns.c.entry))

    async def export(self, accounts: Collection[str]) -> list[Kept]:
        """All turns of these people, and what they said in those of others, oldest first."""
        said_in = select(said.c.entry).where(said.c.author.in_(accounts))
        wanted = select(turns).where(or_(turns.c.account.in_(accounts), turns.c.entry.in_(said_in)))
        async with self._database.reads() as connection:
            found = await _read(connection, wanted.order_by(turns.c.entry))
        return [kept if kept.account in accounts else _theirs(kept, accounts) for kept in found]

    async def conversations(self, accounts: Collection[str]) -> set[str]:
        """Where they took part."""
        said_in = select(said.c.entry).where(said.c.author.in_(accounts))
        wanted = select(turns.c.conversation).where(or_(turns.c.account.in_(accounts), turns.c.entry.in_(said_in)))
        async with self._database.reads() as connection:
            return set((await connection.scalars(wanted.distinct())).all())

    async def erase(self, accounts: Collection[str], now: float) -> Forgotten:
        """Delete what these people said and what was answered to them; what still comes in of it from before `now`
        (Unix seconds, by the store's clock) is left out."""
        async with self._database.writes(alone=True) as connection:
            for account in sorted(accounts):
                stone = self._insert(erased).values(pseudonym=self._pseudonym(account), time=now)
                await connection.execute(
                    stone.on_conflict_do_update(index_elements=["pseudonym"], set_={"time": stone.excluded.time})
                )
            own = select(turns.c.entry).where(turns.c.account.in_(accounts))
            await connection.execute(delete(said).where(said.c.entry.in_(own)))
            gone = await connection.execute(delete(turns).where(turns.c.account.in_(accounts)))
            shared = select(said.c.entry).where(said.c.author.in_(accounts))
            lines = await connection.execute(
                delete(said).where(said.c.entry.in_(shared), or_(said.c.author.in_(accounts), said.c.role != "user"))
            )
        await self._database.wipe()
        return Forgotten(gone.rowcount, lines.rowcount)

    async def expire(self, kept_for: Mapping[str, datetime.timedelta | None], now: float) -> int:
        """Delete what is older than its channel keeps it; returns how many turns. Unnamed channels keep all."""
        total = 0
        for channel, span in kept_for.items():
            while span is not None:
                old = select(turns.c.entry).where(turns.c.channel == channel, turns.c.time < now - span.total_seconds())
                async with self._database.writes() as connection:
                    entries = (await connection.scalars(old.limit(CHUNK))).all()
                    await connection.execute(delete(said).where(said.c.entry.in_(entries)))
                    await connection.execute(delete(turns).where(turns.c.entry.in_(entries)))
                total += len(entries)
                if len(entries) < CHUNK:
                    break
        async with self._database.writes() as connection:
            await connection.execute(delete(deleted).where(deleted.c.time < now - LATE))
        if total:
            await self._database.wipe()
        return total

    async def usage(self, since: float, until: float, account: str = "") -> list[Used]:
        """What each account (or one) took on each day, from the day of `since` to that of `until`, Unix seconds."""
        has_words = select(said.c.entry).where(said.c.entry == turns.c.entry).exists()
        count = func.sum(case((has_words, 1), else_=0))
        sums = [func.sum(column) for column in (turns.c.prompt_tokens, turns.c.completion_tokens, turns.c.cost)]
        wanted = (
            select(turns.c.day, turns.c.account, count, *sums)
            .where(turns.c.day.between(int(since // DAY), int(until // DAY)))
            .group_by(turns.c.day, turns.c.account)
            .order_by(turns.c.day, turns.c.account)
        )
        if account:
            wanted = wanted.where(turns.c.account == account)
        async with self._database.reads() as connection:
            rows = (await connection.execute(wanted)).all()
        return [
            Used(_date(day), name, int(count), int(asked), int(answered), float(cost))
            for day, name, count, asked, answered, cost in rows
        ]

    async def _erased(self, connection: AsyncConnection, accounts: Collection[str]) -> dict[str, float]:
        """Account -> when it was erased."""
        names = {self._pseudonym(account): account for account in accounts}
        rows = await connection.execute(select(erased).where(erased.c.pseudonym.in_(names)))
        return {names[row.pseudonym]: row.time for row in rows}


@contextlib.asynccontextmanager
async def opened(archive: Archive) -> AsyncIterator[Archive]:
    """Ready for use while the body runs."""
    try:
        await archive.open()
        yield archive
    finally:
        await asyncio.shield(archive.close())


def _people(kept: Kept) -> set[str]:
    return {kept.account, *(each.author for each in kept.messages if each.author)}


def _without(entry: Entry, gone: Mapping[str, float]) -> Kept | None:
    """What may be kept of a turn, given when people were erased."""
    kept = entry.kept
    began = min(entry.time, kept.time or entry.time)
    names = {name for name in _people(kept) if began <= gone.get(name, -1.0)}
    if kept.account in names:
        return None
    return _others(kept, names) if names else kept


def _others(kept: Kept, names: Collection[str]) -> Kept:
    """The turn without what these people said; the answer was to them as well."""
    left = tuple(each for each in kept.messages if each.role == "user" and each.author not in names)
    return msgspec.structs.replace(kept, messages=left)


def _emptied(kept: Kept) -> Kept:
    """The turn without its words."""
    messages = tuple(msgspec.structs.replace(each, text="") for each in kept.messages)
    return msgspec.structs.replace(kept, messages=messages, deleted=True)


def _ids(kept: Kept) -> set[str]:
    """Of the messages that the question was said in."""
    return {_clean(id_) for each in kept.messages if each.role == "user" for id_ in each.ids}


async def _deleted(connection: AsyncConnection, messages: Collection[str]) -> list[TakenBack]:
    """Which of these were taken back before; those of other rooms that go by the same id are among them."""
    rows = await connection.execute(select(deleted).where(deleted.c.message.in_(messages)))
    return [TakenBack(*row) for row in rows]


def _theirs(kept: Kept, names: Collection[str]) -> Kept:
    """Of somebody else's turn what concerns these people."""
    own = tuple(each for each in kept.messages if each.role == "assistant" or each.author in names)
    return msgspec.structs.replace(kept, account="", person="", name="", messages=own)


def _turn(entry: str, kept: Kept) -> dict[str, Any]:
    values = {field: _clean(getattr(kept, field)) for field in kept.__struct_fields__ if field != "messages"}
    return {**values, "entry": entry, "day": int(kept.time // DAY)}


def _said(entry: str, kept: Kept) -> list[dict[str, Any]]:
    return [
        {
            **{field: _clean(getattr(each, field)) for field in each.__struct_fields__},
            "ids": json.dumps(each.ids),
            "entry": entry,
            "place": place,
        }
        for place, each in enumerate(kept.messages)
    ]


def _clean(value: Any) -> Any:
    """Postgres has no place for NUL in a text."""
    return value.replace("\0", "") if isinstance(value, str) else value


async def _read(connection: AsyncConnection, wanted: Select[Any]) -> list[Kept]:
    return list((await _named(connection, wanted)).values())


async def _named(connection: AsyncConnection, wanted: Select[Any]) -> dict[str, Kept]:
    """Each turn by its entry, in the order of the query."""
    rows = (await connection.execute(wanted)).all()
    entries = [row.entry for row in rows]
    lines: list[Row[Any]] = []
    for at in range(0, len(entries), CHUNK):
        some = select(said).where(said.c.entry.in_(entries[at : at + CHUNK])).order_by(said.c.entry, said.c.place)
        lines += (await connection.execute(some)).all()
    messages = {
        entry: tuple(map(_message, each))
        for entry, each in groupby(sorted(lines, key=lambda line: (line.entry, line.place)), lambda line: line.entry)
    }
    return {row.entry: _kept(row, messages.get(row.entry, ())) for row in rows}


def _message(line: Row[Any]) -> Said:
    fields = {name: value for name, value in line._mapping.items() if name in Said.__struct_fields__}
    return Said(**{**fields, "ids": tuple(json.loads(line.ids))})


def _kept(row: Row[Any], messages: tuple[Said, ...]) -> Kept:
    fields = {name: value for name, value in row._mapping.items() if name in Kept.__struct_fields__}
    return Kept(**fields, messages=messages)


def _date(day: int) -> str:
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=day)).isoformat()
