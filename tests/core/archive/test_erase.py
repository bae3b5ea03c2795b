"""A person who is erased is nowhere any more, and everybody else is as they were."""

import asyncio
import itertools
from collections.abc import Iterable

import msgspec
import pytest

from core.access.pairing import Pairing
from core.archive.errors import ArchiveAway
from core.archive.person import Person
from core.archive.record import Entry
from core.archive.source import Source
from core.bot import Notes, Remembered
from core.cli.people import Alone
from core.conversation.summary import Summary
from core.delivery.deliver import Staged
from core.engine.engine import Stale
from core.events import Address, Message, Part, Sent, User
from core.work import Traced
from tests.core.archive.turns import turn

encode = msgspec.json.encode
ANN, BEN = User("canary-id", "canary-name"), User("ben", "Ben")
CANARY = b"canary"
numbers = itertools.count()


def said(user: User, text: str, room="group", *, thread=None, direct=False) -> bytes:
    address = Address("desk", room, thread, reply=f"{user.id}-handle")
    return encode(
        Message(uid=f"u-{text}", address=address, user=user, text=text, message_id=f"m-{text}", direct=direct)
    )


def records(user: User, text: str) -> list[bytes]:
    number = f"m-{text}"
    question = Remembered("user", text, user.name, f"p:{user.id}", ids=(number,))
    return [encode(question), encode(Remembered("assistant", f"re: {text}", ids=(f"a{number}",), of=number))]


def sent(text: str, room: str) -> bytes:
    return encode(Sent(Address("desk", room), f"am-{text}"))


@pytest.fixture
def person(engine, archive, pseudonyms):
    return Person(
        {"p:canary-id"}, engine, archive, chats={"desk/joined"}, platforms={"desk": "p"}, pseudonyms=pseudonyms
    )


async def talk(engine, conversation: str, user: User, text: str, **more):
    """One turn, from the event to its end."""
    await engine.accept(conversation, said(user, text, conversation.split("/")[1]), [f"delivery-{next(numbers)}"])
    (claim,) = (await engine.claim("w", 1)).claims
    room = conversation.split("/")[1]
    replies = [sent(text, room)]
    await engine.commit(claim, outcome="answered", append=records(user, text), replies=replies, **more)


async def store_of(engine) -> dict[bytes, bytes]:
    """Everything in it, key by key."""
    found = {}
    for key in await engine.command("KEYS", f"{engine.prefix}:*"):
        kind = (await engine.command("TYPE", key)).decode()
        read: Iterable = {
            "list": ("LRANGE", key, 0, -1),
            "hash": ("HGETALL", key),
            "stream": ("XRANGE", key, "-", "+"),
            "zset": ("ZRANGE", key, 0, -1),
            "string": ("GET", key),
            "set": ("SMEMBERS", key),
        }[kind]
        found[key] = repr(await engine.command(*read)).encode()
    return found


async def canaries(engine) -> list[bytes]:
    return [key for key, value in (await store_of(engine)).items() if CANARY in key + value]


