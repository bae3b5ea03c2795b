"""What users do while an answer is on its way, or after it: go on, stop it, change or take back what they said."""

import asyncio
import dataclasses
import re

import msgspec
import pytest

from core.bot import NO_NOTES, Bot, Notes, Remembered
from core.conversation.session import noted
from core.conversation.summary import Summary
from core.engine.signals import Signals
from core.engine.spool import SpooledInbox
from core.errors import StoreError
from core.events import Attachment, Command, Deleted, Edited, Part, Press, User
from core.hub import Hub
from core.language.sentences import Sentence
from core.limits.errors import OverBudget, Refused
from core.limits.limits import Payer
from core.limits.purse import Usage
from core.limits.settings import LimitsSettings
from tests.core.chat import chatting
from tests.fakes import ANN, FakeBot, command, menu, said


@pytest.fixture
async def chat(engine, monkeypatch):
    monkeypatch.setattr("core.delivery.live.FIRST", 0.0)
    async with chatting(engine) as chat:
        yield chat


@pytest.fixture
def channel_with(engine):
    return lambda **keys: chatting(engine, **keys)


def edited(n, text, **more):
    return Edited(
        uid=f"e{n}{text}", address=said("").address, user=ANN, message_id=str(n), text=text, direct=True, **more
    )


def deleted(n):
    return Deleted(uid=f"d{n}", address=said("").address, user=ANN, message_id=str(n), direct=True)


class Speaking:
    """A bot that says a first word and goes on when it is let."""

    def __init__(self, chat, monkeypatch, first="Once upon "):
        self.go = asyncio.Event()
        self.asked = []
        self._first = first
        monkeypatch.setattr(chat.bot, "respond", self.respond)

    async def respond(self, turn):
        self.asked.append(turn)
        if self._first:
            yield self._first
        await self.go.wait()
        yield f"({turn.text})"


async def history(chat):
    """What the next turn is told."""
    await chat.say(said("and now?", 99))
    return [(r.role, r.text) for r in chat.bot.turns[-1].history]


async def test_stop_ends_the_answer_where_it_is(chat, monkeypatch):
    speaking = Speaking(chat, monkeypatch)
    await chat.hub.accept(said("tell me", 1))
    await chat.until(lambda: chat.adapter.texts == ["Once upon "])
    assert await chat.say(command("stop", n=2)) == ["Once upon …", "Stopped."]
    assert len(speaking.asked) == 1
    assert await chat.say(command("stop", n=3)) == ["Once upon …", "Stopped.", "There is nothing to stop."]


async def test_neither_a_growing_answer_nor_one_that_was_stopped_shows_a_link_that_is_not_allowed(chat, monkeypatch):
    speaking = Speaking(chat, monkeypatch, "see https://evil.example/x or https://good.example ")
    respond = speaking.respond

    async def careful(turn):
        turn.links = ["good.example"]
        async for piece in respond(turn):
            yield piece

    monkeypatch.setattr(chat.bot, "respond", careful)
    await chat.hub.accept(said("where?", 1))
    await chat.until(lambda: chat.adapter.texts)
    safe = "see `hxxps://evil[.]example/x` or https://good.example"
    assert chat.adapter.texts == [safe]
    assert (await chat.say(command("stop", n=2)))[0] == f"{safe} …"
    monkeypatch.undo()
    assert ("assistant", f"{safe} …") in await history(chat)


async def test_stop_lets_what_is_on_the_wire_arrive_and_does_not_send_it_again(chat, monkeypatch):
    Speaking(chat, monkeypatch)
    on_wire, arrived = asyncio.Event(), asyncio.Event()
    send = chat.adapter.send

    async def slowly(to, part, key):
        sent = await send(to, part, key)
        on_wire.set()
        await arrived.wait()
        return sent

    monkeypatch.setattr(chat.adapter, "send", slowly)
    await chat.hub.accept(said("tell me", 1))
    await on_wire.wait()
    await chat.hub.accept(command("stop", n=2))
    arrived.set()
    await chat.settled()
    assert chat.adapter.texts == ["Once upon …", "Stopped."]


async def test_the_word_stops_as_well_as_the_command(chat, monkeypatch):
    Speaking(chat, monkeypatch, first="")
    await chat.hub.accept(said("tell me", 1))
    await chat.until(lambda: chat.hub.under_way._answers)
    assert await chat.say(said("Stop!", 2)) == ["Stopped."]


