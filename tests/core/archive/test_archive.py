"""The archive, on SQLite and on Postgres."""

import asyncio
from datetime import timedelta

import pytest

from core.archive.archive import Archive, opened
from core.archive.errors import ArchiveRefusal
from core.archive.record import Said, Used
from core.errors import HubError
from tests.core.archive.turns import DAY, NOW, entry, texts, turn


async def test_turns_come_back_as_they_were_kept(archive):
    kept = turn("héllo 🌍", person="P1", name="Ann", language="de")
    await archive.add([entry(kept)])
    assert await archive.history("desk/room") == [kept]


async def test_the_same_entry_twice_is_kept_once(archive):
    await archive.add([entry(turn())])
    await archive.add([entry(turn()), entry(turn("more"), 1)])
    assert texts(await archive.history("desk/room")) == ["hello", "more"]


async def test_a_batch_is_kept_whole_or_not_at_all(archive):
    with pytest.raises(ArchiveRefusal):
        await archive.add([entry(turn()), entry(turn("odd", prompt_tokens=2**70), 1)])
    assert await archive.history("desk/room") == []


async def test_a_text_with_nul_loses_it(archive):
    await archive.add([entry(turn("a\0b"))])
    assert texts(await archive.history("desk/room")) == ["ab"]


async def test_history_gives_the_latest_turns_oldest_first(archive):
    await archive.add([entry(turn(str(n)), n) for n in range(5)])
    await archive.add([entry(turn("elsewhere", conversation="desk/other"), 9)])
    assert texts(await archive.history("desk/room", limit=2)) == ["3", "4"]
    assert await archive.history("desk/room", session="s2") == []


async def test_an_export_holds_all_of_a_person_and_nothing_of_others(archive):
    await archive.add([entry(turn("mine")), entry(turn("linked", "q:ann"), 1), entry(turn("theirs", "p:ben"), 2)])
    assert texts(await archive.export({"p:ann", "q:ann"})) == ["mine", "linked"]
    assert await archive.conversations({"p:ben"}) == {"desk/room"}


async def test_who_is_erased_is_gone_and_others_stay(archive):
    await archive.add([entry(turn("mine")), entry(turn("theirs", "p:ben"), 1)])
    forgotten = await archive.erase({"p:ann"}, NOW + 1)
    assert forgotten.turns == 1
    assert texts(await archive.history("desk/room")) == ["theirs"]


async def test_in_a_turn_of_somebody_else_the_erased_ones_words_and_the_answer_go(archive):
    kept = turn("theirs", "p:ben")
    both = turn("theirs", "p:ben", cost=0.25)
    both = type(both)(
        **{f: getattr(both, f) for f in both.__struct_fields__}
        | {"messages": (*kept.messages, Said("user", "canary", "p:ann"))}
    )
    await archive.add([entry(both)])
    assert texts(await archive.export({"p:ann"})) == ["canary"]
    await archive.erase({"p:ann"}, NOW + 1)
    (left,) = await archive.history("desk/room")
    assert [said.text for said in left.messages] == ["theirs"]


async def test_what_comes_late_of_an_erased_person_is_left_out_and_what_is_new_is_kept(archive):
    await archive.erase({"p:ann"}, NOW + 10)
    late, new = turn("late", time=NOW + 9), turn("new", time=NOW + 11)
    assert await archive.add([entry(late), entry(new)]) == 1
    assert await archive.history("desk/room") == [new]


async def test_a_turn_that_began_before_the_erasure_and_ended_after_it_is_left_out(archive):
    await archive.erase({"p:ann"}, NOW + 10)
    began = turn("late", time=NOW + 9)
    ended = type(entry(began))("1", NOW + 20, began)
    assert await archive.add([ended]) == 1


async def test_no_name_is_kept_of_who_was_erased(archive, url, tmp_path):
    await archive.add([entry(turn("canary-text", "p:canary-id", name="canary-name"))])
    await archive.erase({"p:canary-id"}, NOW + 1)
    if url.startswith("sqlite"):
        left = b"".join(file.read_bytes() for file in tmp_path.glob("archive.db*"))
        assert b"turns" in left
        assert b"canary" not in left


async def test_each_channel_keeps_turns_as_long_as_it_says(archive):
    old, new = turn("old", time=NOW - 8 * DAY), turn("new", time=NOW - 6 * DAY)
    kept = turn("kept", time=NOW - 999 * DAY, conversation="other/room")
    await archive.add([entry(each) for each in (old, new, kept)])
    assert await archive.expire({"desk": timedelta(days=7), "other": None}, NOW) == 1
    assert texts(await archive.history("desk/room")) == ["new"]
    assert texts(await archive.history("other/room")) == ["kept"]


async def test_expiry_goes_on_until_nothing_is_left(archive, monkeypatch):
    monkeypatch.setattr("core.archive.archive.CHUNK", 3)
    await archive.add([entry(turn(str(n), time=1.0), n) for n in range(8)])
    assert await archive.expire({"desk": timedelta(days=1)}, NOW) == 8


async def test_usage_is_told_by_account_and_day(archive):
    await archive.add(
        [entry(turn("1")), entry(turn("2"), 1), entry(turn("3", "p:ben"), 2), entry(turn(time=NOW + DAY))]
    )
    assert await archive.usage(NOW, NOW) == [
        Used("2024-10-04", "p:ann", 2, 6, 4, 1.0),
        Used("2024-10-04", "p:ben", 1, 3, 2, 0.5),
    ]
    assert [used.day for used in await archive.usage(NOW, NOW + DAY, "p:ann")] == ["2024-10-04", "2024-10-05"]


async def test_two_hubs_may_open_a_new_archive_at_once(url, tmp_path, pseudonyms):
    async def use(number):
        async with opened(Archive(url, tmp_path, pseudonyms.of)) as archive:
            await archive.add([entry(turn(str(number)), number)])

    await asyncio.gather(*map(use, range(4)))
    async with opened(Archive(url, tmp_path, pseudonyms.of)) as archive:
        assert texts(await archive.history("desk/room")) == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    "url", ["mysql://user:hunter22@host/name", "nonsense", "postgres://user:hunter22@host:port/name"]
)
def test_an_address_that_is_none_is_said_without_its_password(url, tmp_path, pseudonyms):
    with pytest.raises(HubError, match="DATABASE_URL is no address") as caught:
        Archive(url, tmp_path, pseudonyms.of)
    assert "hunter22" not in str(caught.value)


def test_addresses_are_taken_as_hosts_write_them(tmp_path):
    from core.archive.address import address

    found = address("postgres://u:p@host:5432/name?sslmode=require&channel_binding=require", tmp_path)
    assert found.render_as_string(hide_password=False) == "postgresql+asyncpg://u:p@host:5432/name?ssl=require"
    assert address("", tmp_path).database == str(tmp_path / "archive.db")


async def test_no_turn_slips_past_an_erasure_that_runs_beside_it(archive):
    async def add(number):
        await archive.add([entry(turn(str(number), time=NOW + number / 100), number)])

    await asyncio.gather(*map(add, range(20)), archive.erase({"p:ann"}, NOW + 1), *map(add, range(20, 40)))
    assert await archive.history("desk/room") == []
