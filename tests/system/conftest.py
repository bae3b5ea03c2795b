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
def open_hub(hub_process, stages, model):
    """Starts a hub on these platforms, or all, with a model; `sections` go into its YAML file as they are."""

    async def open_hub(*platforms, bot=None, channel=None, prices=None, **sections):
        platforms = platforms or tuple(stages)
        channels = {name: {"enabled": True, **stages[name].settings(), **(channel or {})} for name in platforms}
        hub = hub_process(channels, bot={"use": "assistant", "model": "default", "personality": "ada", **(bot or {})})
        played = {"base_url": model.url, "api_key": model.api_key, "name": "played", **(prices or {})}
        hub.document |= {"models": {"default": played}, "personalities": {"ada": PERSONALITY}, **sections}
        stages["whatsapp"].webhook_url = f"{hub.url}/webhooks/whatsapp"
        await hub.start()
        for name in platforms:
            await hub.until(name, "running")
        return hub

    return open_hub


@pytest.fixture
async def hub(open_hub):
    return await open_hub()
