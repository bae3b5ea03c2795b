import asyncio

import pytest
from pydantic import ValidationError

from core.access import access as module
from core.access import pairing
from core.access.access import KNOWN_FOR, Access, Denied
from core.access.pairing import ALPHABET, LIFE, OPEN_MAX, Pairing
from core.access.settings import AccessSettings
from core.engine.engine import Engine
from core.engine.store import connect
from core.errors import StoreError
from core.events import User
from core.language.sentences import Sentence
from tests.fakes import said

BEN = User("ben", "Ben")
LIST = AccessSettings(access="allowlist", allow=["ann"])
PAIRING = AccessSettings(access="pairing", allow=["boss"])


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def access(engine, time):
    return Access(engine, now=time)


async def test_an_open_channel_asks_nobody(access, redis, prefix):
    assert await access.check(said("hi"), AccessSettings()) is None
    assert await redis.keys(f"{prefix}:*") == []


async def test_those_on_the_list_are_answered_and_others_told_once(access):
    assert await access.check(said("hi"), LIST) is None
    told = [(await access.check(said("hi", n, user=BEN), LIST)).text("en") for n in (1, 2, 3)]
    assert told == ["I may not answer you here.", None, None]


async def test_once_a_day_holds_for_all_processes(access, engine):
    await access.check(said("hi", 1, user=BEN), LIST)
    assert await Access(engine).check(said("hi", 2, user=BEN), LIST) == Denied("not allowed")


async def test_the_message_that_was_told_is_told_again_when_it_is_tried_again(access, engine):
    for each in (access, access, Access(engine)):
        assert (await each.check(said("hi", 1, user=BEN), LIST)).line is Sentence.NOT_ALLOWED


@pytest.mark.parametrize("settings", [LIST, PAIRING])
async def test_in_groups_strangers_meet_silence(access, settings, redis, prefix):
    denied = await access.check(said("hi", user=BEN, direct=False, mentioned=True), settings)
    assert denied.text("en") is None
    assert await redis.keys(f"{prefix}:*") == []


async def test_a_name_lets_nobody_in(access):
    assert await access.check(said("hi", user=User("eve", "ann")), LIST)


async def test_a_stranger_gets_a_code_and_is_answered_as_soon_as_it_is_approved(access):
    denied = await access.check(said("hi", user=BEN), PAIRING)
    assert len(denied.code) == 8
    assert set(denied.code) <= set(ALPHABET)
    assert f"`{denied.code}`" in denied.text("de")
    who = await access.pairing.approve(f" {denied.code[:4].lower()}-{denied.code[4:]} ")
    assert (who.channel, who.account, who.name) == ("fake", "ben", "Ben")
    assert await access.check(said("hi", 2, user=BEN), PAIRING) is None
    assert await access.check(said("hi", 3, user=BEN, direct=False), PAIRING) is None


async def test_those_in_the_file_need_no_code(access):
    assert await access.check(said("hi", user=User("boss")), PAIRING) is None


async def test_a_code_works_once(access):
    code = (await access.check(said("hi", user=BEN), PAIRING)).code
    assert await access.pairing.approve(code)
    assert await access.pairing.approve(code) is None


async def test_an_approval_counts_in_its_channel_alone(access):
    await access.pairing.approve((await access.check(said("hi", user=BEN), PAIRING)).code)
    assert await access.pairing.look("other", "ben") is False


async def test_who_writes_on_is_not_told_the_code_each_time(access):
    first = await access.check(said("hi", 1, user=BEN), PAIRING)
    assert await access.check(said("hi", 2, user=BEN), PAIRING) == Denied("not paired")
    assert await access.check(said("hi", 2, user=BEN), PAIRING) == Denied("not paired")
    assert first.code


async def test_a_message_that_is_tried_again_is_told_the_same_code(access):
    codes = {(await access.check(said("hi", 1, user=BEN), PAIRING)).code for _ in range(3)}
    assert len(codes) == 1
    assert codes != {""}


async def test_after_a_minute_the_same_code_is_told_again(access, redis, prefix):
    first = await access.check(said("hi", 1, user=BEN), PAIRING)
    await redis.hset(f"{prefix}:access:{{access}}:own:fake:ben", "told", 0)
    assert (await access.check(said("hi", 2, user=BEN), PAIRING)).code == first.code
    assert await access.check(said("hi", 3, user=BEN), PAIRING) == Denied("not paired")


async def test_nobody_gets_a_code_that_is_somebody_elses(access, monkeypatch):
    monkeypatch.setattr(pairing.secrets, "choice", lambda signs: signs[0])
    assert (await access.check(said("hi", user=BEN), PAIRING)).code == ALPHABET[0] * 8
    assert await access.check(said("hi", user=User("cat")), PAIRING) == Denied("not paired")


