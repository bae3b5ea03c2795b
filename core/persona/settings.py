"""A personality as it stands in the YAML file."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Tone = Literal["professional", "friendly", "casual", "formal"]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Words = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=100)], ...], Field(max_length=200)]


class Constraint(BaseModel):
    """A rule, told to the model in words; where it has a form that can be checked, each answer is held against it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    text: Text
    """The rule in words, as the model is told it."""
    forbid: Words = ()
    """Words and phrases that no answer may hold, whatever their case."""
    require: Words = ()
    """Words and phrases of which each answer must hold at least one."""
    max_words: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """The longest answer, in words; code and quotations do not count."""
    must_end_with_question: bool = False
    """Whether each answer must end with a question."""


Rule = Annotated[
    Constraint,
    BeforeValidator(
        lambda rule: {"text": rule} if isinstance(rule, str) else rule, json_schema_input_type=str | Constraint
    ),
]
"""A constraint; plain text is one without a form that can be checked."""


class Personality(BaseModel):
    """Who the bot is: how it introduces itself, how it talks, what it knows, and what it must not do."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Annotated[str, Field(min_length=1, max_length=60)]
    """What it calls itself."""
    role: Text
    """What it is, as in 'You are Ada, …': a support agent of Example Ltd."""
    traits: Words = ()
    """How it is, in a few words each."""
    tone: Tone = "friendly"
    """How it talks; also applied to the finished text where a word can be changed without changing what it says."""
    knowledge: tuple[Text, ...] = ()
    """What it knows well."""
    constraints: tuple[Rule, ...] = ()
    """What it must or must not do: text, or keys with a form that can be checked."""
    introduction: Annotated[str, Field(max_length=2000)] = ""
    """Its first words to somebody it has not met. Left empty: it does not introduce itself."""
    greeting: Annotated[str, Field(max_length=200)] = ""
    """How it greets, in words: by name, briefly."""
    repair: bool = False
    """Whether an answer that breaks a rule is asked for once more."""

    @model_validator(mode="after")
    def _introduces_itself(self) -> "Personality":
        if self.introduction and self.name.casefold() not in self.introduction.casefold():
            raise ValueError(f"the introduction does not say the name '{self.name}'")
        return self
