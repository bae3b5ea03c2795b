import asyncio
import contextlib
import itertools
import re

import msgspec
import pytest

from core.bot import Restart
from core.commands import COMMANDS
from core.engine.dead import DeadLetters
from core.engine.spool import SpooledInbox
from core.errors import IntakeError, StoreError, Throttled, Unavailable, Undeliverable
from core.events import Accepted, Address, Attachment, Command, Edited, Message, Press, User
from core.hub import Hub
from core.limits.limits import Limits, Payer
from core.limits.purse import Usage
from core.limits.settings import LimitsSettings
from core.log import SECRETS
from tests.core.chat import chatting
from tests.fakes import ANN, command, menu, said


@pytest.fixture
async def chat(engine):
    async with chatting(engine) as chat:
        yield chat


async def test_what_is_said_is_answered_in_place(chat):
    assert await chat.say(said("hello", thread="t1")) == ["hello"]
    assert chat.adapter.sent[0][0] == said("hello", thread="t1").address


async def test_the_same_event_twice_is_answered_once(chat):
    assert await chat.hub.accept(said("hello")) is Accepted.NEW
    assert await chat.hub.accept(said("hello")) is Accepted.DUPLICATE
    await chat.settled()
    assert chat.adapter.texts == ["hello"]


async def test_one_message_told_twice_under_two_ids_is_answered_once(chat):
    assert await chat.say(said("hello", 1, also=("ts1",)), said("hello", 2, also=("ts1",))) == ["hello"]


async def test_many_messages_at_once_are_answered_in_order(chat):
    texts = [f"message {n}" for n in range(20)]
    assert await chat.say(*(said(text, n) for n, text in enumerate(texts))) == texts


async def test_a_slow_answer_holds_up_no_other_conversation(chat):
    chat.bot.holds["slow"] = asyncio.Event()
    await chat.hub.accept(said("slow", room="r1"))
    await chat.hub.accept(said("quick", room="r2"))
    async with asyncio.timeout(5):
        while chat.adapter.texts != ["quick"]:
            await asyncio.sleep(0.005)
    chat.bot.holds["slow"].set()
    await chat.settled()
    assert chat.adapter.texts == ["quick", "slow"]


async def test_the_bot_is_told_what_was_said_before(chat):
    await chat.say(said("one", 1), said("two", 2))
    assert [(r.role, r.text) for r in chat.bot.turns[1].history] == [("user", "one"), ("assistant", "one")]


async def test_reset_forgets(chat):
    texts = await chat.say(said("one", 1), command("reset"), said("two", 3))
    assert texts[1] == "Forgotten. We start anew."
    assert chat.bot.turns[-1].history == []


async def test_conversations_do_not_hear_each_other(chat):
    await chat.say(said("secret", room="r1"), said("hello", room="r2"))
    assert chat.bot.turns[-1].history == [] or chat.bot.turns[-1].text == "secret"


async def test_help_names_every_command(chat):
    text = "\n".join(await chat.say(command("help")))
    assert all(f"/{each.name}" in text for each in COMMANDS)


async def test_ai_asks_the_bot(chat):
    assert await chat.say(command("ai", "hello")) == ["hello"]


async def test_an_unknown_command_is_answered_with_the_way_to_help(chat):
    (text,) = await chat.say(command("frobnicate"))
    assert "/help" in text


async def test_a_pressed_button_reaches_the_bot_as_its_value(chat):
    press = Press(uid="p", address=said("").address, user=ANN, value="v1", label="One", direct=True)
    assert await chat.say(press) == ["v1"]


async def test_a_number_typed_under_a_list_is_the_choice(chat):
    chat.bot.answers["menu"] = [menu("Which?", "A", "B")]
    await chat.say(said("menu", 1), said("2", 2))
    assert chat.bot.turns[-1].text == "value of B"


