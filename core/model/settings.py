"""The YAML keys of a language model."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

HOSTED = "https://api.openai.com/v1"
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class ModelLimits(BaseModel):
    """How long to wait for what, in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    connect: Seconds = 5
    """Until the server took the connection."""
    first_token: Seconds = 20
    """From the question until the model begins to answer."""
    gap: Seconds = 15
    """Between two tokens; a proxy's keep-alives do not count as tokens."""
    total: Seconds = 120
    """For the whole answer, counting only the time in which the hub waited for it."""


class ModelSettings(BaseModel):
    """One model on a server that speaks the OpenAI chat completions API."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    base_url: str = HOSTED
    """Where the server is, with its version: `http://127.0.0.1:11434/v1`."""
    api_key: SecretStr = SecretStr("")
    """Its key; a server of one's own may need none."""
    name: str
    """What the server calls the model."""
    fallback: tuple[str, ...] = ()
    """Models of this file that answer when this one cannot, first to last."""
    context_tokens: Annotated[int, Field(ge=512)] = 16_000
    """What fits: the whole conversation and the answer together."""
    max_tokens: Annotated[int, Field(ge=1)] = 1024
    """The longest answer."""
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    """Left empty: as the server thinks best."""
    streaming: bool = True
    """Whether answers come token by token; false for servers that cannot."""
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Answers under way at the same time; more wait a moment, then the next model is asked."""
    limits: ModelLimits = ModelLimits()
    """How long to wait for what."""
    price_input: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    """Price of a million tokens that the model reads."""
    price_output: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    """Price of a million tokens that the model writes."""

    environment: ClassVar[Mapping[str, str]] = {"api_key": "OPENAI_API_KEY", "base_url": "OPENAI_BASE_URL"}
    """Key -> the environment name that is read where the key is not given."""

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("expected an address such as https://api.openai.com/v1")
        return url.rstrip("/")

    @property
    def is_usable(self) -> bool:
        """It has a key, or stands on a server of one's own, which may need none."""
        return bool(self.api_key.get_secret_value()) or self.base_url != HOSTED

    def price(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What an answer cost."""
        return (prompt_tokens * self.price_input + completion_tokens * self.price_output) / 1_000_000