async def test_everything_of_a_person_goes_and_everything_of_others_stays(engine, archive, person):
    notes = encode(Notes(language="de", pins=("canary-pin",), pending="canary-question"))
    summary = encode(Summary("canary-summary", 1))
    direct, own, group = "desk/dm1", "desk/group//canary-id", "desk/group/t1"
    for conversation in (direct, own, group, "desk/joined"):
        kept = turn("canary-text", "p:canary-id", conversation=conversation, direct=conversation == direct)
        await talk(engine, conversation, ANN, "canary-text", notes=notes, archive=encode(kept))
        await archive.add([Entry(f"1-{conversation}", 1.0, kept)])
    await talk(engine, group, BEN, "hello")
    await talk(engine, "desk/dm2", BEN, "hello")
    for conversation in (direct, group):
        note = engine.shards[0].note + conversation
        await engine.command("HSET", note, "s", summary)
    await engine.command("XADD", engine.shards[0].arc, "*", "e", encode(turn("theirs", "p:ben")))
    await engine.command("XADD", f"{engine.prefix}:arx", "*", "e", encode(turn("x", "p:canary-id")), "r", "why")
    await engine.command("SET", f"{engine.prefix}:lim:{{lim}}:u:p:canary-id", "3")
    await engine.command("SET", f"{engine.prefix}:lim:{{lim}}:u:p:canary-id-of-another", "3")
    for conversation, user in ((direct, ANN), ("desk/dm2", BEN)):
        await engine.accept(conversation, said(user, f"dead {user.name}", direct=True), [f"dead-{conversation}"])
        (claim,) = (await engine.claim("w", 1)).claims
        await engine.stage(claim, encode(Staged(Address("desk", "r"), 1.0, [Part(f"for {user.name}")])))
        await engine.fail(claim, "dead", reason=f"{user.name} broke it")
    await engine.accept(direct, said(ANN, "canary-waiting", direct=True), ["w1"])
    await engine.accept(group, said(ANN, "canary-waiting"), ["w2"])
    await engine.accept(group, said(BEN, "waiting"), ["w3"])
    assert len(await canaries(engine)) > 10

    counts = await person.erase(Alone())

    assert await canaries(engine) == [f"{engine.prefix}:lim:{{lim}}:u:p:canary-id-of-another".encode()]
    assert await archive.export({"p:canary-id"}) == []
    history = await engine.command("LRANGE", engine.shards[0].sess + group, 0, -1)
    assert [msgspec.json.decode(record)["text"] for record in history] == ["hello", "re: hello"]
    assert len(await engine.command("XRANGE", engine.shards[0].out + group, "-", "+")) == 1
    assert await engine.command("LLEN", engine.shards[0].sess + "desk/dm2") == 2
    assert await engine.command("XLEN", engine.shards[0].dl) == 1
    assert await engine.command("XLEN", engine.shards[0].arc) == 1
    note = await engine.command("HGET", engine.shards[0].note + group, "n")
    assert msgspec.json.decode(note, type=Notes) == Notes(language="de")
    assert counts["archived turns"] == 4
    (claim,) = (await engine.claim("w", 5)).claims
    assert [msgspec.json.decode(envelope)["text"] for envelope in claim.envelopes] == ["waiting"]
    await engine.commit(claim, outcome="answered")
    stats = await engine.stats()
    assert stats.accepted == stats.answered + stats.silent + stats.dead + stats.in_flight
    assert stats.in_flight == 0
    assert not (await person.erase(Alone())).total()


async def test_a_turn_that_is_being_answered_ends_without_a_trace(engine, archive, person):
    await engine.accept("desk/dm1", said(ANN, "canary-1", direct=True), ["1"])
    (claim,) = (await engine.claim("w", 1)).claims
    await engine.stage(claim, encode(Staged(Address("desk", "dm1"), 1.0, [Part("canary-answer")])))
    await person.erase(Alone())
    with pytest.raises(Stale):
        await engine.commit(claim, outcome="answered", append=records(ANN, "canary-1"))
    assert await engine.reap("w") == 0
    assert await engine.sweep() == 0
    assert await canaries(engine) == []


async def test_the_turn_of_somebody_else_in_the_room_is_answered_after_all(engine, archive, person):
    await engine.accept("desk/group/t", said(BEN, "first"), ["1"])
    await engine.accept("desk/group/t", said(ANN, "canary"), ["2"])
    await engine.accept("desk/group/t", said(BEN, "second"), ["3"])
    (claim,) = (await engine.claim("w", 1)).claims
    await engine.stage(claim, b"half")
    await person.erase(Alone())
    with pytest.raises(Stale):
        await engine.stage(claim, b"more")
    answered = []
    for _ in range(2):
        (claim,) = (await engine.claim("w", 1)).claims
        answered.append((msgspec.json.decode(claim.envelopes[0])["text"], claim.staged))
        await engine.commit(claim, outcome="answered")
    assert answered == [("first", b"half"), ("second", None)]
    assert (await engine.stats()).in_flight == 0


