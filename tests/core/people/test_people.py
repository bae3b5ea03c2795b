"""Accounts that become one person: what they share, where their events are answered, and how they part."""

import asyncio
import contextlib
import dataclasses

import pytest

from core.bot import Notes, Remembered
from core.engine.engine import Engine, Stale
from core.engine.keys import shard_of
from core.errors import StoreError
from core.people import flow
from core.people.codes import Codes
from core.people.people import Busy, People
from tests.core.people.chats import Hub, sender

ANN, BOB, CAT = "red:ann", "blue:bob", "green:cat"


@pytest.fixture
def hub(engine):
    return Hub(engine)


async def test_two_accounts_become_one_person_with_one_history_in_order(hub):
    for account, text in ((ANN, "1"), (BOB, "2"), (ANN, "3"), (BOB, "4")):
        await hub.talk(account, text)
    line = await hub.link(ANN, BOB)
    assert line == "Done: Ann (red, 💬 2) and Bob (blue, 💬 2) are now one person to me."
    assert await hub.history(ANN) == await hub.history(BOB) == ["1", "2", "3", "4"]
    assert await hub.people.accounts(ANN) == await hub.people.accounts(BOB) == {ANN, BOB}
    assert await hub.people.person(ANN) == await hub.people.person(BOB) != ""


async def test_after_it_both_are_answered_in_one_conversation(hub):
    await hub.link(ANN, BOB)
    for account, text in ((BOB, "1"), (ANN, "2"), (BOB, "3")):
        await hub.say(account, text)
    (claim,) = await hub.claims()
    assert claim.conversation == "red:ann/dm/assistant"
    await hub.end(claim, await hub.begin(claim))
    await hub.settle()
    assert hub.answered[-3:] == ["1", "2", "3"]
    assert await hub.history(BOB) == ["1", "2", "3"]


async def test_nothing_is_joined_without_a_yes(hub):
    await hub.talk(ANN, "secret of ann")
    asked = await hub.ask(BOB) if (code := await hub.code(ANN)) else None
    question = await flow.link(asked, hub.people, code)
    assert "Ann (red, 💬 1)" in question.text
    assert "Bob (blue, 💬 0)" in question.text
    assert (
        await flow.answer(asked, hub.people, question.choices[1].value) == "All right, I have left everything as it is."
    )
    assert "no longer open" in await flow.answer(asked, hub.people, question.choices[0].value)
    await hub.done(asked)
    assert await hub.history(BOB) == []
    assert await hub.people.person(BOB) == ""


async def test_joining_anew_makes_no_new_limits(hub):
    assert await hub.people.payer(ANN) == ANN
    payers = set()
    for _ in range(3):
        await hub.link(ANN, BOB)
        payers |= {await hub.people.payer(ANN), await hub.people.payer(BOB)}
        await hub.unlink(BOB)
    assert payers == {ANN}


async def test_a_code_is_used_once(hub):
    code = await hub.code(ANN)
    bob, cat = await hub.ask(BOB), await hub.ask(CAT)
    questions = [await flow.link(asked, hub.people, code) for asked in (bob, cat)]
    first = await flow.answer(bob, hub.people, questions[0].choices[0].value)
    second = await flow.answer(cat, hub.people, questions[1].choices[0].value)
    assert first.startswith("Done")
    assert "no longer open" in second
    assert await hub.people.accounts(ANN) == {ANN, BOB}


async def test_a_question_that_was_agreed_to_is_no_longer_open(hub):
    code = await hub.code(ANN)
    asked = await hub.ask(BOB)
    yes = (await flow.link(asked, hub.people, code)).choices[0].value
    await flow.answer(asked, hub.people, yes)
    await hub.done(asked)
    later = await hub.ask(BOB)
    for value in (yes, yes.replace("yes", "no")):
        assert "no longer open" in await flow.answer(later, hub.people, value)
    assert await hub.people.accounts(BOB) == {ANN, BOB}


async def test_an_older_question_is_closed_by_a_newer_one(hub):
    codes = [await hub.code(account) for account in (ANN, CAT)]
    asked = await hub.ask(BOB)
    old, new = [(await flow.link(asked, hub.people, code)).choices[0].value for code in codes]
    assert "no longer open" in await flow.answer(asked, hub.people, old)
    assert await hub.people.accounts(BOB) == {BOB}
    assert "one person" in await flow.answer(asked, hub.people, new)


