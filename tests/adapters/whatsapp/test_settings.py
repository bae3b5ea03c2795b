"""The YAML keys of a WhatsApp channel."""

import pytest

from adapters.whatsapp.settings import WhatsAppSettings


@pytest.mark.parametrize("number", ["whatsapp:+14155550100", "+14155550100", " +1 (415) 555-0100 ", "+1.415.555.0100"])
def test_a_number_may_be_written_as_people_write_it(number):
    assert WhatsAppSettings(platform="whatsapp", number=number).sender == "whatsapp:+14155550100"


def test_what_is_missing_is_named():
    assert WhatsAppSettings(platform="whatsapp").missing() == ("account_sid", "auth_token", "number")
    whole = WhatsAppSettings(platform="whatsapp", account_sid="AC1", auth_token="fake", number="+14155550100")
    assert whole.missing() == ()


def test_one_api_url_stands_for_all_hosts_unless_it_is_twilios():
    assert WhatsAppSettings(platform="whatsapp").messaging_url == "https://messaging.twilio.com"
    local = WhatsAppSettings(platform="whatsapp", api_url="http://127.0.0.1:8080/")
    assert local.messaging_url == "http://127.0.0.1:8080"


def test_no_secret_is_shown():
    keys = WhatsAppSettings(platform="whatsapp", auth_token="fake-token", shared_keys={"key": "fake-secret"})
    assert "fake" not in repr(keys)
