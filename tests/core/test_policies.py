import pytest

from core.adapter import Settings
from core.bot import Notes, Remembered
from core.conversation.session import Session
from core.events import Address, Attachment, Command, Deleted, Edited, Joined, Message, Press, Reaction, User
from core.policies import Case, Refusal, Silence, judge

HERE = {"uid": "1", "address": Address("c", "r", "t"), "user": User("u")}
BOT = {**HERE, "user": User("b", is_bot=True)}
OLD = [Remembered("user", "hi"), Remembered("assistant", "hello")]


def settings(**keys):
    return Settings(platform="fake", **keys)


@pytest.mark.parametrize(
    ("event", "keys", "history"),
    [
        (Message(**HERE, text="hi", direct=True), {}, []),
        (Message(**HERE, text="hi", mentioned=True), {}, []),
        (Message(**HERE, text="hi"), {"answer": "all"}, []),
        (Message(**HERE, text="hi"), {"answer": "threads"}, OLD),
        (Command(**HERE, name="help"), {}, []),
        (Press(**HERE, value="x"), {}, []),
        (Message(**HERE, text="", mentioned=True), {}, []),
        (Message(**BOT, text="hi", direct=True), {"answer_bots": True}, []),
        (Message(**HERE, text="", direct=True, attachments=(Attachment("audio", "f", text="said so"),)), {}, []),
    ],
)
def test_what_is_said_to_us_is_answered(event, keys, history):
    assert judge(Case(event, settings(**keys), Session(history), 100.0)) is None


@pytest.mark.parametrize(
    ("event", "keys", "history", "reason"),
    [
        (Message(**HERE, text="hi"), {}, [], "not addressed"),
        (Message(**HERE, text="hi"), {}, OLD, "not addressed"),
        (Message(**HERE, text="hi"), {"answer": "threads"}, [], "not addressed"),
        (Message(**BOT, text="hi", direct=True), {}, [], "bot"),
        (Edited(**HERE, text="hi"), {"answer": "all"}, [], "edited"),
        (Deleted(**HERE), {"answer": "all"}, [], "deleted"),
        (Reaction(**HERE, emoji="+1"), {"answer": "all"}, [], "reaction"),
        (Joined(**HERE), {"answer": "all"}, [], "joined"),
        (Message(**HERE, text=" ", direct=True), {}, [], "empty"),
    ],
)
def test_all_else_is_passed_over_with_a_reason(event, keys, history, reason):
    assert judge(Case(event, settings(**keys), Session(history), 100.0)) == Silence(reason)


def test_two_bots_fall_silent_after_five_turns_in_a_minute():
    turns = [Remembered("user", "hi", time=90.0, by_bot=True)] * 5
    event, answering = Message(**BOT, text="hi", direct=True), settings(answer_bots=True)
    assert judge(Case(event, answering, Session(turns[:4]), 100.0)) is None
    assert judge(Case(event, answering, Session(turns), 100.0)) == Silence("bot loop")
    assert judge(Case(event, answering, Session(turns), 151.0)) is None


def test_a_file_without_words_is_refused_politely():
    event = Message(**HERE, text="", direct=True, attachments=(Attachment("image", "f"),))
    assert isinstance(judge(Case(event, settings())), Refusal)


@pytest.mark.parametrize("answer", ["threads", "all"])
def test_who_was_told_to_be_quiet_is_so_until_somebody_names_him(answer):
    session = Session(OLD, Notes(quiet=True))
    case = Case(Message(**HERE, text="well"), settings(answer=answer), session)
    assert judge(case) == Silence("told to be quiet")
    assert judge(Case(Message(**HERE, text="well", mentioned=True), settings(answer=answer), session)) is None


def test_a_thread_is_followed_until_people_talk_to_each_other():
    case = Case(Message(**HERE, text="@ben what do you say?", to_others=True), settings(answer="threads"), Session(OLD))
    verdict = judge(case)
    assert verdict.reason == "to others"
    assert verdict.notes.quiet
