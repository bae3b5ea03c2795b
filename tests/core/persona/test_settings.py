from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from core.persona.settings import Constraint, Personality

SHIPPED = Path(__file__).parents[3] / "config" / "personalities.yaml"


def shipped():
    return {name: Personality.model_validate(keys) for name, keys in yaml.safe_load(SHIPPED.read_text()).items()}


def test_the_three_classic_personalities_are_shipped_whole():
    personalities = shipped()
    assert set(personalities) == {"customer-support", "technical-assistant", "creative-writer"}
    for personality in personalities.values():
        assert personality.traits
        assert personality.knowledge
        assert personality.constraints
        assert personality.introduction


def test_a_constraint_is_text_or_keys_with_a_form_that_can_be_checked():
    personality = Personality.model_validate(
        {"name": "A", "role": "b", "constraints": ["Be kind.", {"text": "Be short.", "max_words": 5}]}
    )
    assert personality.constraints == (Constraint(text="Be kind."), Constraint(text="Be short.", max_words=5))


@pytest.mark.parametrize(
    "keys",
    [
        {"tone": "grumpy"},
        {"mood": "good"},
        {"name": ""},
        {"constraints": [{"forbid": ["x"]}]},
        {"constraints": [{"text": "x", "max_words": 0}]},
        {"introduction": "Hello, I am somebody else."},
    ],
)
def test_a_mistake_in_a_personality_is_refused(keys):
    with pytest.raises(ValidationError):
        Personality.model_validate({"name": "Ada", "role": "a helper", **keys})
