"""Which bots bear one process only, and by what name the others are told."""

from base64 import urlsafe_b64encode

import pytest

from adapters.discord.settings import DiscordSettings
from adapters.slack.settings import SlackSettings
from adapters.telegram.settings import TelegramSettings
from adapters.whatsapp.settings import WhatsAppSettings

DISCORD_TOKEN = urlsafe_b64encode(b"1234567890123456").decode().rstrip("=") + ".fake.FAKE-TOKEN"


def test_one_process_polls_a_telegram_bot():
    assert TelegramSettings(bot_token="123456:FAKE-token").exclusive == "telegram:123456"


def test_a_telegram_webhook_may_be_served_by_many():
    assert TelegramSettings(bot_token="123456:FAKE-token", mode="webhook").exclusive is None


def test_one_process_has_the_gateway_of_a_discord_application():
    assert DiscordSettings(bot_token=DISCORD_TOKEN).exclusive == "discord:1234567890123456"


@pytest.mark.parametrize("token", ["FAKE-token", "é.fake", "....", "A", "!!!"])
def test_a_discord_token_of_another_form_has_a_name_that_does_not_give_it_away(token):
    name = DiscordSettings(bot_token=token).exclusive
    assert name == DiscordSettings(bot_token=token).exclusive
    assert name != DiscordSettings(bot_token=token + "x").exclusive
    assert name.startswith("discord:")
    assert name.removeprefix("discord:").isalnum()


def test_the_same_id_elsewhere_is_another_bot():
    one, two = (
        TelegramSettings(bot_token="123456:FAKE-token", api_url=f"http://127.0.0.1:{port}") for port in (8001, 8002)
    )
    assert len({one.exclusive, two.exclusive, "telegram:123456"}) == 3


def test_without_a_token_there_is_nothing_to_hold():
    assert (TelegramSettings().exclusive, DiscordSettings().exclusive) == (None, None)


def test_the_others_bear_any_number():
    assert (SlackSettings(platform="slack").exclusive, WhatsAppSettings(platform="whatsapp").exclusive) == (None, None)
