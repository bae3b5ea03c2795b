import pytest
from pydantic import ValidationError

from core.model.chain import Retries
from core.model.models import Models
from core.model.settings import ModelSettings
from simulators.openai import OpenAISimulator
from tests.core.model.asking import answer


@pytest.fixture
def configured(settings: ModelSettings) -> dict[str, ModelSettings]:
    return {
        "default": settings.model_copy(update={"fallback": ("backup", "default")}),
        "backup": settings.model_copy(update={"name": "small"}),
    }


async def test_a_chain_asks_its_fallbacks(server: OpenAISimulator, configured):
    server.misbehave("error", times=3)
    async with Models(configured, retries=Retries(first=0.001)) as models:
        assert await answer(models.chain("default"), "hello") == "hello"
        assert models.health()["backup"]["stood_in"] == 1
    assert [exchange.body["model"] for exchange in server.exchanges] == ["simulated"] * 3 + ["small"]


async def test_chains_share_what_is_known_of_a_model(server: OpenAISimulator, configured):
    async with Models(configured) as models:
        await answer(models.chain("backup"))
        assert models.chain("default").health()["backup"]["answers"] == 1


async def test_no_model_is_no_trouble():
    async with Models({}) as models:
        assert models.health() == {}


async def test_a_model_without_its_key_is_passed_over(configured):
    configured["default"] = ModelSettings(name="hosted", fallback=("backup",))
    configured["backup"] = configured["backup"].model_copy(update={"fallback": ("default",)})
    async with Models(configured) as models:
        assert set(models.chains()) == {"backup"}
        assert set(models.chain("backup").health()) == {"backup"}


def test_the_key_is_not_shown(settings: ModelSettings):
    assert settings.api_key.get_secret_value() not in f"{settings!r} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "api.example.org"},
        {"concurrency": 0},
        {"limits": {"gap": 0}},
        {"limits": {"gap": "inf"}},
        {"nam": "x"},
    ],
)
def test_a_wrong_value_is_refused(wrong):
    with pytest.raises(ValidationError):
        ModelSettings.model_validate({"name": "m", **wrong})


def test_the_price_of_an_answer_is_by_the_million_tokens():
    assert ModelSettings(name="m", price_input=2, price_output=8).price(500_000, 250_000) == 3.0