async def test_stop_takes_along_what_waits_before_it(chat, monkeypatch):
    speaking = Speaking(chat, monkeypatch, first="")
    await chat.hub.accept(said("one", 1))
    await chat.hub.accept(said("two", 2))
    await chat.until(lambda: chat.hub.under_way._answers)
    assert await chat.say(command("stop", n=3)) == ["Stopped."]
    assert [turn.text for turn in speaking.asked] == ["one"]
    stats = await chat.engine.stats()
    assert (stats.accepted, stats.silent, stats.answered) == (3, 2, 1)


async def test_an_answer_that_was_stopped_is_remembered_as_far_as_it_went(chat, monkeypatch):
    with monkeypatch.context() as patch:
        Speaking(chat, patch)
        await chat.hub.accept(said("tell me", 1))
        await chat.until(lambda: chat.adapter.texts)
        await chat.say(command("stop", n=2))
    assert await history(chat) == [("user", "tell me"), ("assistant", "Once upon …")]


async def test_a_word_to_stop_is_heard_also_in_the_moment_before_the_answer_begins(chat, monkeypatch):
    claimed, go = asyncio.Event(), asyncio.Event()

    async def person(account):
        claimed.set()
        await go.wait()
        return ""

    with monkeypatch.context() as patch:
        patch.setattr(chat.hub.people, "person", person)
        await chat.hub.accept(said("tell me", 1))
        await claimed.wait()
        await chat.hub.accept(command("stop", n=2))
        go.set()
        await chat.settled()
    assert (chat.adapter.texts, chat.bot.turns) == (["Stopped."], [])


async def test_an_answer_that_another_process_gives_is_stopped_too(chat, redis, prefix, monkeypatch):
    Speaking(chat, monkeypatch)
    ours, theirs = (Signals(redis, f"{prefix}:meanwhile") for _ in range(2))
    listening = asyncio.create_task(ours.run(chat.hub.hear))
    await ours.is_live.wait()
    await chat.hub.accept(said("tell me", 1))
    await chat.until(lambda: chat.adapter.texts)
    await Hub(chat.engine, chat.hub.channels, signals=theirs).accept(command("stop", n=2))
    await chat.settled()
    assert chat.adapter.texts == ["Once upon …", "Stopped."]
    listening.cancel()
    await asyncio.wait([listening])


@pytest.mark.parametrize("answer", ["mentions", "all"])
async def test_the_word_alone_is_an_ordinary_word_where_nothing_runs(channel_with, answer):
    async with channel_with(answer=answer) as chat:
        assert await chat.say(said("stop", 1)) == ["stop"]


async def test_while_the_store_cannot_tell_who_may_stop_an_answer_it_goes_on(chat, monkeypatch):
    speaking = Speaking(chat, monkeypatch)
    await chat.hub.accept(said("tell me", 1))
    await chat.until(lambda: chat.adapter.texts)

    async def away(*call):
        raise StoreError("away")

    with monkeypatch.context() as patch:
        patch.setattr(chat.hub.access, "lets_in", away)
        await chat.hub.accept(command("stop", n=2))
    speaking.go.set()
    await chat.settled()
    assert chat.adapter.texts[0] == "Once upon (tell me)"


async def test_what_is_stopped_offers_no_choices_any_more(chat, monkeypatch):
    go = asyncio.Event()

    async def respond(turn):
        yield menu("Which?", "A", "B")
        await go.wait()

    monkeypatch.setattr(chat.bot, "respond", respond)
    await chat.hub.accept(said("menu", 1))
    await chat.until(lambda: chat.adapter.sent)
    await chat.say(command("stop", n=2))
    assert chat.adapter.sent[0][1] == Part("Which? …")


async def test_a_bot_in_a_thread_is_quiet_when_told_to_stop_until_it_is_named(channel_with):
    async with channel_with(answer="threads") as chat:
        here = {"thread": "t1", "direct": False}
        await chat.say(said("hello", 1, mentioned=True, **here), said("go on", 2, **here))
        texts = await chat.say(said("stop", 3, **here))
        assert texts[:2] == ["hello", "go on"]
        assert "stay quiet" in texts[2]
        assert len(await chat.say(said("what now", 4, **here))) == 3
        texts = await chat.say(said("hub?", 5, mentioned=True, **here), said("again", 6, **here))
        assert texts[3:] == ["hub?", "again"]


