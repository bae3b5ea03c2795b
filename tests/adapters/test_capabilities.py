"""What an adapter declares, held against what its platform then does."""

from dataclasses import fields

import pytest

import adapters
from core.adapter import Capabilities
from core.events import Address, Choice, Part
from simulators.discord import DiscordSimulator
from simulators.slack import SlackSimulator
from simulators.telegram import TelegramSimulator
from simulators.twilio import TwilioSimulator
from tests.adapters.test_limits import clock, started  # noqa: F401 - fixtures

ROOMS = {"slack": "C1", "telegram": "42", "discord": "70", "whatsapp": "whatsapp:+15551230001"}
HERE = {"max_text", "max_choices", "idempotent_send", "can_find"}
"""Tested in this file."""
ELSEWHERE = {"can_edit", "edit_every", "typing_lasts", "redelivers"}
"""By name in test_contract.py; `redelivers` by each adapter's own tests of a store that is away."""


def test_no_capability_is_forgotten():
    assert {field.name for field in fields(Capabilities)} == HERE | ELSEWHERE


@pytest.fixture(
    params=[SlackSimulator, TelegramSimulator, DiscordSimulator, TwilioSimulator], ids=lambda kind: kind.platform
)
async def hub(request, started):  # noqa: F811
    hub = await started(request.param(limits=False))
    hub.to = Address("chan", ROOMS[hub.simulator.platform])
    if isinstance(hub.simulator, TwilioSimulator):
        hub.simulator.heard[hub.to.room] = hub.simulator.clock()
    return hub


@pytest.fixture
def can(hub):
    return hub.adapter.capabilities


async def test_the_longest_text_is_taken(hub, can):
    text = "x" * can.max_text
    assert hub.adapter.measure(text) == can.max_text
    await hub.adapter.send(hub.to, Part(text), "key1")
    assert hub.shown(hub.to.room) == [text]


async def test_as_many_buttons_are_shown_as_are_declared(hub, can):
    choices = tuple(Choice(f"Label {n}", f"value{n}") for n in range(can.max_choices))
    await hub.adapter.send(hub.to, Part("Choose", choices), "key1")
    (seen,) = [seen for seen in hub.simulator.messages if seen.is_bot]
    assert seen.choices == [(choice.label, choice.value) for choice in choices]


async def test_the_same_key_again_does_no_harm_just_where_that_is_declared(hub, can):
    for _ in range(2):
        await hub.adapter.send(hub.to, Part("once"), "key1")
    assert len(hub.shown(hub.to.room)) == (1 if can.idempotent_send else 2)


async def test_what_was_sent_is_found_just_where_that_is_declared(hub, can):
    sent = await hub.adapter.send(hub.to, Part("here"), "key1")
    since = hub.simulator.messages[-1].time - 1
    since = min(since, hub.simulator.clock() - 1) if isinstance(hub.simulator, TwilioSimulator) else since
    found = await hub.adapter.find(hub.to, Part("here"), "key1", since)
    assert found == (sent if can.can_find else None)


def test_every_platform_that_can_be_played_is_looked_at():
    assert set(ROOMS) <= set(adapters.PLATFORMS)
