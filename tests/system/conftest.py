import signal

import pytest

from simulators.discord import DiscordSimulator
from simulators.openai import OpenAISimulator
from simulators.slack import SlackSimulator
from simulators.telegram import TelegramSimulator
from simulators.twilio import TwilioSimulator
from tests.system.processes import HubProcess

PERSONALITY = {"name": "Ada", "role": "a helper", "tone": "casual"}


@pytest.fixture
async def hub_process(tmp_path):
    """Makes hubs on channels; each is stopped at the end, and its store with it."""
    made = []

    def make(channels, **keys):
        home = tmp_path / f"hub{len(made)}"
        home.mkdir()
        made.append(HubProcess(home, channels, **keys))
        return made[-1]

    yield make
    for hub in made:
        if hub.process is None:
            continue
        if hub.process.returncode not in (None, 0):  # killed: its store lives on until a hub stops it in order
            await hub.start()
        await hub.kill(signal.SIGTERM)


@pytest.fixture
async def model():
    async with OpenAISimulator() as model:
        yield model


@pytest.fixture
async def stages():
    async with (
        SlackSimulator() as slack,
        DiscordSimulator() as discord,
        TelegramSimulator() as telegram,
        TwilioSimulator() as twilio,
    ):
        yield {"slack": slack, "discord": discord, "telegram": telegram, "whatsapp": twilio}


@pytest.fixture
async def hub(hub_process, stages, model):
    channels = {name: {"enabled": True, **stage.settings()} for name, stage in stages.items()}
    bot = {"use": "assistant", "model": "default", "personality": "ada"}
    hub = hub_process(channels, bot=bot)
    hub.document["models"] = {"default": {"base_url": model.url, "api_key": model.api_key, "name": "played"}}
    hub.document["personalities"] = {"ada": PERSONALITY}
    stages["whatsapp"].webhook_url = f"{hub.url}/webhooks/whatsapp"
    await hub.start()
    for name in stages:
        await hub.until(name, "running")
    return hub
