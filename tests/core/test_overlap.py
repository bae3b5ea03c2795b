"""What becomes of a message when more comes in before it was answered."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.events import Address, Attachment, Command, Deleted, Edited, Message, Press, User
from core.language.stop import means_stop
from core.overlap import cuts, question
from core.under_way import Answering
from tests.fakes import ANN, command, said


def edited(n, text, **more):
    return Edited(**_of(n, f"e{n}"), text=text, **more)


def deleted(n):
    return Deleted(**_of(n, f"d{n}"))


def _of(n, uid):
    return {"uid": uid, "address": said("").address, "user": ANN, "message_id": str(n), "direct": True}


def ask(*waiting, overlap="queue", is_for_us=lambda event: True):
    return question(waiting, overlap, is_for_us)


def test_each_message_is_a_turn_of_its_own():
    asked = ask(said("a", 1), said("b", 2))
    assert (asked.event.text, asked.ids, asked.events, asked.cut) == ("a", ("1",), 1, None)


def test_a_message_that_was_changed_before_its_turn_is_read_as_it_stands():
    assert ask(said("tpyo", 1), edited(1, "typo"), edited(1, "no typo")).event.text == "no typo"
    assert ask(said("a", 1), edited(2, "b")).event.text == "a"


def test_a_message_that_was_taken_back_before_its_turn_is_not_answered():
    assert ask(said("a", 1), said("b", 2), deleted(1)).cut == "withdrawn"


def test_a_change_that_was_changed_again_or_taken_back_is_read_as_it_stands():
    assert ask(edited(1, "typo"), edited(2, "other"), edited(1, "no typo")).event.text == "no typo"
    assert ask(edited(1, "typo"), deleted(1)).cut == "withdrawn"
    assert ask(edited(1, "typo"), edited(1, "no typo"), command("stop")).cut == "stopped"


@pytest.mark.parametrize("stop", [command("stop"), said("Stop!", 9), said("やめて", 9)])
def test_what_waits_before_a_word_to_stop_is_not_answered(stop):
    assert ask(said("a", 1), said("b", 2), stop).cut == "stopped"
    assert ask(said("a", 1), stop, is_for_us=lambda event: event is not stop).cut is None
    assert ask(stop).cut is None


def test_a_word_to_stop_ends_questions_and_no_other_commands():
    assert ask(command("ask", "why?"), command("stop")).cut == "stopped"
    assert ask(command("remember", "tea"), command("stop")).cut is None


def test_what_was_not_said_to_us_is_no_question_that_others_follow():
    chatter = said("a", 1)
    asked = ask(chatter, said("b", 2), overlap="interrupt", is_for_us=lambda event: event is not chatter)
    assert asked.cut is None


def test_a_word_to_stop_takes_along_only_what_was_said_to_us():
    chatter = said("a", 1)
    assert ask(chatter, command("stop"), is_for_us=lambda event: event is not chatter).cut is None
    assert ask(command("stop"), command("stop", n=2)).cut is None


def test_only_what_is_said_to_us_interrupts_and_the_question_is_kept_as_it_reads_now():
    chatter = said("b", 2)
    assert ask(said("a", 1), chatter, overlap="interrupt", is_for_us=lambda event: event is not chatter).cut is None
    asked = ask(said("tpyo", 1), edited(1, "typo"), said("b", 2), overlap="interrupt")
    assert (asked.event.text, asked.cut) == ("typo", "interrupted")


@pytest.mark.parametrize(("before", "after"), [(True, False), (False, True)])
def test_an_edit_takes_no_mention_away_and_may_add_one(before, after):
    assert ask(said("a", 1, mentioned=before), edited(1, "b", mentioned=after)).event.mentioned


def test_quick_messages_of_one_user_become_one_question():
    asked = ask(said("what", 1), said("is", 2), said("this", 3), overlap="collect")
    assert (asked.event.text, asked.ids, asked.events) == ("what\nis\nthis", ("1", "2", "3"), 3)


def test_messages_of_another_user_and_commands_end_what_is_collected():
    ben = said("hey", 2, user=User("ben"))
    assert ask(said("what", 1), ben, said("is", 3), overlap="collect").events == 1
    assert ask(said("what", 1), said("is", 2), command("help"), said("this", 3), overlap="collect").events == 2


def test_what_is_said_elsewhere_or_not_to_us_or_behind_a_file_is_a_question_of_its_own():
    first, thread = said("what", 1), said("is", 2, thread="t")
    assert ask(first, thread, overlap="collect").events == 1
    chatter = said("is", 2)
    assert ask(first, chatter, overlap="collect", is_for_us=lambda event: event is not chatter).events == 1
    file = said("this", 1, attachments=(Attachment("image", "i"),))
    assert ask(file, said("is", 2), overlap="collect").events == 1


def test_what_is_not_for_us_takes_no_question_along():
    hm, asking = said("hm", 1, direct=False), said("what time is it?", 2, direct=False, mentioned=True)
    asked = ask(hm, asking, overlap="collect", is_for_us=lambda event: event.mentioned)
    assert (asked.event.text, asked.events) == ("hm", 1)


def test_a_message_of_another_chat_with_the_same_id_is_another_message():
    elsewhere = msgspec.structs.replace(deleted(1), address=Address("other", "r1"))
    asked = ask(said("a", 1), elsewhere)
    assert asked.cut is None
    answering = Answering(asked, "queue", lambda event: True)
    answering.hear(elsewhere)
    assert not answering.is_cut


def test_a_collected_message_that_was_taken_back_is_left_out_but_ends_with_the_turn():
    asked = ask(said("what", 1), said("oops", 2), said("is", 3), deleted(2), overlap="collect")
    assert (asked.event.text, asked.ids, asked.events) == ("what\nis", ("1", "3"), 3)


def test_a_new_message_ends_the_one_before_it_where_the_channel_says_so():
    assert ask(said("a", 1), said("b", 2), overlap="interrupt").cut == "interrupted"
    assert ask(said("a", 1), said("b", 2), overlap="interrupt", is_for_us=lambda event: False).cut is None
    assert ask(said("a", 1), command("help"), overlap="interrupt").cut is None


def test_what_is_said_by_a_button_is_never_cut():
    press = Press(**_of(1, "p"), value="x")
    assert ask(press, command("stop"), deleted(1)).cut is None


@pytest.mark.parametrize(
    ("new", "overlap", "cut"),
    [
        (edited(1, "b"), "queue", "edited"),
        (edited(2, "b"), "queue", None),
        (deleted(1), "queue", "withdrawn"),
        (command("stop"), "queue", "stopped"),
        (command("help"), "interrupt", None),
        (said("and?", 2), "queue", None),
        (said("and?", 2), "collect", None),
        (said("and?", 2), "interrupt", "interrupted"),
    ],
)
def test_what_cuts_an_answer_short(new, overlap, cut):
    assert cuts(new, ("1",), overlap) == cut


def test_taking_back_one_of_several_messages_does_not_withdraw_the_others():
    assert cuts(deleted(2), ("1", "2"), "collect") == "edited"
    assert cuts(deleted(2), ("2",), "collect") == "withdrawn"


def test_an_event_about_no_message_cuts_nothing():
    assert cuts(msgspec.structs.replace(deleted(1), message_id=""), (), "queue") is None


@pytest.mark.parametrize("text", ["stop", "STOP", "Stop!", " stop. ", "стоп", "停止", "توقف", "रुको", "arrête", "halt"])
def test_the_word_to_stop_is_known_in_each_language(text):
    assert means_stop(text)


@pytest.mark.parametrize("text", ["", "stop it now please", "bus stop", "stopping", "!!!", "s t o p p e d"])
def test_other_words_do_not_stop(text):
    assert not means_stop(text)


events = st.lists(
    st.builds(
        lambda kind, n, text: {
            "said": said(text, n),
            "edited": edited(n, text),
            "deleted": deleted(n),
            "stop": command("stop"),
        }[kind],
        st.sampled_from(["said", "said", "edited", "deleted", "stop"]),
        st.integers(1, 4),
        st.text(max_size=5),
    ),
    min_size=1,
    max_size=20,
)


@given(events, st.sampled_from(["queue", "collect", "interrupt"]), st.booleans())
def test_a_turn_ends_at_least_its_own_event_and_none_that_is_not_there(waiting, overlap, ours):
    asked = question(waiting, overlap, lambda event: ours)
    assert 1 <= asked.events <= len(waiting)
    assert type(asked.event) is type(waiting[0])
    assert all(isinstance(event, Message) for event in waiting[: asked.events]) or asked.events == 1
    assert asked.events == 1 or overlap == "collect"
    assert not (asked.cut and isinstance(waiting[0], Command) and waiting[0].name == "stop")