async def test_a_bot_in_a_thread_is_quiet_when_people_talk_to_each_other(channel_with):
    async with channel_with(answer="threads") as chat:
        here = {"thread": "t1", "direct": False}
        await chat.say(said("hello", 1, mentioned=True, **here), said("@ben you?", 2, to_others=True, **here))
        assert await chat.say(said("me neither", 3, user=User("ben"), **here)) == ["hello"]


async def test_changing_the_question_while_it_is_answered_begins_anew_in_the_same_message(chat, monkeypatch):
    speaking = Speaking(chat, monkeypatch)
    await chat.hub.accept(said("tpyo", 1))
    await chat.until(lambda: chat.adapter.texts)
    speaking.go.set()
    speaking.go = asyncio.Event()
    await chat.hub.accept(edited(1, "typo"))
    await chat.until(lambda: len(speaking.asked) == 2)
    speaking.go.set()
    await chat.settled()
    assert chat.adapter.texts == ["Once upon (typo)"]
    assert [turn.text for turn in speaking.asked] == ["tpyo", "typo"]


async def test_changing_an_answered_question_changes_the_answer(chat):
    await chat.say(said("tpyo", 1), said("next", 2))
    assert await chat.say(edited(1, "typo")) == ["typo", "next"]
    assert chat.adapter.edits == ["typo"]
    assert chat.bot.turns[-1].history == []  # what was said later was not known then
    assert await history(chat) == [("user", "typo"), ("assistant", "typo"), ("user", "next"), ("assistant", "next")]


async def test_a_question_that_is_changed_twice_is_answered_as_it_was_changed_last(chat, monkeypatch):
    await chat.say(said("tpyo", 1))
    speaking = Speaking(chat, monkeypatch)
    await chat.hub.accept(edited(1, "typo"))
    await chat.until(lambda: chat.adapter.texts == ["Once upon "])
    await chat.hub.accept(edited(1, "no typo"))
    await chat.until(lambda: len(speaking.asked) == 2)
    speaking.go.set()
    await chat.settled()
    assert chat.adapter.texts == ["Once upon (no typo)"]
    assert [turn.text for turn in speaking.asked] == ["typo", "no typo"]


async def test_a_changed_question_is_not_answered_again_where_nothing_has_changed_or_can_be(chat, monkeypatch):
    await chat.say(said("same", 1))
    assert await chat.say(edited(1, "same"), edited(7, "of something else")) == ["same"]
    assert len(chat.bot.turns) == 1
    poorer = dataclasses.replace(chat.adapter.capabilities, can_edit=False)
    monkeypatch.setattr(type(chat.adapter), "capabilities", poorer)
    assert await chat.say(edited(1, "other")) == ["same"]
    assert len(chat.bot.turns) == 1


async def test_an_edit_of_one_of_several_messages_that_became_one_question_changes_nothing(channel_with):
    async with channel_with(overlap="collect", collect_for=0.05) as chat:
        await chat.say(said("what", 1), said("is", 2))
        assert await chat.say(edited(1, "who")) == ["what\nis"]


async def test_a_changed_question_that_a_limit_refuses_leaves_the_answer_as_it_was(chat):
    chat.hub.limits.use(LimitsSettings(per_user="1/minute"))
    await chat.say(said("tpyo", 1))
    first, *_ = await chat.say(edited(1, "typo"))
    second, *_ = await chat.say(edited(1, "no typo"))
    assert (first, second) == ("tpyo", "tpyo")


@pytest.mark.parametrize("ends", [command("stop", n=2), deleted(1)])
async def test_a_changed_question_whose_new_answer_ends_before_its_first_word_leaves_the_answer_as_it_was(
    chat, monkeypatch, ends
):
    await chat.say(said("tpyo", 1))
    Speaking(chat, monkeypatch, first="")
    await chat.hub.accept(edited(1, "typo"))
    await chat.until(lambda: chat.hub.under_way._answers)
    first, *more = await chat.say(ends)
    assert first == "tpyo"
    assert more == (["Stopped."] if isinstance(ends, Command) else [])


