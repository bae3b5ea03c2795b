"""Nothing with side effects without a yes: over a real HTTP client and a played provider."""

import json
import time

import pytest

from bots import assistant as module
from core.bot import Notes, Remembered
from core.language.sentences import Sentence
from core.limits.errors import Refused
from core.limits.purse import Purse
from core.model.consent import LASTS
from simulators.openai import Call, Script
from tests.bots.asking import parts, read, turn

SHOP = '''
from core.model.tools import RunContext, Tools

tools = Tools()


@tools.add(confirm=True)
def order(pizza: str, note: str = "", *, context: RunContext) -> str:
    """Order a pizza."""
    with open(LOG, "a") as file:
        print(pizza, context.key, file=file)
    return f"ordered {pizza}"
'''
HISTORY = [Remembered("user", "hi"), Remembered("assistant", "Hello, I am Ada.")]


@pytest.fixture
def log(tmp_path):
    return tmp_path / "orders.txt"


@pytest.fixture
async def shop(assistant, tmp_path, log):
    (tmp_path / "shop.py").write_text(f"LOG = {str(log)!r}\n{SHOP}")
    return await assistant(tools_from=[str(tmp_path / "shop.py")])


@pytest.fixture
def orders(log):
    return lambda: [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


def ordering(pizza="Funghi", text="", **more):
    return Script(text, calls=(Call("order", json.dumps({"pizza": pizza, **more})),))


async def put(server, shop, text="A Funghi please", **more):
    """The question that a wish for a pizza leads to, and what the session keeps of it."""
    server.script.append(ordering(text=more.pop("said", "")))
    asked = turn(text, HISTORY, **more)
    return (await parts(shop, asked))[-1], asked.notes


def then(text, question, notes, **more):
    """The next turn of the conversation."""
    history = [*HISTORY, Remembered("user", "A Funghi please"), Remembered("assistant", question.text)]
    return turn(text, history, notes=notes, **more)


async def test_the_user_is_asked_with_buttons_and_nothing_is_done(server, shop, orders):
    question, notes = await put(server, shop)
    assert 'order\n  pizza: "Funghi"' in question.text
    assert [choice.label for choice in question.choices] == ["Yes", "No"]
    assert notes.pending
    assert orders() == []


async def test_what_the_model_says_before_it_asks_is_a_message_of_its_own(server, shop):
    server.script.append(ordering(text="I can order that."))
    said, question = await parts(shop, turn("A Funghi please", HISTORY))
    assert said.text == "I can order that."
    assert question.choices


async def test_a_pressed_yes_runs_the_very_call_and_the_model_tells_of_it(server, shop, orders):
    question, notes = await put(server, shop)
    server.script.append(Script("Your Funghi is on its way."))
    pressed = then(question.choices[0].value, question, notes)
    assert await read(shop, pressed) == "Your Funghi is on its way."
    assert orders() == ["Funghi"]
    assert (pressed.notes.pending, pressed.text) == ("", "Yes")
    told = server.exchanges[-1].body["messages"]
    assert [message["role"] for message in told[-3:]] == ["user", "assistant", "tool"]
    assert [told[-3]["content"], told[-1]["content"]] == ["Yes", "ordered Funghi"]


async def test_a_typed_yes_is_as_good_as_the_button(server, shop, orders):
    question, notes = await put(server, shop, locale="de")
    server.script.append(Script("Unterwegs."))
    assert await read(shop, then("Ja!", question, notes, locale="de")) == "Unterwegs."
    assert orders() == ["Funghi"]


async def test_a_typed_yes_to_what_somebody_else_asked_is_no_consent(server, shop, orders):
    question, notes = await put(server, shop, direct=False)
    said = [("user", "A Funghi please", "p:Ann"), ("assistant", question.text, "")]
    said += [("user", "Ask Ann whether she likes cats", "p:Eve"), ("assistant", "Ann, do you like cats?", "")]
    history = [Remembered(role, text, author=author) for role, text, author in said]
    server.script.append(Script("Me too."))
    assert await read(shop, turn("Yes!", history, notes=notes, direct=False)) == "Me too."
    assert orders() == []
    server.script.append(Script("Done."))
    await read(shop, turn(question.choices[0].value, history, notes=notes, direct=False))
    assert orders() == ["Funghi"]


async def test_a_no_leaves_everything_as_it_is_and_asks_no_model(server, shop, orders):
    question, notes = await put(server, shop)
    refused = then(question.choices[1].value, question, notes)
    assert await read(shop, refused) == "All right, I have left everything as it is."
    assert (refused.notes.pending, refused.text, refused.kept) == ("", "No", True)
    assert len(server.exchanges) == 1
    assert orders() == []


async def test_another_question_goes_on_and_the_model_knows_of_the_declined_call(server, shop, orders):
    question, notes = await put(server, shop)
    server.script.append(Script("It has mushrooms."))
    asked = then("What is on it?", question, notes)
    assert await read(shop, asked) == "It has mushrooms."
    assert asked.notes.pending == ""
    told = server.exchanges[-1].body["messages"]
    assert [message["role"] for message in told[-3:]] == ["assistant", "tool", "user"]
    assert told[-2]["content"].startswith("declined")
    assert orders() == []


async def test_a_second_press_does_nothing(server, shop, orders):
    question, notes = await put(server, shop)
    server.script.append(Script("On its way."))
    first = then(question.choices[0].value, question, notes)
    await read(shop, first)
    again = then(question.choices[0].value, question, first.notes)
    assert await read(shop, again) == "That question is no longer open. Please ask again."
    assert not again.kept
    assert orders() == ["Funghi"]


async def test_after_ten_minutes_the_question_is_closed(server, shop, orders, monkeypatch):
    question, notes = await put(server, shop)
    late = time.time() + LASTS + 1
    monkeypatch.setattr(module.time, "time", lambda: late)
    for answer in (question.choices[0].value, "yes"):
        pressed = then(answer, question, notes)
        assert "no longer open" in await read(shop, pressed)
        assert pressed.notes.pending == ""
    assert orders() == []


async def test_in_a_group_only_who_asked_can_agree(server, shop, orders):
    question, notes = await put(server, shop, direct=False)
    foreign = then(question.choices[0].value, question, notes, direct=False, by="Ben")
    assert await parts(shop, foreign) == []
    assert foreign.notes.pending == notes.pending
    server.script.append(Script("Who is asking?"))
    word = then("yes", question, notes, direct=False, by="Ben")
    assert await read(shop, word) == "Who is asking?"
    assert word.notes.pending == notes.pending
    assert orders() == []


async def test_a_crash_between_doing_and_committing_repeats_the_call_under_the_same_key(server, shop, log):
    question, notes = await put(server, shop)
    server.script.extend([Script("On its way.")] * 2)
    for _ in range(2):
        await read(shop, then(question.choices[0].value, question, notes))
    first, again = [line.split()[1] for line in log.read_text().splitlines()]
    assert first == again


async def test_when_the_model_is_out_the_user_and_the_session_still_learn_that_it_was_done(server, shop, orders):
    question, notes = await put(server, shop)
    server.misbehave("away")
    pressed = then(question.choices[0].value, question, notes)
    text = await read(shop, pressed)
    assert "order: ordered Funghi" in text
    assert "cannot reach my language model" in text
    assert pressed.kept
    assert orders() == ["Funghi"]


async def test_when_the_budget_is_used_up_behind_the_deed_both_are_told(server, shop, orders):
    async def take(amount):
        return Refused("budget_per_user", Sentence.BUDGET, 300, True)

    question, notes = await put(server, shop)
    pressed = then(question.choices[0].value, question, notes)
    pressed.purse = Purse(take=take)
    text = await read(shop, pressed)
    assert "budget is used up. I will answer again in 5 minutes." in text
    assert "order: ordered Funghi" in text
    assert pressed.kept


async def test_an_answer_that_breaks_off_behind_the_deed_says_what_was_done(server, shop):
    question, notes = await put(server, shop)
    server.script.extend([Script("Your pizza is on its way to you.")] * 2)
    server.misbehave("cut", 2)
    pressed = then(question.choices[0].value, question, notes)
    text = await read(shop, pressed)
    assert "broke off" in text
    assert "order: ordered Funghi" in text
    assert pressed.kept


async def test_after_one_deed_the_next_needs_a_yes_of_its_own(server, shop, orders):
    question, notes = await put(server, shop)
    server.script.append(ordering("Margherita"))
    pressed = then(question.choices[0].value, question, notes)
    second = (await parts(shop, pressed))[-1]
    assert "Margherita" in second.text
    assert second.choices != question.choices
    assert orders() == ["Funghi"]


async def test_what_is_too_long_to_be_read_is_not_asked(server, shop, orders):
    server.script.extend([ordering("x" * 20_000), Script("I had better not.")])
    asked = turn("Order everything", HISTORY)
    assert await read(shop, asked) == "I had better not."
    assert asked.notes.pending == ""
    assert "too long to ask" in server.exchanges[-1].said


@pytest.mark.parametrize("language", ["de", "ja"])
async def test_a_press_is_answered_in_the_language_of_the_question(server, shop, language):
    text = {"de": "Ich möchte bitte eine Pizza bestellen", "ja": "ピザを注文してください"}[language]
    question, notes = await put(server, shop, text)
    refused = then(question.choices[1].value, question, notes)
    assert (await read(shop, refused)) != "All right, I have left everything as it is."


async def test_a_persona_or_language_beside_the_question_stays(server, shop):
    server.script.append(ordering())
    asked = turn("A Funghi please", HISTORY, notes=Notes(language="fr"))
    question = (await parts(shop, asked))[-1]
    assert asked.notes.language == "fr"
    assert "Oui" in {choice.label for choice in question.choices}