@pytest.mark.parametrize(("typed", "heard"), [("1.", "value of A"), ("0", "0"), ("3", "3"), ("-1", "-1")])
async def test_only_a_number_of_the_list_is_a_choice(chat, typed, heard):
    chat.bot.answers["menu"] = [menu("Which?", "A", "B")]
    await chat.say(said("menu", 1), said(typed, 2))
    assert chat.bot.turns[-1].text == heard


async def test_ai_alone_asks_nobody_and_with_a_command_behind_it_is_that_command(chat):
    await chat.say(command("ai"))
    assert chat.bot.turns == []
    await chat.say(command("ai", "language deutsch", 2), said("hello", 3))
    assert [(turn.text, turn.notes.language) for turn in chat.bot.turns] == [("hello", "de")]


async def test_edits_and_other_bots_get_no_answer_and_are_counted(chat):
    edited = Edited(uid="e", address=said("").address, user=ANN, text="hi", direct=True)
    assert await chat.say(edited, said("hi", user=User("b", is_bot=True))) == []
    stats = await chat.engine.stats()
    assert (stats.accepted, stats.silent, stats.answered) == (2, 2, 0)


async def test_a_file_without_words_gets_one_polite_line(chat):
    (line,) = await chat.say(said("", attachments=(Attachment("image", "f1"),)))
    assert "read text" in line


async def test_a_bot_that_fails_once_is_asked_again(chat):
    chat.bot.errors = [ValueError("bad luck")]
    assert await chat.say(said("hello")) == ["hello"]


async def test_a_bot_that_keeps_failing_apologises_and_leaves_a_dead_letter(chat):
    chat.bot.errors = [ValueError("bug")] * 50
    (text,) = await chat.say(said("hello"))
    (letter,) = await DeadLetters(chat.engine).list()
    assert said("").uid in text
    assert "ValueError: bug" in letter.reason


async def test_what_cannot_be_delivered_is_a_dead_letter_and_the_next_message_is_answered(chat):
    chat.adapter.trouble = [Undeliverable("blocked")]
    assert await chat.say(said("one", 1), said("two", 2)) == ["two"]
    assert [letter.reason for letter in await DeadLetters(chat.engine).list()] == ["undeliverable: blocked"]


async def test_a_channel_that_is_away_keeps_its_events_and_answers_when_it_is_back(chat, monkeypatch):
    monkeypatch.setattr("core.hub.NOT_RUNNING_DELAY", 0.01)
    chat.channel.adapter = None
    await chat.hub.accept(said("hello"))
    while (await chat.engine.stats()).accepted == 0:
        await asyncio.sleep(0.005)
    chat.channel.adapter = chat.adapter
    await chat.settled()
    assert chat.adapter.texts == ["hello"]


async def test_an_answer_that_takes_long_shows_a_sign_of_life(chat, monkeypatch):
    monkeypatch.setattr("core.delivery.typing.PATIENCE", 0.01)
    chat.bot.holds["slow"] = asyncio.Event()
    await chat.hub.accept(said("slow"))
    async with asyncio.timeout(5):
        await chat.adapter.typed.wait()
    chat.bot.holds["slow"].set()
    await chat.settled()


async def test_every_accepted_event_is_accounted_for(chat):
    chat.adapter.trouble = [Undeliverable("blocked")]
    await chat.say(said("a", 1), said("b", 2), said("", 3), command("help", n=4))
    stats = await chat.engine.stats()
    assert stats.accepted == stats.answered + stats.silent + stats.dead + stats.in_flight == 4


async def test_what_a_platform_will_not_bring_again_is_kept_while_the_store_is_away(chat, redis, tmp_path, monkeypatch):
    chat.channel.redelivers = False
    spool = chat.hub.spool = SpooledInbox(chat.engine, tmp_path / "spool", pause=0.01)
    handing_over = asyncio.create_task(spool.run())
    monkeypatch.setattr(chat.engine._batch, "_limit", 0.05)
    await redis.client_pause(300)
    assert [await chat.hub.accept(said(text, n)) for n, text in enumerate("abc")] == [Accepted.NEW] * 3
    async with asyncio.timeout(10):
        while chat.adapter.texts != ["a", "b", "c"]:
            await asyncio.sleep(0.01)
    handing_over.cancel()
    await asyncio.wait([handing_over])
    await spool.close()


