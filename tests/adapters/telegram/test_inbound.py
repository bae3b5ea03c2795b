"""Updates become events."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapters.telegram.inbound import KINDS, User, parse, to_event
from core.events import Address, Command, Edited, Joined, Message, Press, Reaction
from tests.adapters.telegram.bot_api import faults, load

ME = User(7000000001, is_bot=True, username="hub_bot")
UPDATES = load("updates.json")


def event(name):
    return to_event("tg", parse(UPDATES[name]), ME)


@pytest.mark.parametrize("name", UPDATES)
def test_our_own_payloads_are_such_as_the_bot_api_describes(name):
    assert faults(UPDATES[name], "Update") == []


def test_a_direct_message_is_answered_without_a_quote():
    said = event("direct")
    assert isinstance(said, Message)
    assert (said.text, said.direct, said.mentioned) == ("hi", True, False)
    assert said.address == Address("tg", "42")
    assert (said.user.id, said.user.name, said.user.locale) == ("42", "Ann Lee", "de")
    assert (said.uid, said.also, said.message_id, said.time) == ("1", ("42:1",), "1", 1790000000.0)


def test_a_mention_in_a_topic_is_answered_there_and_taken_out_of_the_text():
    said = event("topic_mention")
    assert said.address == Address("tg", "-100500", "9", "3")
    assert (said.text, said.mentioned, said.direct) == ("😀 hi", True, False)


def test_a_topic_that_the_bot_opened_does_not_make_each_message_in_it_a_mention():
    assert event("topic_unmentioned").mentioned is False


def test_a_topic_in_a_private_chat_is_a_thread():
    said = event("private_topic")
    assert said.address == Address("tg", "42", "77")
    assert said.direct


def test_a_reply_to_us_is_a_mention_but_its_chain_is_no_thread():
    said = event("reply_to_us")
    assert said.mentioned
    assert said.address == Address("tg", "-100500", None, "6")


def test_a_command_is_told_by_its_name_and_what_follows():
    said = event("command")
    assert isinstance(said, Command)
    assert (said.name, said.text) == ("ask", "what\nnow")


def test_an_anonymous_admin_speaks_as_the_group():
    said = event("anonymous_admin")
    assert (said.user.id, said.user.is_bot, said.mentioned) == ("-100500", False, True)


def test_a_press_tells_the_button_and_the_message_it_stood_under():
    pressed = event("press")
    assert isinstance(pressed, Press)
    assert (pressed.value, pressed.label, pressed.message_id) == ("2", "Two", "501")
    assert pressed.address == Address("tg", "-100500", "9", "501")


def test_a_press_under_an_old_message_still_counts():
    assert event("press_on_inaccessible").value == "2"


def test_an_edit_names_the_message_that_changed_and_does_not_pass_for_it():
    edited = event("edited")
    assert isinstance(edited, Edited)
    assert (edited.text, edited.mentioned, edited.message_id) == ("new", True, "1")
    assert (edited.also, edited.time) == ((), 1790000009.0)


def test_reactions_come_and_go():
    assert isinstance(event("reaction"), Reaction)
    assert (event("reaction").emoji, event("reaction").added) == ("👍", True)
    assert event("reaction_gone").added is False


def test_joins_tell_who_came():
    assert isinstance(event("person_came"), Joined)
    assert (event("person_came").user.name, event("person_came").is_me) == ("Ben", False)
    assert (event("bot_came").user.id, event("bot_came").is_me) == ("7000000001", True)


@pytest.mark.parametrize(
    "name",
    [
        "command_for_another",
        "live_location_moved",
        "bot_promoted",
        "blocked",
        "bot_came_told_twice",
        "moved_to_supergroup",
    ],
)
def test_what_needs_no_answer_is_no_event(name):
    assert event(name) is None


def test_a_user_who_lifts_his_block_is_no_join():
    change = UPDATES["blocked"]["my_chat_member"]
    lifted = change | {"old_chat_member": change["new_chat_member"], "new_chat_member": change["old_chat_member"]}
    assert to_event("tg", parse({"update_id": 1, "my_chat_member": lifted}), ME) is None


@pytest.mark.parametrize(
    ("name", "kind", "file", "words"),
    [
        ("photo", "image", "large", ""),
        ("voice", "audio", "F", ""),
        ("audio", "audio", "F", ""),
        ("document", "file", "F", ""),
        ("video", "video", "F", ""),
        ("video_note", "video", "F", ""),
        ("animation", "video", "F", ""),
        ("sticker", "sticker", "F", "👍"),
        ("location", "location", "", "52.520000, 13.405000"),
        ("venue", "location", "", "52.520000, 13.405000"),
        ("contact", "contact", "", "Bo +491234"),
    ],
)
def test_attachments_come_with_what_is_known_of_them(name, kind, file, words):
    (attachment,) = event(name).attachments
    assert (attachment.kind, attachment.id, attachment.text) == (kind, file, words)


def test_a_caption_is_the_text():
    assert event("photo").text == "what is this?"


def test_recorded_updates_are_understood():
    found = [to_event("tg", parse(update), ME) for update in load("recorded.json")]
    assert [type(e).__name__ for e in found] == [
        *["Command"] * 4,
        "Edited",
        *["Message"] * 4,
        *["NoneType"] * 3,
    ]


@pytest.mark.parametrize("kind", ["business_message", "guest_message", "channel_post", "poll", "tomorrows_kind"])
def test_kinds_that_are_answered_elsewhere_are_passed_over(kind):
    assert to_event("tg", parse({"update_id": 1, kind: UPDATES["direct"]["message"]}), ME) is None


def test_fields_of_a_newer_bot_api_do_no_harm():
    update = {"update_id": 1, "message": UPDATES["direct"]["message"] | {"new": {"deep": [1]}}, "newer": 2}
    assert to_event("tg", parse(update), ME).text == "hi"


def test_all_kinds_that_are_read_are_asked_for():
    assert KINDS == ("message", "edited_message", "callback_query", "message_reaction", "my_chat_member")


def said(text):
    return to_event(
        "tg",
        parse(
            {"update_id": 1, "message": UPDATES["reply_to_us"]["message"] | {"reply_to_message": None} | {"text": text}}
        ),
        ME,
    )


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("@hub_bot hi", "hi"),
        ("hey @HUB_bot, hi", "hey , hi"),
        ("one @hub_bot two @hub_bot", "one two"),
        ("😀 @hub_bot\nhi", "😀 \nhi"),
        ("(@hub_bot)", "()"),
    ],
)
def test_our_name_is_a_mention_and_taken_out(text, heard):
    assert (said(text).text, said(text).mentioned) == (heard, True)


@pytest.mark.parametrize("text", ["@hub_bot2 hi", "@hub hi", "me@hub_bot", "é@hub_bot", "hub_bot"])
def test_what_only_looks_like_our_name_is_no_mention(text):
    assert (said(text).text, said(text).mentioned) == (text, False)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_mention_is_cut_out_cleanly_wherever_it_stands(before, after):
    event = said(f"{before} @hub_bot {after}")
    assume(isinstance(event, Message))  # not a command
    assert event.mentioned
    assert "".join(event.text.split()) == "".join((before + after).split())


BEN = {"id": 43, "is_bot": False, "first_name": "Ben"}
OTHER_BOT = {"id": 44, "is_bot": True, "first_name": "Robin"}
US = {"id": 7000000001, "is_bot": True, "first_name": "Hub"}


def in_group(text, replied_to=None, **more):
    message = {"message_id": 6, "date": 1, "chat": {"id": -5, "type": "group"}, "text": text}
    answered = {**message, "from": replied_to} if replied_to else None
    message |= {"from": {"id": 42, "is_bot": False, "first_name": "Ann"}, "reply_to_message": answered}
    return to_event("tg", parse({"update_id": 1, "message": message | more}), ME)


def named(user=None):
    kind = {"type": "text_mention", "user": user} if user else {"type": "mention"}
    return {"entities": [kind | {"offset": 0, "length": 4}]}


def test_who_names_or_answers_somebody_else_and_not_us_talks_to_others():
    assert in_group("@ben look", **named()).to_others
    assert in_group("Ben, look", **named(BEN)).to_others
    assert in_group("right", replied_to=BEN).to_others
    assert in_group("", caption="@ben look", photo=[{"file_id": "f"}], caption_entities=named()["entities"]).to_others


def test_who_names_us_or_nobody_or_goes_on_himself_does_not_talk_to_others():
    assert not in_group("hello").to_others
    assert not in_group("@hub_bot and @ben", **named()).to_others
    assert not in_group("Hub, look", **named(US)).to_others
    assert not in_group("more", replied_to={"id": 42, "is_bot": False, "first_name": "Ann"}).to_others
    assert not in_group("more", replied_to=OTHER_BOT).to_others
    assert not in_group("@ben says no", replied_to=US, **named()).to_others
    assert not event("topic_unmentioned").to_others