async def test_joining_those_who_are_one_changes_nothing(hub):
    await hub.talk(ANN, "1")
    await hub.talk(BOB, "2")
    await hub.link(ANN, BOB)
    await hub.link(BOB, ANN)
    assert await hub.history(ANN) == ["1", "2"]
    assert await hub.people.accounts(BOB) == {ANN, BOB}


async def test_two_who_join_a_third_at_the_same_moment_are_one_person_with_both(hub):
    asked = []
    for account in (BOB, CAT):
        code = await hub.code(ANN)
        here = await hub.ask(account)
        asked.append((here, (await flow.link(here, hub.people, code)).choices[0].value))
    await asyncio.gather(*(flow.answer(here, hub.people, yes) for here, yes in asked))
    for account in (ANN, BOB, CAT):
        assert await hub.people.accounts(account) == {ANN, BOB, CAT}


async def test_what_is_said_while_accounts_are_being_joined_keeps_its_order(hub, monkeypatch):
    code = await hub.code(ANN)
    asked = await hub.ask(BOB)
    yes = (await flow.link(asked, hub.people, code)).choices[0].value
    hub.people.known.is_live.set()
    await hub.people.person(BOB)
    saying = []

    async def call(script, *more):
        calling = asyncio.create_task(Engine.call(hub.engine, script, *more))
        await asyncio.sleep(0)
        if script == "regroup":
            saying.append(asyncio.create_task(hub.say(BOB, "1")))
        return await calling

    with monkeypatch.context() as patch:
        patch.setattr(hub.engine, "call", call)
        await flow.answer(asked, hub.people, yes)
    await asyncio.wait_for(saying[0], 5)
    await hub.done(asked)
    await hub.say(BOB, "2")
    await hub.settle()
    assert await hub.history(ANN) == ["1", "2"]


async def test_what_is_said_while_somebody_leaves_keeps_its_order(hub, monkeypatch):
    await hub.link(ANN, BOB)
    asked = await hub.ask(BOB)
    waiting = hub.people._waiting

    async def and_one_more(claim):
        found = await waiting(claim)
        if len(found) == 1:
            await hub.say(BOB, "1")
        return found

    monkeypatch.setattr(hub.people, "_waiting", and_one_more)
    assert await hub.people.leave(BOB, asked.claim, asked.event)
    await hub.done(asked)
    await hub.say(BOB, "2")
    await hub.settle()
    assert await hub.history(BOB) == ["1", "2"]


async def test_a_person_without_a_record_is_a_fault_of_the_store(hub, redis, prefix):
    await hub.link(ANN, BOB)
    await redis.delete(f"{prefix}:persons")
    with pytest.raises(StoreError, match="missing"):
        await hub.people.person(ANN)


async def test_agreeing_twice_says_the_same_twice(hub):
    code = await hub.code(ANN)
    asked = await hub.ask(BOB)
    yes = (await flow.link(asked, hub.people, code)).choices[0].value
    assert await flow.answer(asked, hub.people, yes) == await flow.answer(asked, hub.people, yes)


async def test_a_turn_cut_off_after_joining_ends_at_home_with_the_same_words(hub):
    code = await hub.code(ANN)
    asked = await hub.ask(BOB)
    yes = (await flow.link(asked, hub.people, code)).choices[0].value
    line = await flow.answer(asked, hub.people, yes)
    await hub.engine.fail(asked.claim, "release")
    (claim,) = await hub.claims()
    assert await hub.begin(claim) is None
    (claim,) = await hub.claims()
    same = flow.Here(BOB, "Bob", asked.bot, asked.key, True, "en", claim, asked.event)
    assert claim.conversation == "red:ann/dm/assistant"
    assert await flow.answer(same, hub.people, yes) == line


async def test_events_that_wait_move_along_in_their_order(hub):
    code = await hub.code(ANN)
    await hub.say(ANN, "a1")
    asked = await hub.ask(BOB)
    for text in ("b1", "b2"):
        await hub.say(BOB, text)
    question = await flow.link(asked, hub.people, code)
    await flow.answer(asked, hub.people, question.choices[0].value)
    await hub.say(BOB, "b3")
    await hub.done(asked)
    await hub.settle()
    assert [text for text in hub.answered if text.startswith("b")] == ["b1", "b2", "b3"]
    assert await hub.history(BOB) == hub.answered
    stats = await hub.engine.stats()
    assert (stats.in_flight, stats.accepted) == (0, stats.answered)