async def test_an_answer_that_takes_its_time_is_shown_growing_in_one_message(chat, monkeypatch):
    monkeypatch.setattr("core.delivery.live.FIRST", 0.0)
    step = asyncio.Event()

    async def respond(turn):
        yield "Once upon "
        await step.wait()
        yield "a time."

    monkeypatch.setattr(chat.bot, "respond", respond)
    await chat.hub.accept(said("tell me"))
    async with asyncio.timeout(5):
        while chat.adapter.texts != ["Once upon "]:
            await asyncio.sleep(0.001)
    step.set()
    await chat.settled()
    assert (chat.adapter.texts, chat.adapter.edits) == (["Once upon a time."], ["Once upon a time."])


async def test_a_bot_that_breaks_in_the_middle_is_asked_again_and_goes_on_in_the_same_message(chat, monkeypatch):
    monkeypatch.setattr("core.delivery.live.FIRST", 0.0)
    tries = []

    async def respond(turn):
        tries.append(turn)
        yield "Once upon "
        if len(tries) == 1:
            while not chat.adapter.texts:
                await asyncio.sleep(0.001)
            raise ConnectionError("model is gone")
        yield "a time."

    monkeypatch.setattr(chat.bot, "respond", respond)
    assert await chat.say(said("tell me")) == ["Once upon a time."]


async def test_a_draft_that_is_taken_back_does_not_stay(chat, monkeypatch):
    monkeypatch.setattr("core.delivery.live.FIRST", 0.0)

    async def respond(turn):
        yield "On second thought"
        while not chat.adapter.texts:
            await asyncio.sleep(0.001)
        yield Restart()

    monkeypatch.setattr(chat.bot, "respond", respond)
    assert await chat.say(said("hello")) == ["…"]


async def test_a_channel_that_is_throttled_for_long_leaves_the_others_their_turns(chat, monkeypatch):
    monkeypatch.setattr("core.delivery.gate.PATIENCE", 0.01)
    chat.adapter.trouble = [Throttled(0.3)]
    await chat.hub.accept(said("later", room="busy"))
    while chat.adapter.trouble:
        await asyncio.sleep(0.001)
    while chat.worker._turns:
        await asyncio.sleep(0.001)
    assert chat.adapter.texts == []
    assert await chat.engine.command("HGET", chat.engine.shards[0].st + "fake/busy", "tries") == b"0"
    found = await chat.engine.claim("other", 1)
    assert (found.claims, found.due_in) == ([], pytest.approx(0.2, abs=0.1))
    await chat.settled()
    assert chat.adapter.texts == ["later"]
    assert len(chat.bot.turns) == 1


async def test_a_full_mailbox_is_told_once_and_to_nobody_who_would_get_no_answer(chat):
    chat.engine._mailbox_max = 1
    chat.bot.holds["slow"] = asyncio.Event()
    await chat.hub.accept(said("slow", 1))
    robot = User("robot", is_bot=True)
    assert await chat.hub.accept(said("beep", 2, user=robot)) is Accepted.FULL
    assert chat.adapter.texts == []
    assert [await chat.hub.accept(said("more", n)) for n in (3, 4)] == [Accepted.FULL] * 2
    assert len(chat.adapter.texts) == 1
    chat.bot.holds["slow"].set()


async def test_an_event_of_a_channel_that_is_gone_is_not_taken(chat):
    with pytest.raises(IntakeError):
        await Hub(chat.engine, {}).accept(said("hello"))


@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_an_event_of_a_channel_that_is_not_running_here_is_soon_looked_at_again(chat, engine, is_elsewhere):
    chat.channel.adapter, chat.channel.elsewhere = None, is_elsewhere
    await chat.hub.accept(said("hello"))
    async with asyncio.timeout(5):
        while (due := (await engine.claim("other", 1)).due_in) is None:
            await asyncio.sleep(0.005)
    assert due == pytest.approx(0.1 if is_elsewhere else 3, abs=0.1)
    await engine.command("DEL", engine.shards[0].dly)  # enough of it