async def test_an_answer_that_was_begun_in_vain_to_a_changed_question_gives_place_to_the_one_before(chat, monkeypatch):
    await chat.say(said("tpyo", 1))
    speaking = Speaking(chat, monkeypatch)
    await chat.hub.accept(edited(1, "typo"))
    await chat.until(lambda: chat.adapter.texts == ["Once upon "])
    speaking._first = ""
    await chat.hub.accept(edited(1, "no typo"))
    await chat.until(lambda: len(speaking.asked) == 2)
    assert await chat.say(command("stop", n=2)) == ["tpyo", "Stopped."]


async def test_a_changed_question_whose_new_answer_is_stopped_shows_how_far_that_went(chat, monkeypatch):
    await chat.say(said("tpyo", 1))
    Speaking(chat, monkeypatch)
    await chat.hub.accept(edited(1, "typo"))
    await chat.until(lambda: chat.adapter.texts == ["Once upon "])
    assert await chat.say(command("stop", n=2)) == ["Once upon …", "Stopped."]


async def test_a_changed_question_that_the_bot_fails_at_leaves_the_answer_as_it_was(chat):
    await chat.say(said("tpyo", 1))
    chat.bot.errors = [RuntimeError("broken")] * 2
    first, apology = await chat.say(edited(1, "typo"))
    assert first == "tpyo"
    assert "e1typo" in apology


async def test_a_changed_question_that_grows_too_dear_leaves_the_answer_as_it_was(chat):
    await chat.say(said("tpyo", 1))
    chat.bot.errors = [OverBudget(Refused("budget_per_user", Sentence.BUDGET, 60.0, is_first=True))]
    first, refusal = await chat.say(edited(1, "typo"))
    assert first == "tpyo"
    assert refusal


async def test_a_question_that_is_taken_back_while_it_is_answered_is_not_answered(chat, monkeypatch):
    Speaking(chat, monkeypatch)
    await chat.hub.accept(said("never mind", 1))
    await chat.until(lambda: chat.adapter.texts)
    assert await chat.say(deleted(1)) == ["…"]
    assert chat.hub.ending.silences == {"withdrawn": 1, "deleted": 1}


async def test_taking_back_what_was_never_asked_leaves_the_session_as_it_is(chat):
    await chat.say(said("hello", 1), deleted(7))
    assert await chat.engine.command("LLEN", chat.engine.shards[0].sess + "fake/r1") == 2


async def test_a_message_that_is_taken_back_later_is_forgotten_with_its_answer(chat):
    await chat.say(said("my secret", 1), said("weather?", 2), deleted(1))
    assert await history(chat) == [("user", "weather?"), ("assistant", "weather?")]


async def test_quick_messages_become_one_turn(channel_with):
    async with channel_with(overlap="collect", collect_for=0.05) as chat:
        assert await chat.say(said("what", 1), said("is", 2), said("this", 3)) == ["what\nis\nthis"]
        assert (await chat.engine.stats()).answered == 3
        assert await history(chat) == [("user", "what\nis\nthis"), ("assistant", "what\nis\nthis")]


async def test_a_command_does_not_wait_for_more_to_collect(channel_with):
    async with channel_with(overlap="collect", collect_for=30) as chat:
        assert await chat.say(command("help"))


async def test_what_was_taken_back_before_it_was_collected_takes_nothing_else_along(channel_with):
    async with channel_with(overlap="collect", collect_for=0.05) as chat:
        await chat.say(said("what", 1), said("oops", 2), deleted(2))
        assert await history(chat) == [("user", "what"), ("assistant", "what")]


@pytest.mark.parametrize(("taken_back", "left"), [(1, "this\nnow"), (2, "what\nnow"), (3, "what\nthis")])
async def test_what_is_taken_back_while_it_is_answered_with_others_leaves_these_to_be_answered(
    channel_with, monkeypatch, taken_back, left
):
    async with channel_with(overlap="collect", collect_for=0.05) as chat:
        hold = chat.bot.holds["what\nthis\nnow"] = asyncio.Event()
        for n, text in enumerate(("what", "this", "now"), 1):
            await chat.hub.accept(said(text, n))
        await chat.until(lambda: chat.bot.turns)
        await chat.hub.accept(deleted(taken_back))
        hold.set()
        await chat.settled()
        assert chat.adapter.texts == [left]
        assert await history(chat) == [("user", left), ("assistant", left)]