async def test_a_turn_under_way_at_home_loses_nothing(hub):
    await hub.talk(ANN, "1")
    code = await hub.code(ANN)
    await hub.say(ANN, "2")
    (claim,) = await hub.claims()
    said = await hub.begin(claim)
    await hub.talk(BOB, "b")
    asked = await hub.ask(BOB)
    question = await flow.link(asked, hub.people, code)
    await flow.answer(asked, hub.people, question.choices[0].value)
    await hub.end(claim, said)
    await hub.done(asked)
    assert await hub.history(BOB) == ["1", "b", "2"]


async def test_both_keep_what_they_asked_to_remember(hub):
    await hub.talk(ANN, "1")
    await hub.talk(BOB, "2")
    await hub.note(ANN, Notes(language="de", pins=("tea", "cake")))
    await hub.note(BOB, Notes(language="fr", pins=("cake", "blåbær / ☕")))
    await hub.link(ANN, BOB)
    assert await hub.notes(BOB) == Notes(language="de", pins=("tea", "cake", "blåbær / ☕"))


async def test_where_one_of_them_has_no_notes_those_of_the_other_are_kept(hub):
    await hub.talk(BOB, "1")
    await hub.note(BOB, Notes(language="fr", pins=("cake",)))
    await hub.link(ANN, BOB)
    assert await hub.notes(ANN) == Notes(language="fr", pins=("cake",))


async def test_who_leaves_starts_anew_and_the_others_keep_all(hub):
    await hub.talk(ANN, "1")
    await hub.talk(BOB, "2")
    await hub.link(ANN, BOB)
    assert await hub.unlink(BOB) == "Done: this account stands on its own again."
    assert await hub.history(BOB) == []
    assert await hub.history(ANN) == ["1", "2"]
    assert await hub.people.person(ANN) == await hub.people.person(BOB) == ""
    await hub.talk(BOB, "3")
    assert await hub.history(ANN) == ["1", "2"]
    assert await hub.history(BOB) == ["3"]


async def test_when_the_owner_of_the_home_leaves_it_moves_to_another(hub):
    await hub.talk(ANN, "1")
    await hub.link(ANN, BOB)
    await hub.link(ANN, CAT)
    asked = await hub.ask(ANN)
    for account, text in ((BOB, "b"), (ANN, "a"), (CAT, "c")):
        await hub.say(account, text)
    assert await flow.unlink(asked, hub.people) == "Done: this account stands on its own again."
    await hub.say(BOB, "b2")
    await hub.done(asked)
    await hub.settle()
    assert await hub.history(ANN) == ["a"]
    assert await hub.history(BOB) == await hub.history(CAT) == ["1", "b", "c", "b2"]
    assert await hub.people.accounts(BOB) == {BOB, CAT}


async def test_leaving_again_says_that_there_is_nothing_to_leave(hub):
    assert await hub.unlink(ANN) == "This account is not joined with any other."
    await hub.link(ANN, BOB)
    asked = await hub.ask(ANN)
    first, again = [await flow.unlink(asked, hub.people) for _ in range(2)]
    assert first == again == "Done: this account stands on its own again."
    await hub.done(asked)
    assert await hub.unlink(BOB) == "This account is not joined with any other."


async def test_two_persons_become_one_with_all_that_they_shared(hub):
    dan = "black:dan"
    for account, text in ((ANN, "1"), (BOB, "2"), (CAT, "3"), (dan, "4")):
        await hub.talk(account, text)
    await hub.link(ANN, BOB)
    await hub.link(CAT, dan)
    await hub.link(BOB, dan)
    for account in (ANN, BOB, CAT, dan):
        assert await hub.history(account) == ["1", "2", "3", "4"]
    assert await hub.people.accounts(CAT) == {ANN, BOB, CAT, dan}


async def test_a_chat_with_another_bot_joins_when_it_is_next_used(hub):
    await hub.talk(ANN, "to sales", "sales")
    await hub.talk(BOB, "also to sales", "sales")
    await hub.link(ANN, BOB)
    await hub.talk(ANN, "again", "sales")
    assert await hub.history(BOB, "sales") == ["also to sales"]
    await hub.talk(BOB, "again too", "sales")
    assert await hub.history(ANN, "sales") == ["to sales", "also to sales", "again", "again too"]
    assert await hub.history(ANN) == []


