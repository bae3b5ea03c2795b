"""A server on loopback and a client of it."""

from collections.abc import AsyncIterator

import pytest

from core.model.client import OpenAIModel
from core.model.settings import ModelSettings
from simulators.openai import OpenAISimulator


@pytest.fixture
async def server() -> AsyncIterator[OpenAISimulator]:
    async with OpenAISimulator() as server:
        yield server


@pytest.fixture
def settings(server: OpenAISimulator) -> ModelSettings:
    return ModelSettings(base_url=server.url, api_key=server.api_key, name="simulated")


@pytest.fixture
async def model(settings: ModelSettings) -> AsyncIterator[OpenAIModel]:
    async with OpenAIModel("default", settings) as model:
        yield model