async def test_of_two_admins_who_approve_at_once_one_did_it(access):
    code = (await access.check(said("hi", user=BEN), PAIRING)).code
    done = await asyncio.gather(access.pairing.approve(code), access.pairing.approve(code))
    assert [who and who.account for who in done] == ["ben", None]


async def test_codes_expire(access, redis, prefix):
    code = (await access.check(said("hi", user=BEN), PAIRING)).code
    for key in await redis.keys(f"{prefix}:access:*"):
        assert LIFE - 60 < await redis.ttl(key) <= LIFE
        await redis.delete(key)
    assert await access.pairing.approve(code) is None
    assert (await access.check(said("hi", 2, user=BEN), PAIRING)).code not in ("", code)


async def test_a_flood_of_strangers_gets_no_more_codes_and_voids_none(access, redis, prefix):
    code = (await access.check(said("hi", user=BEN), PAIRING)).code
    for n in range(OPEN_MAX - 1):
        assert (await access.check(said("hi", user=User(f"u{n}")), PAIRING)).code
    assert await access.check(said("hi", user=User("one-more")), PAIRING) == Denied("not paired")
    assert await access.pairing.approve(code)
    assert (await access.check(said("hi", 2, user=User("one-more")), PAIRING)).code
    assert await access.check(said("hi", user=User("another")), PAIRING) == Denied("not paired")
    listed = f"{prefix}:access:{{access}}:open:fake"
    await redis.zadd(listed, dict.fromkeys(await redis.zrange(listed, 0, 0), 0))  # one has expired
    assert (await access.check(said("hi", 2, user=User("another")), PAIRING)).code


async def test_other_bots_get_no_code(access):
    assert await access.check(said("hi", user=User("b", is_bot=True)), PAIRING) == Denied("not paired")


async def test_those_let_in_are_not_looked_up_with_each_message(access, time, engine, monkeypatch):
    await access.pairing.approve((await access.check(said("hi", user=BEN), PAIRING)).code)
    looks = []

    class Counting(Pairing):
        async def look(self, channel, account, **more):
            looks.append(account)
            return await super().look(channel, account, **more)

    access.pairing = Counting(engine)
    for n in range(20):
        assert await access.check(said("hi", n, user=BEN), PAIRING) is None
        assert await access.lets_in(said("hi", n, user=BEN), PAIRING)
    assert looks == ["ben"]
    monkeypatch.setattr(module, "KNOWN_MAX", 2)  # and those who were let in last are known
    cat, dan = User("cat"), User("dan")
    for user in (cat, dan):
        await access.pairing.approve((await access.check(said("hi", user=user), PAIRING)).code)
    looks.clear()
    for user in (cat, dan, cat, BEN):
        assert await access.check(said("hi", user=user), PAIRING) is None
    assert looks == ["cat", "dan", "ben"]


async def test_who_was_let_in_by_a_code_is_not_answered_where_only_a_list_counts(access):
    await access.pairing.approve((await access.check(said("hi", user=BEN), PAIRING)).code)
    assert await access.lets_in(said("hi", user=BEN), PAIRING)
    assert not await access.lets_in(said("hi", user=BEN), LIST)
    assert (await access.check(said("hi", user=BEN), LIST)).reason == "not allowed"


async def test_who_is_put_out_is_answered_no_more_after_a_moment(access, time):
    await access.pairing.approve((await access.check(said("hi", user=BEN), PAIRING)).code)
    assert await access.check(said("hi", 2, user=BEN), PAIRING) is None
    assert await access.pairing.revoke("fake", "ben")
    time.now += KNOWN_FOR
    assert (await access.check(said("hi", 3, user=BEN), PAIRING)).code


async def test_an_admin_sees_who_waits_and_who_was_let_in(access):
    first = await access.check(said("hi", user=BEN), PAIRING)
    waiting = await access.check(said("hi", user=User("cat", "Cat " * 100)), PAIRING)
    await access.pairing.approve(first.code)
    listed = await access.pairing.list(["fake", "other"])
    assert [(each.account, each.name, each.code) for each in listed] == [
        ("cat", "Cat " * 20, waiting.code),
        ("ben", "Ben", ""),
    ]


async def test_while_the_store_is_away_no_stranger_gets_in(tmp_path):
    async with connect(f"unix://{tmp_path}/nobody-listens") as client:
        engine = Engine(client, limit=0.05)
        access = Access(engine)
        for settings in (LIST, PAIRING):
            with pytest.raises(StoreError):
                await access.check(said("hi", user=BEN), settings)
        await engine.close()


def test_ids_may_stand_in_the_file_as_numbers():
    assert AccessSettings(allow=[4242, "+15551230001"]).allow == ("4242", "+15551230001")
    with pytest.raises(ValidationError):
        AccessSettings(allow=[True])