async def test_a_code_of_one_bot_entered_at_another_joins_the_person_only(hub):
    await hub.talk(ANN, "to sales", "sales")
    await hub.talk(BOB, "to support", "support")
    await hub.link(ANN, BOB, "sales", "support")
    assert await hub.people.accounts(BOB) == {ANN, BOB}
    assert await hub.history(BOB, "support") == ["to support"]
    assert await hub.history(ANN, "sales") == ["to sales"]


async def test_nobody_leaves_while_a_conversation_of_theirs_with_another_bot_is_busy(hub, monkeypatch):
    await hub.link(ANN, BOB)
    await hub.talk(ANN, "1", "sales")
    await hub.talk(BOB, "2", "sales")
    await hub.say(BOB, "3", "sales")
    asked = await hub.ask(ANN)
    monkeypatch.setattr("core.people.people.BUSY_LIMIT", -1)
    await hub.say(BOB, "4", "sales")
    with pytest.raises(Busy):
        await hub.people.leave(ANN, asked.claim, asked.event)
    await hub.settle()
    assert await flow.unlink(asked, hub.people) == "Done: this account stands on its own again."
    assert await hub.history(BOB, "sales") == ["1", "2", "3", "4"]
    assert await hub.history(ANN, "sales") == []


async def test_what_is_said_in_private_never_comes_into_a_room(hub, redis, prefix):
    rooms = [f"{platform}/room//{account}" for platform in ("red", "blue") for account in (ANN, BOB)]
    for room in rooms:
        await hub.engine.accept(room, f"said in {room}".encode(), [room])
    (*turns,) = await hub.claims()
    for account in (ANN, BOB):
        await hub.talk(account, f"canary of {account}")
    await hub.link(ANN, BOB)
    for claim in turns:
        await hub.engine.commit(claim, outcome="answered", append=[claim.envelope])
    await hub.talk(BOB, "canary after")
    await hub.unlink(ANN)
    for room in rooms:
        assert await redis.lrange(f"{prefix}:sess:{{0}}:{room}", 0, -1) == [f"said in {room}".encode()]
    assert not [key async for key in redis.scan_iter(f"{prefix}:note:*room*") if await redis.hget(key, "n")]


async def test_who_lost_a_turn_moves_nothing_any_more(hub):
    await hub.talk(BOB, "1", "sales")
    await hub.talk(ANN, "2", "sales")
    code = await hub.code(ANN)
    asked = await hub.ask(BOB)
    yes = (await flow.link(asked, hub.people, code)).choices[0].value
    hub.engine._lease_ms = 0
    await hub.engine.reap()
    with pytest.raises(Stale):
        await flow.answer(asked, hub.people, yes)
    assert await hub.people.person(BOB) == ""
    await hub.settle()
    await hub.link(ANN, BOB)
    await hub.talk(ANN, "3", "sales")
    await hub.say(BOB, "4", "sales")
    (late,) = await hub.claims()
    await hub.engine.reap()
    with pytest.raises(Stale):
        await hub.begin(late)
    await hub.settle()
    assert await hub.history(BOB, "sales") == ["1", "2", "3", "4"]


async def test_sending_on_twice_sends_on_once(hub):
    await hub.talk(ANN, "1", "sales")
    await hub.link(ANN, BOB)
    await hub.talk(ANN, "2", "sales")
    await hub.say(BOB, "3", "sales")
    (claim,) = await hub.claims()
    at = hub.engine.shards[0]
    await hub.engine.command("DEL", at.wake)
    assert [await hub.begin(claim), await hub.begin(claim)] == [None, None]
    assert await hub.engine.command("LLEN", at.wake) == 1  # any worker may go on with it
    assert await hub.engine.command("XLEN", at.rdy) == 1
    assert (await hub.engine.command("XPENDING", at.rdy, "g"))[0] == 0
    assert await hub.engine.command("EXISTS", at.st + claim.conversation) == 0
    await hub.settle()
    assert await hub.history(BOB, "sales") == ["1", "2", "3"]


async def test_two_who_leave_at_the_same_moment_are_both_gone(hub):
    await hub.link(ANN, BOB)
    await hub.link(ANN, CAT)
    bob, cat = await hub.ask(BOB, "sales"), await hub.ask(CAT)
    await asyncio.gather(flow.unlink(bob, hub.people), flow.unlink(cat, hub.people))
    await hub.done(bob)
    await hub.done(cat)
    for account in (ANN, BOB, CAT):
        assert await hub.people.accounts(account) == {account}


