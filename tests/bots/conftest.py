"""A played provider, and assistants on it."""

import pytest

from bots.assistant import AssistantSettings, Bot
from core.bot import Resources
from core.model.chain import Retries
from core.model.models import Models
from core.model.settings import ModelLimits, ModelSettings
from simulators.openai import OpenAISimulator
from tests.bots.asking import ADA

LIMITS = ModelLimits(connect=2, first_token=1, gap=1, total=5)


@pytest.fixture
async def server():
    async with OpenAISimulator() as server:
        yield server


@pytest.fixture
async def assistant(server):
    """Makes assistants with the models `default` and `small` on the played provider."""
    opened, made = [], []

    async def make(personality=ADA, others=(), served="played", **keys):
        models = Models(
            {
                name: ModelSettings(
                    base_url=server.url,
                    api_key=server.api_key,
                    name=name_there,
                    limits=LIMITS,
                    price_input=1,
                    price_output=2,
                )
                for name, name_there in (("default", served), ("small", "played-small"))
            },
            retries=Retries(times=0),
        )
        await models.open()
        opened.append(models)
        personalities = {"ada": personality, **dict(others)}
        bot = Bot(
            AssistantSettings(use="assistant", personality="ada", **keys), Resources(models.chains(), personalities)
        )
        made.append(bot)
        await bot.start()
        return bot

    yield make
    for bot in made:
        await bot.stop()
    for models in opened:
        await models.close()