async def test_an_event_of_a_channel_that_was_taken_out_is_a_dead_letter_after_a_day(engine, redis):
    await engine.accept("gone/r1", msgspec.json.encode(said("hello")), ["1"])
    for since in (0, 86_300, 86_500):
        (claim,) = (await engine.claim("w", 1)).claims
        if since:
            await redis.hset(f"{engine.shards[0].st}gone/r1", "since", round((claim.time - since) * 1000))
        await Hub(engine, {}).turn(claim)
        await redis.zadd(engine.shards[0].dly, {"gone/r1": 0}, xx=True)
    stats = await engine.stats()
    assert (stats.dead, stats.in_flight) == (1, 0)


async def test_what_cannot_be_read_behind_an_event_holds_up_only_itself(chat, engine):
    chat.bot.holds["first"] = asyncio.Event()
    for n, text in enumerate(("first", "second")):
        await chat.hub.accept(said(text, n))
    of_no_channel = msgspec.structs.replace(said("third", 3), address=Address("gone", "r1"))
    for envelope in (msgspec.json.encode(of_no_channel), b"garbage"):
        await engine.accept("fake/r1", envelope, [envelope.decode()])
    chat.bot.holds["first"].set()
    await chat.until(lambda: chat.adapter.texts == ["first", "second"])


async def test_while_the_store_is_away_a_platform_that_brings_events_again_is_told_so(chat, tmp_path, monkeypatch):
    async def away(*call, **more):
        raise IntakeError("away")

    spool = chat.hub.spool = SpooledInbox(chat.engine, tmp_path / "spool")
    monkeypatch.setattr(chat.engine, "take", away)
    with pytest.raises(IntakeError):
        await chat.hub.accept(said("hello"))
    assert spool._file.size == 0
    await spool.close()


async def test_what_was_sent_before_the_store_went_away_is_not_sent_again(chat, monkeypatch):
    monkeypatch.setattr("core.engine.worker.random.uniform", lambda low, high: 0.001)
    commit, away = chat.engine.commit, [StoreError("away")]

    async def committed(*call, **more):
        if away:
            raise away.pop()
        await commit(*call, **more)

    monkeypatch.setattr(chat.engine, "commit", committed)
    assert await chat.say(said("hello")) == ["hello"]
    assert len(chat.bot.turns) == 1


async def test_a_turn_that_has_something_staged_ends_where_it_is(chat, monkeypatch):
    monkeypatch.setattr("core.engine.worker.random.uniform", lambda low, high: 0.001)
    asked, forward = [], chat.hub.people.forward

    async def forwarded(claim, *more):
        asked.append(claim.staged)
        return await forward(claim, *more)

    monkeypatch.setattr(chat.hub.people, "forward", forwarded)
    chat.adapter.trouble = [Unavailable("503")] * 3
    assert await chat.say(said("hello")) == ["hello"]
    assert asked == [None]


async def test_a_channel_waits_for_the_answers_under_way(chat):
    chat.bot.holds["slow"] = asyncio.Event()
    await chat.hub.accept(said("slow"))
    await chat.until(lambda: chat.bot.turns)
    waiting = asyncio.create_task(chat.channel.idle(5))
    await asyncio.sleep(0)
    chat.bot.holds["slow"].set()
    await waiting
    assert chat.adapter.texts == ["slow"]


async def test_a_user_over_the_limit_is_told_once(chat):
    chat.hub.limits.use(LimitsSettings(per_user="1/minute"))
    texts = await chat.say(*(said(text, n) for n, text in enumerate(("one", "two", "three"))))
    assert (len(texts), texts[0]) == (2, "one")


async def test_the_store_that_goes_away_while_a_bot_speaks_counts_as_no_try(chat, monkeypatch):
    monkeypatch.setattr("core.engine.worker.random.uniform", lambda low, high: 0.001)
    chat.bot.errors = [StoreError("away"), StoreError("still away")]
    assert await chat.say(said("hello")) == ["hello"]