async def test_everything_is_forgotten_of_a_person(hub, redis, prefix):
    await hub.link(ANN, BOB)
    assert await hub.people.conversations(BOB) == {f"{account}/dm/assistant" for account in (ANN, BOB)}
    await hub.people.forget(BOB)
    assert await hub.people.accounts(ANN) == {ANN}
    assert await redis.exists(f"{prefix}:person", f"{prefix}:persons") == 0


async def test_the_same_with_several_shards(redis, prefix):
    engine = Engine(redis, prefix=prefix, shards=7)
    assert shard_of(f"{ANN}/dm/assistant", 7) != shard_of(f"{BOB}/dm/assistant", 7)
    hub = Hub(engine)
    await hub.talk(ANN, "1")
    code = await hub.code(ANN)
    asked = await hub.ask(BOB)
    await hub.say(BOB, "2")
    question = await flow.link(asked, hub.people, code)
    await flow.answer(asked, hub.people, question.choices[0].value)
    await hub.done(asked)
    await hub.settle()
    stats = await engine.stats()
    assert (stats.accepted, stats.in_flight) == (stats.answered, 0)
    assert {await redis.hget(at.cnt, "pending") for at in engine.shards} <= {None, b"0"}
    await engine.close()


# Several processes on one store


@contextlib.asynccontextmanager
async def told(people, redis):
    """This process hears of changes while the body runs."""
    listening = asyncio.create_task(people.listen(redis))
    await people.known.is_live.wait()
    try:
        yield
    finally:
        listening.cancel()
        await asyncio.wait([listening])


async def until(condition):
    async with asyncio.timeout(5):
        while not await condition():
            await asyncio.sleep(0.005)


async def test_another_process_hears_of_it(hub, engine, redis):
    other = Hub(engine, People(engine, sender))
    async with told(other.people, redis):
        await other.talk(BOB, "1")
        assert other.people.known.get(BOB) == (True, None)
        await hub.link(ANN, BOB)
        await until(lambda: other.people.person(BOB))
        assert await other.people.home(BOB, "assistant", "blue:bob/dm/assistant") == "red:ann/dm/assistant"


async def test_who_is_known_costs_no_look_at_the_store(hub, redis):
    async def looks():
        return (await redis.info("commandstats"))["cmdstat_hget"]["calls"]

    async def are_homes_free():
        before = await looks()
        for account in (ANN, BOB, CAT):
            await hub.people.home(account, "assistant", f"{account}/dm/assistant")
        return await looks() == before

    await hub.link(ANN, BOB)
    async with told(hub.people, redis):
        await until(are_homes_free)
        assert await are_homes_free()


async def test_news_that_stop_coming_empty_the_memory(hub, redis):
    async with told(hub.people, redis):
        await hub.people.person(ANN)
        assert hub.people.known.get(ANN) == (True, None)
    assert hub.people.known.get(ANN) == (False, None)
    await hub.people.person(ANN)
    assert hub.people.known.get(ANN) == (False, None)


async def test_a_process_that_has_not_heard_yet_loses_nothing(hub, engine):
    late = Hub(engine, People(engine, sender))
    late.people.known.is_live.set()  # and nobody tells it anything
    await late.talk(BOB, "1")
    await hub.link(ANN, BOB)
    await late.say(BOB, "2")
    await hub.settle()
    assert await hub.history(ANN) == ["1", "2"]
    await late.talk(BOB, "3")  # even what it answered in the old place
    assert await hub.history(ANN) == ["1", "2"]
    await late.say(BOB, "4")
    await hub.settle()
    assert await hub.history(ANN) == ["1", "2", "3", "4"]


async def test_without_news_nothing_is_kept_in_memory(hub):
    await hub.link(ANN, BOB)
    assert await hub.people.person(ANN)
    assert hub.people.known.get(ANN) == (False, None)


# Codes


async def test_three_codes_may_be_open(hub):
    asked = await hub.ask(ANN)
    lines = [await flow.link(asked, hub.people, "") for _ in range(4)]
    assert [line.startswith("Write `/link ") for line in lines] == [True, True, True, False]
    assert lines[3] == "Too many codes are still open. Please try again in 10 minutes."


async def test_a_code_that_was_used_or_has_expired_makes_room_for_another(hub, redis, prefix):
    await hub.link(ANN, BOB)
    for _ in range(3):
        await hub.code(ANN)
    codes = f"{prefix}:codes:{ANN}"
    assert 590 < await redis.ttl(codes) <= 600
    await redis.zadd(codes, dict.fromkeys(await redis.zrange(codes, 0, 0), 0))
    await hub.code(ANN)