async def test_what_is_said_while_the_erasure_is_at_work_is_not_answered_from_what_was_erased(
    engine, archive, person, monkeypatch
):
    await talk(engine, "desk/group/t", ANN, "canary")
    await talk(engine, "desk/group/t", BEN, "hello")
    under_way, call = [], engine.call

    async def meanwhile(script, keys, args):
        if script == "erase" and not under_way:
            await engine.accept("desk/group/t", said(ANN, "what did I say?"), ["late"])
            under_way.extend((await engine.claim("w", 1)).claims)
            await engine.stage(under_way[0], encode(Staged(Address("desk", "r"), 1.0, [Part("you said canary")])))
        return await call(script, keys, args)

    monkeypatch.setattr(engine, "call", meanwhile)
    await person.erase(Alone())
    with pytest.raises(Stale):
        await engine.commit(under_way[0], outcome="answered", append=records(ANN, "canary again"))
    assert await canaries(engine) == []
    assert (await engine.stats()).in_flight == 0
    assert await engine.sweep() == 0


async def test_an_answer_to_others_that_was_begun_with_what_is_erased_is_begun_anew(engine, archive, person):
    await talk(engine, "desk/group/t", ANN, "canary")
    await engine.accept("desk/group/t", said(BEN, "what did she say?"), ["1"])
    (claim,) = (await engine.claim("w", 1)).claims
    assert claim.history
    await person.erase(Alone())
    with pytest.raises(Stale):
        await engine.stage(claim, b"she said canary")
    (claim,) = (await engine.claim("w", 1)).claims
    assert (claim.history, claim.tries) == ([], 2)


async def test_a_room_where_the_person_waits_for_a_retry_goes_on(engine, archive, person):
    for number, user in enumerate((ANN, BEN)):
        await engine.accept("desk/group/t", said(user, f"canary {number}" if user is ANN else "hi"), [str(number)])
    (claim,) = (await engine.claim("w", 1)).claims
    await engine.stage(claim, b"half")
    await engine.fail(claim, "retry", delay=60)
    await person.erase(Alone())
    (claim,) = (await engine.claim("w", 1)).claims
    assert msgspec.json.decode(claim.envelopes[0])["text"] == "hi"
    assert claim.staged is None
    assert claim.tries == 1
    assert not await engine.command("ZCARD", engine.shards[0].dly)


async def test_a_summary_that_is_being_made_of_what_was_erased_is_refused(engine, archive, person):
    await talk(engine, "desk/group/t", ANN, "canary")
    await talk(engine, "desk/group/t", BEN, "hello")
    session = (await engine.command("HGET", engine.shards[0].note + "desk/group/t", "b")).decode()
    await person.erase(Alone())
    assert not await engine.call("summarize", [engine.shards[0].note + "desk/group/t"], [session, b"canary"])


async def test_a_turn_that_is_on_its_way_into_the_archive_does_not_arrive(engine, archive, person):
    source = Source(engine, "w")
    await engine.command("XADD", engine.shards[0].arc, "*", "e", encode(turn("canary", "p:canary-id", time=1.0)))
    (taken,) = await source.new(10, 0.1)
    await person.erase(Alone())
    assert await archive.add([Entry(taken.name, taken.time, turn("canary", "p:canary-id", time=1.0))]) == 1
    assert await source.held(10) == []
    await source.close()


async def test_the_same_id_on_another_platform_is_somebody_else(engine, archive, pseudonyms):
    await engine.accept("desk/dm1", said(ANN, "hello", direct=True), ["1"])
    other = Person({"q:canary-id"}, engine, archive, chats=(), platforms={"desk": "p"}, pseudonyms=pseudonyms)
    await other.erase(Alone())
    assert (await engine.stats()).in_flight == 1


async def test_the_same_id_in_a_channel_that_the_file_has_no_more_is_told_apart_by_who_spoke(
    engine, archive, pseudonyms
):
    await talk(engine, "desk/room//canary-id", ANN, "hello")
    for account, left in (("q:canary-id", 2), ("p:canary-id", 0)):
        found = Person({account}, engine, archive, chats=(), platforms={}, pseudonyms=pseudonyms)
        await found.erase(Alone())
        assert await engine.command("LLEN", engine.shards[0].sess + "desk/room//canary-id") == left


