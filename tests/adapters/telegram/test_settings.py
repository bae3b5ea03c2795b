"""The YAML keys of a Telegram channel."""

import pytest
from pydantic import ValidationError

from adapters.telegram.settings import TelegramSettings

TOKEN = "123456:FAKE-token"


def test_a_bare_channel_names_what_it_misses():
    assert TelegramSettings().missing() == ("bot_token",)


def test_a_webhook_without_a_secret_is_not_started():
    assert TelegramSettings(bot_token=TOKEN, mode="webhook").missing() == ("webhook_secret",)
    assert TelegramSettings(bot_token=TOKEN, mode="webhook", webhook_secret="s").missing() == ()


@pytest.mark.parametrize("token", ["FAKE-token", "123456:a/../../x", "123456:a?b", "http://x", "1:a\n"])
def test_a_token_that_would_lead_the_calls_elsewhere_is_refused_and_not_shown(token):
    with pytest.raises(ValidationError) as error:
        TelegramSettings(bot_token=token)
    assert token not in str(error.value)


@pytest.mark.parametrize("secret", ["a b", "ü", "x" * 257])
def test_a_secret_that_telegram_would_refuse_is_refused(secret):
    with pytest.raises(ValidationError):
        TelegramSettings(webhook_secret=secret)


@pytest.mark.parametrize("url", ["ftp://x", "api.telegram.org", "https://x?y=z", ""])
def test_the_api_url_is_a_plain_http_address(url):
    with pytest.raises(ValidationError):
        TelegramSettings(api_url=url)