async def test_what_a_bot_took_before_it_broke_is_paid_for(chat, monkeypatch):
    async def respond(turn):
        turn.usage.append(Usage("m", 10, 5, 0.25))
        if not chat.bot.turns:
            chat.bot.turns.append(turn)
            raise ValueError("once")
        yield "hello"

    monkeypatch.setattr(chat.bot, "respond", respond)
    await chat.say(said("hello"))
    used = await chat.hub.limits.usage(Payer("fake:ann", "fake", "r1"))
    assert (used.messages, used.tokens, used.cost) == (1, 30, 500_000)


async def test_what_a_person_with_joined_accounts_says_in_a_room_stays_there(chat, redis, prefix):
    ids = itertools.count()

    async def says(who, text, name="", **more):
        facts = {"uid": f"e{next(ids)}", "address": Address("fake", more.pop("room", who)), "user": User(who)}
        facts |= {"direct": True} | more
        return (await chat.say(Command(name=name, text=text, **facts) if name else Message(text=text, **facts)))[-1]

    code = re.search(r"[A-Z0-9]{8}", await says("ann", "", "link"))[0]
    await says("bob", code, "link")
    await says("bob", "yes")
    for who in ("ann", "bob"):
        await says(who, f"{who} in the room", room="room", direct=False, mentioned=True)
    said_there = {
        key.decode().partition("}:")[2]: len(await redis.lrange(key, 0, -1))
        for key in await redis.keys(f"{prefix}:sess:*")
    }
    assert said_there == {"fake/room//ann": 2, "fake/room//bob": 2}


async def test_the_spool_is_asked_also_while_the_channel_starts(chat, tmp_path):
    spool = chat.hub.spool = SpooledInbox(chat.engine, tmp_path / "spool")
    chat.channel.redelivers, chat.channel.adapter = False, None
    spool._filled.set()  # something waits in the file, so that what comes goes behind it
    assert await chat.hub.accept(said("hello")) is Accepted.NEW
    assert (await chat.engine.stats()).accepted == 0
    assert spool._file.size > 0
    await spool.close()


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(3), KeyError("x")])
async def test_whatever_a_bot_raises_is_its_own_failure_and_nobody_elses(chat, monkeypatch, error):
    tries = []

    async def respond(turn):
        tries.append(turn)
        if len(tries) == 1:
            raise error
        yield "second try"

    monkeypatch.setattr(chat.bot, "respond", respond)
    assert await chat.say(said("hello")) == ["second try"]


async def test_a_bot_that_hangs_is_given_up(chat, monkeypatch):
    monkeypatch.setattr("core.hub.TURN_LIMIT", 0.05)
    chat.engine.max_tries = 1
    chat.bot.holds["hang"] = asyncio.Event()
    (text,) = await chat.say(said("hang"))
    assert "Reference" in text


async def test_who_joins_an_account_and_leaves_and_joins_again_is_held_to_the_same_limit(chat, monkeypatch):
    async def respond(turn):
        turn.usage.append(Usage("m", 1, 1, 0.6))
        yield turn.text

    monkeypatch.setattr(chat.bot, "respond", respond)
    monkeypatch.setattr(chat.bot, "most", lambda turn: 0.6)
    chat.hub.limits = Limits(chat.engine, LimitsSettings(budget_per_user="1/day"))
    ids = itertools.count()

    async def says(who, text, name=""):
        facts = {"uid": f"e{next(ids)}", "address": Address("fake", who), "user": User(who), "direct": True}
        return (await chat.say(Command(name=name, text=text, **facts) if name else Message(text=text, **facts)))[-1]

    answers = []
    for _ in range(2):
        code = re.search(r"[A-Z0-9]{8}", await says("ann", "", "link"))[0]
        await says("bob", code, "link")
        assert (await says("bob", "yes")).startswith("Done")
        answers += [await says("ann", "hello"), await says("bob", "hello")]
        await says("bob", "", "unlink")
    assert answers.count("hello") == 1