async def test_an_erasure_that_was_cut_off_still_knows_all_accounts_when_it_is_repeated(archive, person, monkeypatch):
    forgotten = []

    class Linked(Alone):
        async def forget(self, account):
            forgotten.append(account)

    async def away(accounts, now):
        raise ArchiveAway("away")

    with monkeypatch.context() as patch:
        patch.setattr(archive, "erase", away)
        with pytest.raises(ArchiveAway):
            await person.erase(Linked())
    assert forgotten == []
    await person.erase(Linked())
    assert forgotten == ["p:canary-id"]


async def test_an_export_shows_the_archive_and_what_is_live(engine, archive, person):
    await talk(engine, "desk/dm1", ANN, "in the session")
    await talk(engine, "desk/group/t", ANN, "in the group")
    await talk(engine, "desk/group/t", BEN, "not mine", notes=encode(Notes(pins=("not mine",))))
    await engine.accept("desk/dm1", said(ANN, "waiting", direct=True), ["w"])
    await archive.add([Entry("1", 1.0, turn("archived", "p:canary-id"))])
    text = encode(await person.export())
    for words in (b"in the session", b"in the group", b"waiting", b"archived", b"re: in the session"):
        assert words in text
    assert b"not mine" not in text
    assert person.aliases


async def test_erasing_while_a_hub_answers_everybody_leaves_nothing_stuck(engine, archive, person):
    """Many turns of two people in the same rooms, with the erasure in their middle."""
    stop = asyncio.Event()

    async def work(name):
        while not stop.is_set():
            for claim in (await engine.claim(name, 3)).claims:
                await asyncio.sleep(0)
                user = msgspec.json.decode(claim.envelopes[0], type=Message).user
                try:
                    await engine.stage(claim, b"half")
                    await engine.commit(claim, outcome="answered", append=records(user, "text"))
                except Stale:
                    continue
            await asyncio.sleep(0)

    workers = [asyncio.create_task(work(name)) for name in ("w1", "w2")]
    for number in range(60):
        for user in (ANN, BEN):
            text = f"{'canary' if user is ANN else 'text'} {number}"
            await engine.accept(f"desk/group/t{number % 5}", said(user, text), [f"{user.id}-{number}"])
        if number in (20, 40):
            await person.erase(Alone())
    async with asyncio.timeout(10):
        while (await engine.stats()).in_flight:
            await asyncio.sleep(0.01)
    stop.set()
    await asyncio.gather(*workers)
    stats = await engine.stats()
    assert stats.accepted == stats.answered + stats.silent == 120
    assert await engine.sweep() == 0
    await person.erase(Alone())
    assert [key for key in await canaries(engine) if b":dd:" not in key] == []


async def test_whether_they_were_let_in_is_forgotten_with_their_name(engine, person):
    pairing = Pairing(engine)
    await pairing.approve(await pairing.look("desk", ANN.id, name=ANN.name, event="e1", may_ask=True))
    await pairing.approve(await pairing.look("desk", BEN.id, name=BEN.name, event="e2", may_ask=True))
    await person.erase(Alone())
    await pairing.look("desk", ANN.id, name=ANN.name, event="e3", may_ask=True)
    await pairing.first_today("desk", ANN.id, "e4")
    assert (await person.erase(Alone()))["permissions"] == 2
    assert await engine.command("ZCARD", f"{engine.prefix}:access:{{access}}:open:desk") == 0
    assert await canaries(engine) == []
    assert [each.name for each in await pairing.list(["desk"])] == ["Ben"]


async def test_how_an_event_ended_no_longer_says_whose_it_was(engine, person):
    ended = Traced("dead", "bot failed: canary", 1.0, "desk/group//canary-id")
    await talk(engine, "desk/group//canary-id", ANN, "hi")
    key = f"{engine.shards[0].dd}seen"
    await engine.command("SET", key, encode(ended), "PX", 60_000)
    await person.erase(Alone())
    assert await canaries(engine) == []
    assert msgspec.json.decode(await engine.command("GET", key), type=Traced) == Traced("dead", "", 1.0, "")
    assert await engine.command("PTTL", key) > 0
