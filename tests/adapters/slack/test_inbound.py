"""Slack's payloads become events."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.inbound import Me, to_event
from core.events import Address, Command, Deleted, Edited, Joined, Message, Press, Reaction
from simulators.slack import events
from simulators.slack.rooms import wire_text

PAYLOADS = Path(__file__).parents[1] / "payloads" / "slack"
ME = Me("UHUB", "BHUB")


def recorded(name: str) -> dict[str, Any]:
    """Some were kept without their event id."""
    payloads = json.loads((PAYLOADS / f"{name}.json").read_text())
    return {
        key: {"event_id": "Ev1", **payload} if isinstance(payload, dict) else payload
        for key, payload in payloads.items()
    }


def parsed(event: dict[str, Any]) -> Any:
    return to_event("team", events.envelope(event, "Ev1", 0), ME)


def said(text: str = "hi", room: str = "C1", thread: str | None = None, **more: Any) -> Any:
    return parsed({**events.message(room, "U1", text, "17.1", thread, None), **more})


RECORDINGS = [
    pytest.param(payload, Me(recorded(name)["botUserId"]), id=f"{name}-{key}")
    for name in ("actions-reactions", "channel-mention", "channel", "dm", "slash-commands", "streaming")
    for key, payload in recorded(name).items()
    if isinstance(payload, dict) and ("event" in payload or "command" in payload or "actions" in payload)
]


@pytest.mark.parametrize(("payload", "me"), RECORDINGS)
def test_every_recorded_payload_is_an_event_with_an_address(payload: dict[str, Any], me: Me) -> None:
    event = to_event("team", payload, me)
    assert event is not None
    assert event.uid
    assert event.address.room
    assert event.user.id.startswith("T")


def filled(value: Any, key: str = "") -> Any:
    """A blanked sample with plausible values."""
    if isinstance(value, dict):
        return {name: filled(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, key) for inner in value]
    if value != "":
        return value
    return "1700000000.000100" if key == "ts" or key.endswith("_ts") else f"X{key}"


@pytest.mark.parametrize("path", sorted(PAYLOADS.glob("*Payload.json")), ids=lambda path: path.stem)
def test_every_field_that_slack_may_send_is_survived(path: Path) -> None:
    sample = filled(json.loads(path.read_text()))
    sample["type"] = "event_callback"
    sample["event"].get("previous_message", {})["text"] = "before"
    assert to_event("team", sample, ME) is not None


def test_a_recorded_mention_keeps_other_names_readable() -> None:
    event = to_event("team", recorded("channel-mention")["mention"], Me("U00FAKEBOT01"))
    assert isinstance(event, Message)
    assert event.mentioned
    assert event.text == "Can you see the name of this channel: #C00FAKECHAN2?"


def test_a_recorded_image_is_an_attachment() -> None:
    event = to_event("team", recorded("streaming")["aiMentionWithFile"], Me("U00FAKEBOT01"))
    assert isinstance(event, Message)
    (image,) = event.attachments
    assert (image.kind, image.name, image.mime, image.size) == ("image", "image.png", "image/png", 214244)


def test_a_recorded_press_names_its_message_and_thread() -> None:
    event = to_event("team", recorded("streaming")["buttonAction"], Me("U08REALBOT1"))
    assert isinstance(event, Press)
    assert (event.value, event.label) == ("option-a", "Option A")
    assert event.address == Address("team", "C08REALCHAN1", "1775407823.782829")


def test_a_mention_at_the_top_of_a_channel_opens_the_thread_under_it() -> None:
    event = said("<@UHUB> hello")
    assert event.address == Address("team", "C1", "17.1")
    assert (event.text, event.mentioned, event.direct) == ("hello", True, False)


def test_a_mention_that_comes_as_two_events_has_one_id_in_common() -> None:
    message = events.message("C1", "U1", "<@UHUB> hello", "17.1", None, None)
    first, second = parsed(message), parsed(events.app_mention(message))
    assert first.also == second.also == ("T1:C1:17.1",)
    assert first.mentioned
    assert second.mentioned
    assert (first.text, first.address) == (second.text, second.address)


def test_a_reply_stays_in_its_thread() -> None:
    assert said(thread="16.9").address.thread == "16.9"
    assert not said(thread="16.9").mentioned


def test_an_answer_under_a_message_of_ours_counts_as_a_mention() -> None:
    assert said(thread="16.9", parent_user_id="UHUB").mentioned


def test_a_direct_message_has_no_thread_unless_it_is_in_one() -> None:
    assert said(room="D1").direct
    assert said(room="D1").address.thread is None
    assert said(room="D1", thread="16.9").address.thread == "16.9"


def test_users_are_told_apart_by_workspace() -> None:
    assert said().user.id == "T1:U1"
    assert said(user_team="T2").user.id == "T2:U1"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("&lt;@UHUB&gt; is typed", "<@UHUB> is typed"),
        ("<@UHUB|hub>, please", "please"),
        ("ask <@UHUB> now", "ask now"),
        ("<@UHUB>\n    indented", "indented"),
        ("see <https://a.b/?x=1&amp;y=2|this> and <https://c.d>", "see this (https://a.b/?x=1&y=2) and https://c.d"),
        ("<mailto:a@b.c|a@b.c>", "a@b.c"),
        ("<!here> <!subteam^S1|@team> <#C2|general> <@U2|ada>", "@here @team #general @ada"),
        ("<!date^1^{date}|Monday>", "Monday"),
    ],
)
def test_text_is_as_it_was_typed(raw: str, text: str) -> None:
    assert said(raw).text == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_a_user_types_arrives_unchanged(text: str) -> None:
    assert said(wire_text(text.replace("@hub", ""))).text == text.replace("@hub", "").strip()


def test_other_bots_are_bots_and_our_own_messages_are_nothing() -> None:
    other = said(user=None, bot_id="B2", subtype="bot_message", username="deploys")
    assert (other.user.id, other.user.is_bot, other.user.name) == ("T1:B2", True, "deploys")
    assert parsed(events.bot_message("C1", "<@UHUB> me", "17.2", None)) is None
    assert said(bot_id="BHUB", user=None) is None
    assert not said().user.is_bot


def test_an_edit_is_told_and_a_link_preview_is_not() -> None:
    before = events.message("C1", "U1", "old", "17.1", None, None)
    edit = parsed(events.message_changed("C1", before, "<@UHUB> new", "17.5"))
    assert isinstance(edit, Edited)
    assert (edit.message_id, edit.text, edit.mentioned, edit.address.thread) == ("17.1", "new", True, "17.1")
    assert parsed(events.message_changed("C1", before, "old", "17.5")) is None


def test_our_own_edits_and_deletions_are_nothing() -> None:
    mine = events.bot_message("C1", "…", "17.2", None)
    assert parsed(events.message_changed("C1", mine, "done", "17.5")) is None
    assert parsed(events.message_deleted("C1", mine, "17.5")) is None


def test_a_deletion_is_told_also_where_a_thread_keeps_the_place() -> None:
    before = events.message("D1", "U1", "oops", "17.1", None, None)
    gone = parsed(events.message_deleted("D1", before, "17.5"))
    stone = events.message_changed("D1", before, "This message was deleted.", "17.5")
    stone["message"] |= {"subtype": "tombstone", "user": "USLACKBOT"}
    for event in (gone, parsed(stone)):
        assert isinstance(event, Deleted)
        assert (event.message_id, event.user.id, event.address) == ("17.1", "T1:U1", Address("team", "D1"))


def test_a_voice_message_brings_its_transcript() -> None:
    clip = {
        "id": "F1",
        "name": "audio.mp4",
        "mimetype": "video/mp4",
        "subtype": "slack_audio",
        "size": 12,
        "url_private": "https://files.slack.com/F1",
        "transcription": {"status": "complete", "preview": {"content": "call me back"}},
    }
    (voice,) = said("", subtype="file_share", files=[clip]).attachments
    assert (voice.kind, voice.text, voice.id) == ("audio", "call me back", "https://files.slack.com/F1")


def test_files_that_are_no_list_do_not_hide_what_was_said() -> None:
    assert (said(files=True).text, said(files=True).attachments) == ("hi", ())


@pytest.mark.parametrize("is_ephemeral", [True, False])
def test_a_press_under_a_private_answer_is_answered_in_private(is_ephemeral: bool) -> None:
    button = {"action_id": "choice_0", "value": "yes", "text": {"text": "Yes"}}
    url = "https://hooks.slack.com/actions/1"
    press = to_event(
        "team",
        events.block_actions("C1", "U1", {"ts": "17.1"}, button, "1.2.x", url, at="17.2", is_ephemeral=is_ephemeral),
        ME,
    )
    private, public = Address("team", "C1", None, f"U1 {url}"), Address("team", "C1", "17.1")
    assert (press.value, press.label, press.user.name) == ("yes", "Yes", "u1")
    assert press.address == (private if is_ephemeral else public)


def test_reactions_and_joins_are_told() -> None:
    added = parsed(events.reaction("reaction_added", "C1", "U1", "thumbsup", "17.1", "UHUB", "17.7"))
    removed = parsed(events.reaction("reaction_removed", "C1", "U1", "thumbsup", "17.1", "UHUB", "17.8"))
    assert isinstance(added, Reaction)
    assert (added.emoji, added.added, added.message_id, removed.added) == ("thumbsup", True, "17.1", False)
    assert parsed(events.reaction("reaction_added", "C1", "UHUB", "eyes", "17.1", "U1", "17.9")) is None
    joined = parsed(events.member_joined("C1", "UHUB", "17.8"))
    assert isinstance(joined, Joined)
    assert joined.is_me


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("ai", "what is <https://a.b> &amp; why", ("ai", "what is https://a.b & why")),
        ("help", "", ("help", "")),
        ("RESET", "", ("reset", "")),
        ("ai", " Help ", ("help", "")),
        ("ai", "reset", ("reset", "")),
        ("ai", "help me with this", ("ai", "help me with this")),
    ],
)
def test_slash_commands(name: str, text: str, expected: tuple[str, str]) -> None:
    form = events.slash_command(name, text, "C1", "U1", "1.2.x", "https://hooks.slack.com/commands/1")
    command = to_event("team", form, ME)
    assert isinstance(command, Command)
    assert (command.name, command.text) == expected
    assert command.address == Address("team", "C1", None, "U1 https://hooks.slack.com/commands/1")


@pytest.mark.parametrize("subtype", ["channel_topic", "channel_join", "message_replied", "bot_add", "huddle_thread"])
def test_what_nobody_said_is_nothing(subtype: str) -> None:
    assert said(subtype=subtype) is None
    assert said(subtype=subtype, message=events.message("C1", "U1", "hi", "17.1", None, None)) is None


ODD = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=3)
SHAPES = [
    events.envelope(events.message("C1", "U1", "<@UHUB> hi", "17.1", "17.0", None), "Ev1", 0),
    events.envelope(
        events.message_changed("C1", events.message("C1", "U1", "a", "17.1", None, None), "b", "17.2"), "Ev1", 0
    ),
    events.envelope(events.message_deleted("C1", events.message("C1", "U1", "a", "17.1", None, None), "17.2"), "E", 0),
    events.envelope(events.reaction("reaction_added", "C1", "U1", "eyes", "17.1", "U2", "17.2"), "Ev1", 0),
    events.envelope(events.member_joined("C1", "U1", "17.2"), "Ev1", 0),
    events.slash_command("ai", "x", "C1", "U1", "1.2", "https://hooks.slack.com/1"),
    recorded("streaming")["buttonAction"],
    recorded("streaming")["aiMentionWithFile"],
]


def changed_somewhere(draw: st.DrawFn, value: Any) -> Any:
    """One value deep in a payload replaced by something of any type."""
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: changed_somewhere(draw, value[key])}
    if isinstance(value, list) and value and draw(st.booleans()):
        return [changed_somewhere(draw, value[0]), *value[1:]]
    return draw(ODD)


@st.composite
def odd_payloads(draw: st.DrawFn) -> dict[str, Any]:
    odd = changed_somewhere(draw, draw(st.sampled_from(SHAPES)))
    return odd if isinstance(odd, dict) else {"type": odd}


@given(odd_payloads())
def test_no_payload_of_the_wrong_shape_is_an_error(payload: dict[str, Any]) -> None:
    event = to_event("team", payload, ME)
    assert event is None or (isinstance(event.uid, str) and isinstance(event.address.room, str))


@pytest.mark.parametrize("stamp", ["nan", "1e999", "-inf"])
def test_a_time_that_is_none_makes_no_event(stamp: str) -> None:
    assert said(ts=stamp, event_ts=stamp) is None


def test_a_message_without_the_time_of_its_event_is_still_heard() -> None:
    event = events.message("C1", "U1", "hi", "17.1", None, None)
    del event["event_ts"]
    assert parsed(event).text == "hi"


@pytest.mark.parametrize(
    ("text", "to_others"),
    [
        ("hi", False),
        ("<@U5> can you look?", True),
        ("ask <!subteam^S1|@support>", True),
        ("<@UHUB> what does <@U5> mean?", False),
        ("&lt;@U5&gt; typed by hand", False),
        ("<#C2|general> and <!here>", False),
    ],
)
def test_who_names_somebody_else_and_not_us_talks_to_others(text: str, to_others: bool) -> None:
    assert said(text, thread="16.1").to_others == to_others


def test_a_mention_event_and_a_thread_of_ours_are_for_us_whoever_else_is_named() -> None:
    assert not said("<@U5>", type="app_mention").to_others
    assert not said("<@U5>", thread="16.1", parent_user_id="UHUB").to_others