async def test_a_question_right_behind_words_that_were_not_for_us_is_answered(channel_with):
    async with channel_with(overlap="collect", collect_for=0.05) as chat:
        group = {"direct": False}
        await chat.say(said("hm", 1, **group), said("what time is it?", 2, mentioned=True, **group))
    assert chat.adapter.texts == ["what time is it?"]


async def test_what_comes_while_collected_messages_are_answered_is_collected_next(channel_with):
    async with channel_with(overlap="collect", collect_for=0.01) as chat:
        chat.bot.holds["one"] = asyncio.Event()
        await chat.hub.accept(said("one", 1))
        await chat.until(lambda: chat.bot.turns)
        await chat.hub.accept(said("two", 2))
        await chat.hub.accept(said("three", 3))
        chat.bot.holds["one"].set()
        await chat.settled()
        assert chat.adapter.texts == ["one", "two\nthree"]


async def test_a_new_message_interrupts_the_answer_and_both_are_remembered(channel_with, monkeypatch):
    monkeypatch.setattr("core.delivery.live.FIRST", 0.0)
    async with channel_with(overlap="interrupt") as chat:
        chat.bot.holds["long story"] = asyncio.Event()
        await chat.hub.accept(said("long story", 1))
        await chat.until(lambda: chat.bot.turns)
        assert await chat.say(said("short please", 2)) == ["short please"]
        assert [(r.role, r.text) for r in chat.bot.turns[-1].history] == [("user", "long story")]


async def test_a_question_that_was_interrupted_and_changed_then_is_remembered_as_it_reads(channel_with):
    async with channel_with(overlap="interrupt") as chat:
        chat.bot.holds["tpyo"] = asyncio.Event()
        await chat.hub.accept(said("tpyo", 1))
        await chat.until(lambda: chat.bot.turns)
        assert await chat.say(said("next", 2), edited(1, "typo")) == ["next"]
        assert await history(chat) == [("user", "typo"), ("user", "next"), ("assistant", "next")]


async def held_up(chat, at, first, *behind):
    """The `first` event waits in that call until those behind it were taken."""
    of, name = at
    call, reached, go = getattr(of, name), asyncio.Event(), asyncio.Event()

    async def held(*args):
        reached.set()
        await go.wait()
        return await call(*args)

    setattr(of, name, held)
    await chat.hub.accept(first)
    await reached.wait()
    for event in behind:
        await chat.hub.accept(event)
    go.set()
    await chat.settled()
    setattr(of, name, call)


BEHIND = (said("hello", 2), command("stop", n=3))


async def test_a_command_is_carried_out_whatever_comes_before_it_is_begun(channel_with):
    async with channel_with(overlap="interrupt") as chat:
        await held_up(chat, (chat.hub.people, "person"), command("remember", "tea", 1), *BEHIND)
        assert chat.adapter.texts[0] == "Noted. I will keep that in mind."


async def test_a_command_is_carried_out_whatever_comes_meanwhile(channel_with):
    async with channel_with(overlap="interrupt") as chat:
        await held_up(chat, (chat.hub.limits, "usage"), command("usage", n=1), *BEHIND)
        assert chat.adapter.texts[0].startswith("Messages: ")


async def test_a_command_is_carried_out_whatever_waits_behind_it(channel_with):
    async with channel_with(overlap="interrupt") as chat:
        hold = chat.bot.holds["tell me"] = asyncio.Event()
        await chat.hub.accept(command("ai", "tell me", 0))
        await chat.until(lambda: chat.bot.turns)
        await chat.hub.accept(command("remember", "tea", 1))
        for event in BEHIND:
            await chat.hub.accept(event)
        hold.set()
        await chat.settled()
        assert chat.adapter.texts == ["Noted. I will keep that in mind.", "Stopped."]


async def test_chatter_of_others_interrupts_nothing(channel_with):
    async with channel_with(overlap="interrupt") as chat:
        here = {"thread": "t1", "direct": False}
        hold = chat.bot.holds["story"] = asyncio.Event()
        await chat.hub.accept(said("story", 1, mentioned=True, **here))
        await chat.until(lambda: chat.bot.turns)
        await chat.hub.accept(said("lunch?", 2, user=User("ben"), **here))
        hold.set()
        await chat.settled()
        assert chat.adapter.texts == ["story"]


