"""What becomes of two sessions that are made one."""

import msgspec
import pytest

from core.bot import Remembered
from core.conversation.summary import Summary
from tests.core.people.chats import Hub

ANN, BOB = "red:ann", "blue:bob"


@pytest.fixture
def hub(engine):
    return Hub(engine)


async def keep(hub, account, said, *, count=None, summary=None):
    """Give a chat a session of (time, text)."""
    at, key = hub.engine.shards[0], f"{account}/dm/assistant"
    records = [msgspec.json.encode(Remembered("user", text, time=time)) for time, text in said]
    if records:
        await hub.engine.command("RPUSH", at.sess + key, *records)
    if records:
        await hub.engine.command("HSET", at.note + key, "c", count or len(records), "b", f"session of {account}")
    if summary:
        await hub.engine.command("HSET", at.note + key, "s", msgspec.json.encode(summary))


async def note(hub, account):
    at = hub.engine.shards[0]
    home = await hub.people.home(account, "assistant", f"{account}/dm/assistant")
    summary, count, session = await hub.engine.command("HMGET", at.note + home, "s", "c", "b")
    return msgspec.json.decode(summary, type=Summary) if summary else None, int(count), session.decode()


async def test_what_a_summary_covers_keeps_its_numbers(hub):
    await keep(hub, ANN, [(10, "a10"), (20, "a20"), (30, "a30")], count=8, summary=Summary("of ann", 7))
    await keep(hub, BOB, [(5, "b5"), (25, "b25")])
    await hub.link(ANN, BOB)
    assert await hub.history(BOB) == ["a10", "a20", "b5", "b25", "a30"]
    assert await note(hub, BOB) == (Summary("of ann", 7), 10, "session of red:ann+")


async def test_a_summary_still_being_made_of_one_of_them_is_not_kept(hub):
    await keep(hub, ANN, [(10, "a")])
    await keep(hub, BOB, [(5, "b")])
    await hub.link(ANN, BOB)
    at, late = hub.engine.shards[0], msgspec.json.encode(Summary("of ann", 1))
    assert not await hub.engine.call("summarize", [f"{at.note}{ANN}/dm/assistant"], ["session of red:ann", late])


async def test_both_summaries_are_kept(hub):
    await keep(hub, ANN, [(10, "a")], count=5, summary=Summary("of ann", 4))
    await keep(hub, BOB, [(20, "b")], count=9, summary=Summary("of bob", 8))
    await hub.link(ANN, BOB)
    assert await note(hub, BOB) == (Summary("of ann\n\nof bob", 4), 6, "session of red:ann+")


async def test_a_summary_is_kept_where_the_home_has_none(hub):
    await keep(hub, ANN, [(10, "a")], count=5)
    await keep(hub, BOB, [(20, "b")], count=9, summary=Summary("of bob", 8))
    await hub.link(ANN, BOB)
    assert await note(hub, BOB) == (Summary("of bob", 4), 6, "session of red:ann+")


async def test_an_empty_home_takes_a_session_over_as_it_is(hub):
    await keep(hub, BOB, [(20, "b"), (30, "c")], count=9, summary=Summary("of bob", 8))
    await hub.link(ANN, BOB)
    assert await hub.history(ANN) == ["b", "c"]
    assert await note(hub, ANN) == (Summary("of bob", 8), 9, "session of blue:bob")


@pytest.mark.parametrize("longer", [ANN, BOB])
async def test_the_longer_life_counts(hub, redis, longer):
    await keep(hub, ANN, [(1, "a")])
    await keep(hub, BOB, [(2, "b")])
    at = hub.engine.shards[0]
    for account in (ANN, BOB):
        for kind in (at.sess, at.note):
            await redis.expire(f"{kind}{account}/dm/assistant", 900 if account == longer else 10)
    await hub.link(ANN, BOB)
    assert [await redis.ttl(f"{kind}{ANN}/dm/assistant") > 800 for kind in (at.sess, at.note)] == [True, True]


async def test_what_has_no_time_stays_behind_what_it_was_said_after(hub):
    await keep(hub, ANN, [(10, "a10"), (0, "a10 is taken back"), (30, "a30")])
    await keep(hub, BOB, [(20, "b20"), (0, "b20 is taken back"), (40, "b40")])
    await hub.link(ANN, BOB)
    assert await hub.history(BOB) == ["a10", "a10 is taken back", "b20", "b20 is taken back", "a30", "b40"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([1, 5, 5], [5, 9]),
        ([], [3]),
        ([0, 0, 7], []),
        ([1, 50], [2, 2, 60]),
        ([*range(0, 600, 2)], [*range(1, 600, 2)]),
    ],
)
async def test_merging_keeps_all_in_the_order_of_time(hub, ours, theirs):
    await keep(hub, ANN, [(time, f"a{time}") for time in ours])
    await keep(hub, BOB, [(time, f"b{time}") for time in theirs])
    await hub.link(ANN, BOB)
    both = sorted([(time, f"a{time}") for time in ours] + [(time, f"b{time}") for time in theirs])
    assert await hub.history(BOB) == [text for _, text in both]
