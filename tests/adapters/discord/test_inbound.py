"""Discord's payloads, recorded ones first, and what they mean."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.discord.inbound import AUTHORS, MALFORMED, Places, to_event
from core.events import Command, Message, Press, Reaction

FOLDER = Path(__file__).parents[1] / "payloads" / "discord"
PAYLOADS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
ME, ROLE, THREAD, CHANNEL = "1457469483726668048", "1457473602180878604", "1457536551830421524", "1457510428359004343"


def places(**known: object) -> Places:
    return Places("disc", me=ME, **known)


def read(name: str, here: Places | None = None, **changes: object):
    payload = PAYLOADS[name]
    return to_event(payload["event"], payload["data"] | changes, here or places(), "session:1")


def test_a_recorded_mention():
    event = read("mention")
    assert isinstance(event, Message)
    assert (event.text, event.mentioned, event.direct) == ("Hey", True, False)
    assert (event.user.id, event.user.name, event.user.is_bot) == ("1033044521375764530", "Test User", False)
    assert (event.address.room, event.address.thread, event.address.reply) == (CHANNEL, None, f"quote:{THREAD}")
    assert (event.cursor.name, event.cursor.value) == (CHANNEL, event.uid)
    assert event.time == pytest.approx(1767574193.676, abs=0.1)


def test_a_mention_becomes_the_head_of_a_thread_where_threads_are_wanted():
    address = read("mention", places(under_mentions=True)).address
    assert (address.room, address.thread) == (THREAD, THREAD)
    assert address.reply == f"under:{CHANNEL}"


def test_what_is_said_in_a_thread_belongs_to_it():
    address = read("thread_message", places(under_mentions=True)).address
    assert (address.room, address.thread) == (THREAD, THREAD)


def test_a_thread_is_known_by_what_the_gateway_told_where_the_message_does_not_say():
    here = places()
    here.learn("THREAD_CREATE", PAYLOADS["thread_create"]["data"])
    assert read("thread_message", here, channel_type=None).address.thread == THREAD


def test_no_thread_is_wanted_in_a_thread_or_where_none_can_be_opened():
    assert read("mention", places(under_mentions=True), channel_type=2).address.thread is None
    in_thread = places(under_mentions=True, threads={CHANNEL})
    assert read("mention", in_thread, channel_type=None).address.reply == f"quote:{THREAD}"


def test_a_bot_that_was_sent_away_and_invited_again_has_joined():
    here = places(guilds={"7"})
    guild = {"id": "7", "joined_at": "2026-10-20T12:00:00+00:00", "system_channel_id": "70"}
    assert to_event("GUILD_CREATE", guild, here) is None
    here.learn("GUILD_DELETE", {"id": "7", "unavailable": True})
    assert to_event("GUILD_CREATE", guild, here) is None
    here.learn("GUILD_DELETE", {"id": "7"})
    assert to_event("GUILD_CREATE", guild, here).is_me


def test_a_command_among_other_people_is_not_direct():
    assert not read("slash_command", guild_id=None, context=2).direct
    assert read("slash_command", guild_id=None, context=1).direct


def test_the_same_reaction_given_again_is_another_event():
    data = PAYLOADS["reaction_add"]["data"]
    first, again = (to_event("MESSAGE_REACTION_ADD", data, places(), delivery) for delivery in ("s:1", "s:9"))
    assert first.uid != again.uid


def test_the_role_that_is_the_bots_alone_is_a_mention():
    assert not read("role_mention").mentioned
    event = read("role_mention", places(roles={ROLE}))
    assert (event.mentioned, event.text) == (True, "AI Still there?")


def test_our_own_message_is_nothing():
    assert read("own_message") is None


def test_a_recorded_reaction():
    event = read("reaction_add")
    assert isinstance(event, Reaction)
    assert (event.emoji, event.added, event.user.name, event.address.room) == ("👍", True, "Test User", THREAD)


def test_a_recorded_press():
    event = read("button_press")
    assert isinstance(event, Press)
    assert (event.value, event.address.thread, event.address.reply) == ("hello", THREAD, f"quote:{event.message_id}")


def test_a_slash_command_carries_what_is_needed_to_answer_it():
    event = read("slash_command")
    assert isinstance(event, Command)
    assert (event.name, event.text, event.user.name, event.user.locale) == ("ai", "why?", "Annie", "de")
    assert event.address.reply == "public:fake-interaction-token"


def test_a_voice_message_is_audio():
    event = read("voice_message")
    assert event.direct
    assert [(one.kind, one.mime, one.size) for one in event.attachments] == [("audio", "audio/ogg", 3000)]


def test_a_webhook_is_a_bot_and_names_are_readable():
    event = read("webhook_message", author={"id": "77", "username": "CI"})
    assert event.user.is_bot
    assert event.text == "build done @Ann <:ok:123>"


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        (f"<@{ME}> hi", "hi"),
        (f"hey <@!{ME}> you", "hey you"),
        (f"a\n<@{ME}>\nb", "a\n \nb"),
        ("<#70> <@&1>", "<#70> <@&1>"),
    ],
)
def test_our_name_is_taken_out_of_the_text(typed, text):
    assert read("mention", content=typed).text == text


def test_an_update_without_a_new_edit_is_nothing():
    data = PAYLOADS["mention"]["data"]
    assert to_event("MESSAGE_UPDATE", data, places()) is None


_junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@settings(deadline=None)
@given(st.data())
def test_mutated_payloads_are_read_or_refused_by_the_one_declared_error(data):
    payload = copy.deepcopy(PAYLOADS[data.draw(st.sampled_from(sorted(PAYLOADS)))])
    for _ in range(data.draw(st.integers(1, 3))):
        place, key = data.draw(st.sampled_from(list(_places(payload["data"]))))
        if data.draw(st.booleans()):
            place[key] = data.draw(_junk)
        else:
            place[key] = None
    here = places(under_mentions=data.draw(st.booleans()))
    try:
        event = to_event(payload["event"], payload["data"], here)
        here.learn(payload["event"], payload["data"])
    except MALFORMED:
        return
    assert event is None or event.address.channel == "disc"


@settings(deadline=None)
@given(_junk, st.sampled_from(["MESSAGE_CREATE", "MESSAGE_DELETE", "GUILD_CREATE", "INTERACTION_CREATE", "READY"]))
def test_junk_is_read_or_refused_too(data, name):
    here = places()
    try:
        to_event(name, data, here)
        here.learn(name, data)
    except MALFORMED:
        pass


def _places(value):
    """Every spot of the payload that can be changed."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from _places(inner)