ROOM = {"access": "allowlist", "allow": ["ann"], "conversation": "room", "answer": "all"}
EVE = User("eve", "Eve")


async def test_whoever_is_not_answered_stops_no_answer(channel_with):
    async with channel_with(**ROOM) as chat:
        hold = chat.bot.holds["story"] = asyncio.Event()
        await chat.hub.accept(said("story", 1, direct=False))
        await chat.until(lambda: chat.bot.turns)
        await chat.hub.accept(said("stop", 2, direct=False, user=EVE))
        hold.set()
        await chat.settled()
        assert chat.adapter.texts == ["story"]


@pytest.mark.parametrize("follows", [EVE, ANN])
async def test_what_is_said_by_whoever_is_not_answered_is_not_remembered(channel_with, follows):
    async with channel_with(overlap="interrupt", **ROOM) as chat:
        await chat.hub.accept(said("obey me", 1, direct=False, user=EVE))
        await chat.hub.accept(said("now", 2, direct=False, user=follows))
        await chat.settled()
        assert await chat.say(said("hello", 3, direct=False)) != []
        assert "obey me" not in [record.text for record in chat.bot.turns[-1].history]


async def test_a_new_message_in_a_queue_waits_for_its_turn(chat):
    hold = chat.bot.holds["one"] = asyncio.Event()
    await chat.hub.accept(said("one", 1))
    await chat.until(lambda: chat.bot.turns)
    await chat.hub.accept(said("two", 2))
    hold.set()
    await chat.settled()
    assert chat.adapter.texts == ["one", "two"]


async def test_pins_language_and_persona_last_as_long_as_the_session(chat, monkeypatch):
    monkeypatch.setattr(FakeBot, "personas", lambda self: {"ada": "Ada", "bob": "Bob"})
    texts = await chat.say(command("remember", "I am allergic to nuts", 1), command("language", "deutsch", 2))
    assert texts == ["Noted. I will keep that in mind.", "Sprache: Deutsch"]
    assert "Bob" in (await chat.say(command("persona", "bob", 3)))[-1]
    await chat.say(said("hello", 4))
    turn = chat.bot.turns[-1]
    assert turn.notes == Notes(language="de", persona="bob", pins=("I am allergic to nuts",))
    assert (turn.language, turn.history) == ("de", [])
    await chat.say(command("reset", n=5), said("hello", 6))
    assert chat.bot.turns[-1].notes == NO_NOTES


BEN = User("ben", "Ben")


def of_ben(event):
    return msgspec.structs.replace(event, uid=f"ben-{event.uid}", user=BEN, address=said("", room="r2").address)


@pytest.mark.parametrize("fails", [False, True])
async def test_what_two_who_become_one_wanted_to_be_kept_is_kept_also_while_one_of_them_asks_for_more(
    chat, monkeypatch, fails
):
    await chat.say(command("remember", "tea", 1), of_ben(command("remember", "cake", 1)), command("link", n=2))
    code = re.search(r"[A-Z0-9]{4}-?[A-Z0-9]{4}", chat.adapter.texts[-1])[0]
    await chat.say(of_ben(command("link", code, 2)))
    committing, go = asyncio.Event(), asyncio.Event()
    commit = chat.hub.ending.commit

    async def slowly(work):
        if work.event.uid == "c3" and not go.is_set():
            committing.set()
            await go.wait()
            if fails:
                raise StoreError("away")
        await commit(work)

    monkeypatch.setattr(chat.hub.ending, "commit", slowly)
    await chat.hub.accept(command("remember", "milk", 3))
    await committing.wait()
    await chat.hub.accept(of_ben(said("yes", 3)))
    await chat.until(lambda: "Done" in chat.adapter.texts[-1])
    go.set()
    await chat.settled()
    await chat.say(of_ben(said("hello", 4)))
    assert chat.bot.turns[-1].notes.pins == ("tea", "cake", "milk")


