"""Names are had where Slack gives them, and nothing waits for long or breaks where it does not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from adapters.slack import names as module
from adapters.slack.client import WebApi
from adapters.slack.names import LASTS, PAUSE, Names
from core.events import Address, Deleted, Edited, Message, Part
from simulators.slack import SlackSimulator, events
from simulators.slack.refusal import Refusal
from simulators.slack.workspace import BOT_TOKEN
from tests.adapters.slack.conftest import CHANNEL, Stage, stage

ACTING = Address(CHANNEL, "C1")


@dataclass
class Asking:
    slack: SlackSimulator
    api: WebApi
    names: Names
    now: float = 1000.0

    @property
    def lookups(self) -> int:
        return looked_up(self.slack)

    def answer(self, call: Callable[[dict[str, Any]], Any]) -> None:
        self.slack.api._methods["users.info"] = call


def looked_up(slack: SlackSimulator) -> int:
    return len([wire for wire in slack.wire if wire.path == "/api/users.info"])


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    async with SlackSimulator() as slack, aiohttp.ClientSession() as http:
        api = WebApi(http, f"{slack.url}/api", BOT_TOKEN)
        it = Asking(slack, api, Names(api))
        it.names._clock = lambda: it.now
        yield it
        await it.names.stop()


async def test_a_name_is_asked_for_once_an_hour(asking: Asking) -> None:
    assert [await asking.names.of(user) for user in ("U1", "U2", "U1")] == ["Ada", "Ben", "Ada"]
    assert asking.lookups == 2
    asking.now += LASTS
    asking.slack.rooms.people["U1"] = "Ada L."
    assert await asking.names.of("U1") == "Ada L."


async def test_many_at_once_ask_once(asking: Asking) -> None:
    assert await asyncio.gather(*(asking.names.of("U1") for _ in range(20))) == ["Ada"] * 20
    assert asking.lookups == 1


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"name": "ada", "profile": {"display_name": "Ada", "real_name": "Ada L."}}, "Ada"),
        ({"name": "ada", "profile": {"display_name": " ", "real_name": "Ada L."}}, "Ada L."),
        ({"name": "ada", "real_name": "Ada L."}, "Ada L."),
        ({"name": "ada", "profile": None}, "ada"),
        ({"profile": {"display_name": None}}, ""),
        ({}, ""),
        (None, ""),
        ("ada", ""),
    ],
)
async def test_the_name_is_the_one_that_slack_shows(asking: Asking, user: object, name: str) -> None:
    asking.answer(lambda call: {"user": user})
    assert await asking.names.of("U1") == name


async def test_who_is_not_to_be_seen_keeps_nobody_else_nameless(asking: Asking) -> None:
    assert [await asking.names.of(user) for user in ("U404", "U404", "U1")] == ["", "", "Ada"]
    assert asking.lookups == 2


async def test_without_the_scope_slack_is_left_in_peace_for_minutes(asking: Asking) -> None:
    asking.slack.api.scopes.discard("users:read")
    assert [await asking.names.of(user) for user in ("U1", "U2", "U1")] == ["", "", ""]
    assert asking.lookups == 1
    asking.slack.api.scopes.add("users:read")
    asking.now += PAUSE
    assert await asking.names.of("U1") == "Ada"


async def test_too_many_calls_end_the_asking_for_minutes(asking: Asking) -> None:
    asking.slack.meter.take = lambda *_: 30.0
    assert [await asking.names.of(user) for user in ("U1", "U2")] == ["", ""]
    assert asking.lookups == 1


async def test_an_old_name_is_better_than_none(asking: Asking) -> None:
    await asking.names.of("U1")
    asking.now += LASTS
    asking.slack.api.scopes.clear()
    assert await asking.names.of("U1") == "Ada"


async def test_nothing_waits_for_a_slow_answer_and_the_next_time_the_name_is_there(asking: Asking) -> None:
    asking.slack.faults.silent = True
    asking.names._patience = 0.01
    assert await asking.names.of("U1") == ""
    asking.slack.faults.silent = False
    asking.names._patience = 5
    assert await asking.names.of("U1") == "Ada"
    assert asking.lookups == 1


async def test_an_answer_that_never_comes_is_given_up(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 0.01)
    asking.slack.faults.silent = True
    asking.names._patience = 5
    assert await asking.names.of("U1") == ""
    assert not asking.names._lookups


async def test_only_so_many_are_remembered_those_who_spoke_last(asking: Asking) -> None:
    asking.names._most = 2
    for user in ("U1", "U2", "U1", "UHUB"):
        await asking.names.of(user)
    assert list(asking.names._known) == ["U1", "UHUB"]


async def test_a_stop_leaves_no_lookup_behind_and_a_start_may_follow(asking: Asking) -> None:
    asking.slack.faults.silent = True
    asking.names._patience = 0
    await asking.names.of("U1")
    await asking.names.stop()
    assert not asking.names._lookups
    asking.slack.faults.silent = False
    asking.names._patience = 5
    assert await asking.names.of("U1") == "Ada"


@pytest.fixture(params=["http", "socket"])
async def it(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with stage(SlackSimulator(request.param, retry_after=(0.0, 0.01, 0.02), patience=0.5)) as running:
        yield running


async def test_who_says_something_before_others_has_a_name(it: Stage) -> None:
    said = await it.slack.say("hello", room="C1")
    await it.slack.edit_message(said, "hello!")
    message, edited = it.inbox.events
    assert isinstance(message, Message)
    assert isinstance(edited, Edited)
    assert (message.user.id, message.user.name, edited.user.name) == ("T1:U1", "Ada", "Ada")


async def test_in_private_and_for_what_is_said_without_words_nobody_is_looked_up(it: Stage) -> None:
    said = await it.slack.say("hello")
    await it.slack.react(said, "thumbsup")
    await it.slack.join("C1", user="U2")
    await it.adapter.send(ACTING, Part("hi"), "k1")
    assert [event.user.name for event in it.inbox.events] == ["", "", ""]
    assert not looked_up(it.slack)


async def test_a_missing_scope_for_names_is_no_fault_of_the_channel(it: Stage) -> None:
    it.slack.api.scopes.discard("users:read")
    await it.slack.say("hello", room="C1")
    assert (await it.inbox.wait()).user.name == ""
    await it.adapter.probe()


async def test_a_deletion_does_not_overtake_a_message_that_waits_for_a_name(posted: Stage) -> None:
    answered = asyncio.Event()

    async def slowly(call: dict[str, Any]) -> Any:
        await answered.wait()
        raise Refusal("user_not_found")

    posted.slack.api._methods["users.info"] = slowly
    posted.adapter._names._patience = 5
    said = events.message("C1", "U1", "hello", "1.1", None, None)
    happened = [events.envelope(said, "Ev1", 1), events.envelope(events.message_deleted("C1", said, "1.2"), "Ev2", 1)]
    accepting = asyncio.gather(*map(posted.adapter._accept, happened))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not posted.inbox.events
    answered.set()
    await accepting
    assert [type(event) for event in posted.inbox.events] == [Message, Deleted]
