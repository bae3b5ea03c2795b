"""The prompts that the shipped personalities make are kept in `prompts/`; read the difference before you accept it:
`UPDATE_PROMPTS=1 python3 -m pytest tests/core/persona/test_prompt.py`."""

import datetime
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.persona.prompt import prompt
from core.persona.settings import Constraint, Personality
from core.safety import canary, leaks
from tests.core.persona.test_settings import shipped

PROMPTS = Path(__file__).parent / "prompts"
DAY = datetime.date(2026, 3, 2)
ADA = Personality(name="Ada", role="a helper", introduction="Hi, I am Ada.")


@pytest.mark.parametrize(
    ("name", "language", "kind", "first"),
    [
        ("customer-support", "de-AT", "group", True),
        ("technical-assistant", "en", "direct", True),
        ("creative-writer", "ja", "direct", False),
    ],
)
def test_the_prompt_of_a_shipped_personality_is_as_it_was(name, language, kind, first):
    text = prompt(
        shipped()[name], language=language, channel_kind=kind, first_contact=first, date=DAY, canary="ref-0123"
    )
    golden = PROMPTS / f"{name}.txt"
    if os.environ.get("UPDATE_PROMPTS"):
        golden.write_text(text)
    assert text == golden.read_text()


def made(personality=ADA, **changed):
    keys = {"language": "en", "channel_kind": "direct", "first_contact": False, "date": DAY}
    return prompt(personality, **keys | changed)


def test_it_introduces_itself_at_first_contact_only():
    assert "Hi, I am Ada." in made(first_contact=True)
    assert "Hi, I am Ada." not in made()


def test_a_language_the_user_chose_is_kept_whatever_they_write():
    assert "answer in French, whatever language" in made(language="fr", chosen=True)
    assert "answer in French; if the message is plainly in another" in made(language="fr")


def test_the_model_is_told_what_will_be_checked():
    rule = Constraint(text="Be brief.", forbid=("never ever",), max_words=9, must_end_with_question=True)
    told = "- Be brief. (never write 'never ever'; at most 9 words; end with a question)"
    assert told in made(ADA.model_copy(update={"constraints": (rule,)}))


def test_the_canary_in_the_prompt_is_what_a_leak_is_known_by():
    mark = canary("conversation 7")
    assert leaks(made(canary=mark), mark)
    assert "write" not in made().split("summarise them")[1].split("\n")[0]


@given(st.text(min_size=1, max_size=60).filter(str.strip), st.lists(st.text(min_size=1, max_size=40), max_size=3))
def test_any_personality_makes_a_prompt_and_the_same_one_each_time(role, traits):
    personality = Personality(name="Ada", role=role, traits=tuple(traits))
    assert made(personality) == made(personality)
    assert "$rules" not in made(Personality(name="$rules", role="$role")).split("\n", 1)[1]