@pytest.mark.parametrize(
    ("ours", "before", "now", "both"),
    [
        (Notes(pins=("a", "c")), Notes(pins=("a",)), Notes(pins=("a", "b")), Notes(pins=("a", "b", "c"))),
        (Notes(pins=("b", "c")), Notes(pins=("a", "b")), Notes(pins=("a", "b", "d")), Notes(pins=("b", "d", "c"))),
        (Notes(pins=("theirs", "x")), Notes(pins=("theirs",)), NO_NOTES, Notes(pins=("x",))),
        (Notes(language="de"), NO_NOTES, Notes(persona="bob", pins=("a",)), Notes("de", "bob", pins=("a",))),
        (Notes(), Notes(stopped=True), Notes(stopped=True, quiet=True), Notes(quiet=True)),
        (Notes(pins=("b", "a")), Notes(pins=("a", "b")), Notes(pins=("a", "b")), Notes(pins=("b", "a"))),
    ],
)
def test_what_a_turn_notes_and_what_others_changed_meanwhile_both_count(ours, before, now, both):
    assert noted(ours, before, now) == both


async def test_unknown_names_are_answered_with_those_there_are(chat, monkeypatch):
    monkeypatch.setattr(FakeBot, "personas", lambda self: {"ada": "Ada", "bob": "Bob"})
    (text,) = await chat.say(command("persona", "zoe", 1))
    assert all(name in text for name in ("zoe", "ada", "bob"))
    assert "klingon" in "".join(await chat.say(command("language", "klingon", 2)))


async def test_a_bot_looks_back_after_its_answer_and_its_summary_comes_with_the_next_turn(chat, monkeypatch):
    looked = asyncio.Event()

    async def reflect(self, history, summary, first, notes, purse):
        looked.set()
        return Summary(f"{len(history)} messages", first + len(history))

    monkeypatch.setattr(FakeBot, "reflect", reflect)
    await chat.say(said("one", 1))
    await looked.wait()
    await chat.until(lambda: not chat.hub.ending.afterwards._looking)
    await chat.say(said("two", 2))
    assert chat.bot.turns[-1].summary == Summary("2 messages", 2)


async def test_a_summary_covers_what_it_was_made_of_also_when_that_was_changed_since(chat, monkeypatch):
    looked = []

    async def reflect(self, history, summary, first, notes, purse):
        looked.append([record.text for record in history])
        return summary or Summary("of one", first + 2)

    monkeypatch.setattr(FakeBot, "reflect", reflect)
    for number, event in enumerate((said("one", 1), said("two", 2), edited(1, "One")), 1):
        await chat.say(event)
        await chat.until(lambda number=number: len(looked) == number and not chat.hub.ending.afterwards._looking)
    await chat.say(said("three", 3))
    turn = chat.bot.turns[-1]
    assert looked[2] == [record.text for record in turn.history] == ["One", "One", "two", "two"]
    assert turn.summary.upto - turn.first == 2


async def test_a_summary_of_a_session_that_was_reset_is_not_kept(chat, monkeypatch):
    looking, go = asyncio.Event(), asyncio.Event()

    async def reflect(self, history, summary, first, notes, purse):
        looking.set()
        await go.wait()
        return Summary("old secrets", 2)

    monkeypatch.setattr(FakeBot, "reflect", reflect)
    await chat.say(said("one", 1))
    await looking.wait()
    monkeypatch.setattr(FakeBot, "reflect", Bot.reflect)
    await chat.say(command("reset", n=2), said("two", 3))
    go.set()
    await chat.until(lambda: not chat.hub.ending.afterwards._looking)
    await chat.say(said("three", 4))
    assert chat.bot.turns[-1].summary is None


async def test_two_buttons_of_one_menu_are_remembered_one_after_the_other(chat):
    def pressed(n):
        address = said("").address
        return Press(uid=f"p{n}", address=address, user=ANN, message_id="m1", direct=True, value=f"v{n}")

    await chat.say(said("menu", 1), pressed(1), said("and", 2), pressed(2))
    asked = [text for role, text in await history(chat) if role == "user"]
    assert asked == ["menu", "v1", "and", "v2"]


async def test_messages_carry_who_said_them_and_where(chat):
    await chat.say(said("hello", 1), said("again", 2))
    asked, answered = chat.bot.turns[-1].history
    assert (asked.author, asked.name, asked.ids) == ("fake:ann", "Ann", ("1",))
    assert (answered.of, answered.ids) == ("1", ("m1",))
    assert isinstance(asked, Remembered)


