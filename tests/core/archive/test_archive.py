"""The archive, on SQLite and on Postgres."""

import asyncio
from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace

from core.archive.archive import Archive, opened
from core.archive.errors import ArchiveRefusal
from core.archive.record import Said, TakenBack, Used
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


async def test_what_a_summary_took_is_usage_and_no_turn(archive):
    summary = msgspec.structs.replace(turn("1"), messages=())
    await archive.add([entry(turn("1")), entry(summary, 1)])
    assert await archive.usage(NOW, NOW) == [Used("2024-10-04", "p:ann", 1, 6, 4, 1.0)]


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


def gone(text="hello", *, room="room", channel="desk", time=NOW + 5):
    return TakenBack(channel, room, f"q-{text}", time)


def words(turns):
    return [said.text for kept in turns for said in kept.messages]


async def test_of_a_message_that_was_deleted_neither_its_words_nor_the_answer_are_kept_but_what_it_took(archive):
    await archive.add([entry(turn("canary")), entry(turn("other"), 1)])
    assert await archive.take_back([gone("canary")]) == 1
    emptied, left = await archive.history("desk/room")
    assert words([emptied, left]) == ["", "", "other", "you said other"]
    assert (emptied.deleted, left.deleted) == (True, False)
    assert [used.turns for used in await archive.usage(NOW, NOW, "p:ann")] == [2]


async def test_a_message_that_is_deleted_before_its_turn_comes_in_brings_no_words_with_it(archive):
    assert await archive.take_back([gone("canary")]) == 0
    await archive.add([entry(turn("canary")), entry(turn("other"), 1)])
    found = await archive.history("desk/room")
    assert words(found) == ["", "", "other", "you said other"]
    assert [kept.deleted for kept in found] == [True, False]


async def test_a_deletion_that_comes_twice_and_a_turn_that_comes_again_change_nothing(archive):
    for _ in range(2):
        await archive.add([entry(turn("canary"))])
        await archive.take_back([gone("canary"), gone("canary")])
    assert words(await archive.history("desk/room")) == ["", ""]


async def test_the_same_id_in_another_room_or_channel_is_another_message(archive):
    await archive.add([entry(turn()), entry(turn(conversation="shop/room", room="room"), 1)])
    assert await archive.take_back([gone(room="elsewhere"), gone(channel="shop")]) == 1
    await archive.add([entry(turn("hello"), 2)])
    assert words(await archive.history("desk/room")) == ["hello", "you said hello"] * 2


async def test_a_thread_that_is_called_as_the_message_it_opened_under_goes_with_that(archive):
    await archive.add([entry(turn(room="q-hello"))])
    assert await archive.take_back([gone(room="room")]) == 1


async def test_a_question_of_several_messages_and_one_that_was_asked_anew_go_whole(archive):
    first, again = turn("asked"), turn("asked")
    both = replace(first.messages[0], text="one and two", ids=("q-asked", "q-two"))
    await archive.add([entry(replace(first, messages=(both, *first.messages[1:]))), entry(again, 1)])
    assert await archive.take_back([gone("two"), gone("asked")]) == 2
    assert words(await archive.history("desk/room")) == ["", "", "", ""]


async def test_nothing_of_a_deleted_message_is_left_on_the_disk(archive, url, tmp_path):
    await archive.add([entry(turn("canary " * 3000)), entry(turn("canary short"), 1)])
    await archive.take_back([gone("canary " * 3000), gone("canary short")])
    if url.startswith("sqlite"):
        left = b"".join(file.read_bytes() for file in tmp_path.glob("archive.db*"))
        assert b"you said" not in left


async def test_no_turn_slips_past_a_deletion_that_runs_beside_it(archive):
    async def add(number):
        await archive.add([entry(turn(str(number)), number)])

    async def take_back(number):
        await archive.take_back([gone(str(number))])

    await asyncio.gather(*(each(number) for number in range(20) for each in (add, take_back)))
    assert set(words(await archive.history("desk/room"))) == {""}


async def test_that_a_message_was_deleted_is_forgotten_when_no_turn_of_it_can_come_any_more(archive):
    await archive.take_back([gone()])
    await archive.expire({}, NOW + 31 * DAY)
    await archive.add([entry(turn())])
    assert texts(await archive.history("desk/room")) == ["hello"]


async def test_turns_expire_with_what_finds_them_by_their_messages(archive):
    await archive.add([entry(turn(time=1.0))])
    assert await archive.expire({"desk": timedelta(days=1)}, NOW) == 1
    assert await archive.take_back([gone()]) == 0


async def test_a_turn_is_found_by_what_it_answered_or_if_that_was_not_noted_by_its_message(archive):
    await archive.add([entry(turn("new", event="Ev1")), entry(turn("old"), 1), entry(turn("other", event="Ev2"), 2)])
    assert texts(await archive.answered("Ev1")) == ["new"]
    assert texts(await archive.answered("q-old")) == ["old"]
    assert await archive.answered("q-new") == []