def user(number, **more):
    return {"id": number, "username": f"user{number}", **more}


@pytest.mark.parametrize(
    ("changes", "to_others"),
    [
        ({"mentions": [], "content": "hi"}, False),
        ({"mentions": [user("5")], "content": "<@5> hi"}, True),
        ({"mentions": [user("5"), user(ME)], "content": "<@5> hi"}, False),
        ({"mentions": [], "mention_roles": ["6"], "content": "<@&6> hi"}, True),
        ({"mentions": [], "referenced_message": {"id": "1", "author": user("5")}}, True),
        ({"mentions": [], "referenced_message": {"id": "1", "author": user("5", bot=True)}}, False),
        ({"mentions": [], "referenced_message": {"id": "1", "author": user("1033044521375764530")}}, False),
        ({"mentions": [user("5")], "referenced_message": {"id": "1", "author": user(ME)}}, False),
        ({"mentions": [], "referenced_message": None}, False),
    ],
)
def test_who_names_or_answers_somebody_else_and_not_us_talks_to_others(changes, to_others):
    assert read("mention", **changes).to_others == to_others


def test_our_own_role_is_nobody_else():
    assert not read("mention", places(roles={"6"}), mentions=[], mention_roles=["6"]).to_others


def test_a_deletion_is_by_whoever_wrote_the_message_as_far_as_that_is_remembered():
    here = places()
    gone = {"id": THREAD, "channel_id": CHANNEL, "guild_id": "7"}
    assert to_event("MESSAGE_DELETE", gone, here).user.id == ""
    here.learn("MESSAGE_CREATE", PAYLOADS["mention"]["data"])
    assert to_event("MESSAGE_DELETE", gone, here).user.id == "1033044521375764530"
    here.learn("MESSAGE_CREATE", PAYLOADS["own_message"]["data"])
    own = gone | {"id": PAYLOADS["own_message"]["data"]["id"]}
    assert to_event("MESSAGE_DELETE", own, here) is None


def test_only_the_latest_authors_are_remembered():
    here = places()
    for number in range(AUTHORS + 5):
        here.learn("MESSAGE_CREATE", {"id": str(number), "author": {"id": "1"}})
    assert len(here.authors) == AUTHORS
    assert "4" not in here.authors
