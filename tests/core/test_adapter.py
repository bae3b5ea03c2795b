"""What the port of a platform brings along for every adapter."""

import asyncio
from typing import ClassVar

import pytest
from pydantic import SecretStr

from core.adapter import Health, Settings, Wiring, bot_at, is_only
from core.errors import IntakeError, NotReady
from core.events import Accepted, Address, Message, User
from tests.fakes import FakeAdapter, NoCursors


class Plain(Settings):
    platform: str = "plain"
    secret: SecretStr = SecretStr("")
    number: str = ""
    environment: ClassVar = {"secret": "PLAIN_SECRET", "number": "PLAIN_NUMBER"}


def test_what_has_a_name_in_the_environment_is_needed_and_white_space_is_no_secret():
    assert Plain().missing() == Plain(secret=" ", number="\n").missing() == ("secret", "number")
    assert Plain(secret="FAKE", number="7").missing() == ()


def test_what_is_needed_may_hang_on_other_settings():
    class Quiet(Plain):
        needed: ClassVar = ("secret",)

    assert Quiet().missing() == ("secret",)
    assert Quiet(secret="FAKE").missing() == ()


class Inbox:
    """Takes nothing from rooms that are shut."""

    def __init__(self, *shut):
        self.shut, self.taken, self.refused = set(shut), [], asyncio.Event()

    async def __call__(self, event):
        if event.address.room in self.shut:
            self.refused.set()
            raise IntakeError("the store is away", retry_after=0.001)
        self.taken.append(event.uid)
        return Accepted.NEW


def said(*uids):
    """In rooms that are named by their first letter."""
    return [Message(uid=uid, address=Address("fake", uid[0]), user=User("ann"), text="hi") for uid in uids]


@pytest.fixture
def adapter_of():
    return lambda inbox: FakeAdapter(Settings(platform="fake"), Wiring("fake", inbox, None, "http://x", NoCursors()))


async def test_what_a_poll_brought_is_kept_in_order_within_a_room_and_no_room_waits_for_another(adapter_of):
    inbox = Inbox("a")
    keeping = asyncio.create_task(adapter_of(inbox).keep_all(said("a1", "b1", "a2", "b2")))
    await inbox.refused.wait()
    while len(inbox.taken) < 2:
        await asyncio.sleep(0)
    assert inbox.taken == ["b1", "b2"]
    assert not keeping.done()
    inbox.shut.clear()
    await keeping
    assert inbox.taken == ["b1", "b2", "a1", "a2"]


async def test_while_the_store_is_away_it_is_not_the_platform_that_is_silent(adapter_of):
    inbox = Inbox("a")
    adapter = adapter_of(inbox)
    adapter.health.alive_at -= 1000
    keeping = asyncio.create_task(adapter.keep(*said("a1")))
    await inbox.refused.wait()
    assert adapter.health.silent_for < 100
    inbox.shut.clear()
    await keeping
    assert inbox.taken == ["a1"]


def test_a_secret_opens_alone_and_whole_and_an_empty_one_never():
    assert is_only(["FAKE"], "FAKE")
    assert not any(is_only(sent, "FAKE") for sent in ([], [""], ["FAK"], ["FAKE", "FAKE"], ["FAKE", ""], ["\udcff"]))
    assert not is_only([""], "")


def test_a_platform_that_is_silent_for_too_long_is_not_ready_until_it_speaks_again():
    health = Health()
    health.expect(60, "the socket has been silent")
    health.alive_at -= 70
    with pytest.raises(NotReady, match=r"^the socket has been silent for 70 s$"):
        health.expect(60, "the socket has been silent")
    health.connected("@hub")
    health.expect(60, "the socket has been silent")
    assert health.identity == "@hub"


def test_the_same_id_at_another_server_is_another_bot():
    assert bot_at("https://api.plain.example/v1", "api.plain.example", "plain:7") == "plain:7"
    assert bot_at("http://127.0.0.1:8001", "api.plain.example", "plain:7") == "plain:7@127.0.0.1:8001"