async def test_a_flood_of_commands_is_one_polite_line_and_then_silence(chat):
    chat.hub.limits.use(LimitsSettings(per_user="2/minute"))
    names = ["language", "usage", "persona", "help", "language", "help"]
    *_, refused = texts = await chat.say(*(command(name, n=n) for n, name in enumerate(names)))
    assert len(texts) == 3
    assert "many messages" in refused
    assert await chat.say(said("and I?", 7)) == texts


async def test_files_without_words_count_as_messages_too(chat):
    chat.hub.limits.use(LimitsSettings(per_user="1/minute"))
    picture = (Attachment("image", "f"),)
    texts = await chat.say(*(said("", n, attachments=picture) for n in range(4)))
    assert ["read text" in text for text in texts] == [True, False]


async def test_commands_need_no_money(chat, monkeypatch):
    monkeypatch.setattr(chat.bot, "most", lambda turn: 2.0)
    chat.hub.limits.use(LimitsSettings(budget_per_user="1/day"))
    refused, usage = await chat.say(said("hello", 1), command("usage", n=2))
    assert "used up" in refused
    assert "of 1.00" in usage


async def test_who_is_over_the_limit_can_stop_what_there_is_to_stop(chat):
    chat.hub.limits.use(LimitsSettings(per_user="1/minute"))
    chat.bot.holds["tell me"] = asyncio.Event()
    await chat.hub.accept(said("tell me", 1))
    await chat.until(lambda: chat.bot.turns)
    assert await chat.say(command("stop", n=2)) == ["Stopped."]
    *_, refused = texts = await chat.say(command("stop", n=3), command("stop", n=4), command("help", n=5))
    assert len(texts) == 2
    assert "many messages" in refused


async def test_in_a_group_that_is_over_the_limit_the_bot_can_be_told_to_be_quiet_once(engine):
    async with chatting(engine, answer="all") as chat:
        chat.hub.limits.use(LimitsSettings(per_room="1/minute"))
        stop = [msgspec.structs.replace(command("stop", n=n), direct=False) for n in (2, 3, 4)]
        for event in (said("hello", 1, direct=False), *stop):
            texts = await chat.say(event)
        assert [len(texts), texts[0]] == [3, "hello"]
        assert "quiet" in texts[1]
        assert "Many people" in texts[2]


async def test_a_sign_of_life_that_swallows_its_end_holds_up_no_answer(chat, monkeypatch):
    monkeypatch.setattr("core.delivery.typing.PATIENCE", 0.0)
    hold, typing = asyncio.Event(), asyncio.Event()

    async def stubborn(to):
        if not typing.is_set():
            typing.set()
            with contextlib.suppress(asyncio.CancelledError):  # as `wait_for` may, before Python 3.12
                await asyncio.Event().wait()

    monkeypatch.setattr(chat.adapter, "typing", stubborn)
    chat.bot.holds["hello"] = hold
    await chat.hub.accept(said("hello", 1))
    await typing.wait()
    hold.set()
    async with asyncio.timeout(2):
        await chat.settled()
    assert chat.adapter.texts == ["hello"]


async def test_a_channel_that_stops_just_as_a_turn_begins_lets_it_be_answered(chat, monkeypatch):
    async def forward(*_):
        chat.channel.adapter = None
        return False

    monkeypatch.setattr(chat.hub.people, "forward", forward)
    assert await chat.say(said("hello", 1)) == ["hello"]
    assert chat.bot.turns


async def test_the_hubs_own_secrets_do_not_leave_it_whoever_says_them(chat):
    SECRETS.learn(["FAKE-secret-123"])
    chat.bot.answers["tell me"] = [
        "The key is FAKE-se",
        "cret-123, FAKE-\u200bsecret-123.",
        menu("FAKE-secret-123?", "FAKE-secret-123"),
    ]
    texts = await chat.say(said("tell me"))
    SECRETS.learn([])
    assert texts == ["The key is …, ….", "…?"]
    assert chat.adapter.sent[1][1].choices[0].label == "…"
