"""The YAML keys of a context window."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Strategy = Literal["auto", "window", "importance", "summarize"]
Language = Literal["en", "de", "es", "fr", "pt", "ru", "ar", "hi", "zh", "ja"]

LANGUAGES: tuple[Language, ...] = ("en", "de", "es", "fr", "pt", "ru", "ar", "hi", "zh", "ja")


class ContextSettings(BaseModel):
    """What of a conversation a model gets to read."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    strategy: Strategy = "auto"
    """window: the newest messages | importance: those that matter most | summarize: a summary of the older ones, then
    the newest | auto: one of these by the size of the history, as the two thresholds say."""
    tokens: Annotated[int, Field(ge=512)] = 8000
    """Tokens of a prompt and its answer together: what the model takes, or what you care to pay for."""
    reserve: Annotated[int, Field(ge=0)] = 1000
    """Of these, kept free for the answer."""
    count: Literal["auto", "estimate", "exact"] = "auto"
    """How tokens are counted. estimate: by script, corrected by what the provider bills | exact: by the model's own
    vocabulary, which needs the extra `exact` | auto: exactly where that can be had."""
    messages: Annotated[int, Field(ge=1, le=200)] = 60
    """Messages of the history at most; pinned ones come on top."""
    importance_above: Annotated[int, Field(ge=0)] = 2000
    """auto: tokens of history above which `importance` takes over from `window`."""
    summarize_above: Annotated[int, Field(ge=0)] = 4000
    """auto: tokens of history above which `summarize` takes over, as soon as there is a summary."""
    summary_model: str = ""
    """The model that writes summaries, by its name under `models`; empty: the one that answers."""
    summary_tokens: Annotated[int, Field(ge=50, le=4000)] = 500
    """Tokens of a summary at most."""
    summary_keep: Annotated[int, Field(ge=2, le=100)] = 10
    """Newest messages that are never summarised."""
    summary_every: Annotated[int, Field(ge=2, le=100)] = 10
    """Messages that come together before the summary is brought up to date."""
    languages: tuple[Language, ...] = LANGUAGES
    """importance: languages whose words for what matters (deadline, allergic, my name) are looked for."""
    marked_words: tuple[str, ...] = ()
    """importance: words of your own that make a message matter."""

    @property
    def budget(self) -> int:
        """Tokens of a prompt."""
        return self.tokens - self.reserve

    @model_validator(mode="after")
    def _is_consistent(self) -> "ContextSettings":
        if self.reserve > self.tokens // 2:
            raise ValueError("reserve: the answer may have half of tokens at most")
        if self.summarize_above < self.importance_above:
            raise ValueError("summarize_above: expected importance_above or more")
        return self