async def test_what_is_known_of_joining_and_leaving_is_forgotten_in_time(hub, redis, prefix):
    code = await hub.code(ANN)
    asked = await hub.ask(BOB)
    yes = (await flow.link(asked, hub.people, code)).choices[0].value
    assert 590 < await redis.ttl(f"{prefix}:ask:{BOB}") <= 600
    await flow.answer(asked, hub.people, yes)
    await hub.done(asked)
    await hub.unlink(BOB)
    names = (f"{prefix}:ask:{BOB}", f"{prefix}:left:{BOB}")
    assert [await redis.ttl(name) for name in names] == [pytest.approx(86400, abs=60)] * 2


async def test_a_code_expires(engine):
    hub = Hub(engine, People(engine, sender, codes=Codes(engine, life=0.05)))
    code = await hub.code(ANN)
    asked = await hub.ask(BOB)
    async with asyncio.timeout(5):
        while await engine.command("EXISTS", hub.people.codes.key(code)):
            await asyncio.sleep(0.005)
    assert "or it has expired" in await flow.link(asked, hub.people, code)


async def test_who_guesses_is_refused_even_with_the_right_code(hub):
    code = await hub.code(ANN)
    asked = await hub.ask(BOB)
    wrong = [await flow.link(asked, hub.people, f"WRONG{n:03}") for n in range(10)]
    assert len(set(wrong)) == 1
    assert (
        await flow.link(asked, hub.people, code)
        == "Those were many messages at once. I will answer again in 60 minutes."
    )
    cat = await hub.ask(CAT)
    assert not isinstance(await flow.link(cat, hub.people, code), str)


async def test_a_code_is_read_as_people_write_it(hub):
    code = await hub.code(ANN)
    asked = await hub.ask(BOB)
    assert not isinstance(await flow.link(asked, hub.people, f" {code[:4].lower()}-{code[4:]}\n"), str)


async def test_the_store_keeps_no_code(hub, redis, prefix):
    code = await hub.code(ANN)
    names = [key async for key in redis.scan_iter(f"{prefix}:*")]
    assert not any(code.encode() in name for name in names)


async def test_ones_own_code_and_rooms_are_refused(hub):
    code = await hub.code(ANN)
    asked = await hub.ask(ANN)
    assert "same account" in await flow.link(asked, hub.people, code)
    await hub.done(asked)
    asked = await hub.ask(BOB, direct=False)
    assert await flow.link(asked, hub.people, code) == "Please write that to me in a private message."
    for line in (flow.unlink(asked, hub.people), flow.answer(asked, hub.people, f"link:{'0' * 16}:yes")):
        assert await line == "Please write that to me in a private message."


async def test_a_name_cannot_dress_up_the_question(hub):
    code = await hub.people.codes.make(flow.Offer(ANN, "**[x](http://evil.example)**\n@all `y`", "assistant", "k"))
    asked = await hub.ask(BOB)
    question = await flow.link(asked, hub.people, code)
    assert question.text.startswith("x http evil example all y (red")
    code = await hub.people.codes.make(flow.Offer(ANN, "An" * 100, "assistant", "k"))
    assert (await flow.link(asked, hub.people, code)).text.startswith("An" * 20 + " (red")


async def test_a_typed_answer_counts_right_after_the_question(hub):
    code = await hub.code(ANN)
    asked = await hub.ask(BOB)
    yes, no = (choice.value for choice in (await flow.link(asked, hub.people, code)).choices)
    before = [Remembered("assistant", "Hello", time=asked.claim.time - 1)]
    for text, value in (("Yes!", yes), ("no", no), ("1", yes), ("2.", no), ("maybe", None), ("3", None)):
        assert await flow.typed(asked, hub.people, text, before) == value
    after = Remembered("assistant", "Shall I?", time=asked.claim.time + 1)
    assert await flow.typed(asked, hub.people, "yes", [*before, after]) is None
    assert await flow.typed(await hub.ask(CAT), hub.people, "yes", []) is None
    await flow.answer(asked, hub.people, yes)
    assert await flow.typed(asked, hub.people, "yes", [*before, after]) == yes  # when it is tried again
    assert await flow.typed(dataclasses.replace(asked, event="later"), hub.people, "yes", before) is None