async def test_what_a_model_took_before_the_question_was_changed_is_paid_for_too(chat, monkeypatch):
    began = asyncio.Event()

    async def respond(turn):
        turn.usage.append(Usage("m", 10, 1, 0.25))
        began.set()
        if turn.text == "tpyo":
            await asyncio.Event().wait()
        yield turn.text

    monkeypatch.setattr(chat.bot, "respond", respond)
    await chat.hub.accept(said("tpyo", 1))
    await began.wait()
    await chat.hub.accept(edited(1, "typo"))
    await chat.settled()
    used = await chat.hub.limits.usage(Payer("fake:ann", "fake", "r1"))
    assert (used.cost, used.tokens) == (500_000, 22)


async def test_who_may_not_be_answered_is_told_nothing_else_either(channel_with):
    async with channel_with(access="allowlist") as chat:
        picture = (Attachment("image", "f"),)
        texts = await chat.say(said("", 1, attachments=picture), said("", 2, attachments=picture), command("help", n=3))
        assert len(texts) == 1
        assert "read text" not in texts[0]


class Late:
    """Signals that arrive when a test says so."""

    def __init__(self):
        self.sent = []

    async def send(self, message):
        self.sent.append(message)


async def test_a_message_that_is_heard_of_late_ends_neither_its_own_answer_nor_the_next_one(channel_with):
    async with channel_with(overlap="interrupt") as chat:
        late = Late()
        chat.bot.holds["one"] = asyncio.Event()
        await Hub(chat.engine, chat.hub.channels, signals=late).accept(said("one", 1))
        await chat.until(lambda: chat.bot.turns)
        chat.hub.hear(late.sent[0])
        chat.bot.holds["one"].set()
        await chat.settled()
        chat.hub.hear(late.sent[0])
        assert await chat.say(said("two", 2)) == ["one", "two"]


@pytest.mark.parametrize("before", [said("one", 1), command("stop", n=1)])
@pytest.mark.parametrize("is_early", [True, False])
async def test_what_was_answered_elsewhere_ends_no_newer_answer(channel_with, before, is_early):
    async with channel_with(overlap="interrupt") as chat:
        late = Late()
        await Hub(chat.engine, chat.hub.channels, signals=late).accept(before)
        await chat.settled()
        here = Hub(chat.engine, chat.hub.channels)
        chat.worker._turn = here.turn
        hold = chat.bot.holds["two"] = asyncio.Event()
        if is_early:
            here.hear(late.sent[0])
        await chat.hub.accept(said("two", 2))
        await chat.until(lambda: chat.bot.turns and chat.bot.turns[-1].text == "two")
        here.hear(late.sent[0])
        hold.set()
        await chat.settled()
        assert chat.adapter.texts[-1] == "two"


async def test_a_word_to_stop_that_comes_while_an_answer_is_brought_to_its_end_reaches_the_next_one(chat, monkeypatch):
    late = Late()
    chat.hub.signals = late
    committing, go = asyncio.Event(), asyncio.Event()
    commit = chat.hub.ending.commit

    async def slowly(work):
        committing.set()
        await go.wait()
        await commit(work)

    monkeypatch.setattr(chat.hub.ending, "commit", slowly)
    await chat.hub.accept(said("one", 1))
    await committing.wait()
    await chat.hub.accept(command("stop", n=2))
    assert len(late.sent) == 1  # another process may have begun the next answer already
    go.set()
    await chat.settled()


async def test_what_is_in_the_spool_ends_the_answer_that_is_given_and_no_later_one(channel_with, tmp_path):
    async with channel_with(overlap="interrupt") as chat:
        chat.channel.redelivers = False
        chat.hub.spool = SpooledInbox(chat.engine, tmp_path / "spool", pause=0.01)
        chat.hub.spool._filled.set()  # as in an outage
        chat.bot.holds["one"] = asyncio.Event()
        await chat.engine.accept("fake/r1", msgspec.json.encode(said("one", 1)), ["fake:r1-1"])
        await chat.until(lambda: chat.bot.turns)
        await chat.hub.accept(said("two", 2))
        handing = asyncio.create_task(chat.hub.spool.run())
        await chat.until(lambda: chat.adapter.texts)
        assert chat.adapter.texts == ["two"]
        handing.cancel()
        await asyncio.wait([handing])
