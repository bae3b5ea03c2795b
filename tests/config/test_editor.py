"""The schema that editors use agrees with the hub."""

import jsonschema
import pytest
import yaml

from config.editor import schema
from tests.config.conftest import BOTS, PLATFORMS


@pytest.fixture
def complaints():
    """What an editor would underline."""
    found = schema(PLATFORMS, BOTS)
    jsonschema.Draft202012Validator.check_schema(found)
    validator = jsonschema.Draft202012Validator(found)
    return lambda text: sorted(error.message for error in validator.iter_errors(yaml.safe_load(text)))


def test_a_good_file_has_no_complaints(complaints, folder, small):
    text = "hub: {port: '${PORT:-8080}', drain: 3}\n" + small.replace("1:fake", "15005550006").replace("bot:", "bot:")
    folder.load(text)
    assert complaints(text) == []


@pytest.mark.parametrize("section", ["hub:", "channels:", "bots:"])
def test_an_empty_section_has_no_complaints(complaints, section):
    assert complaints(section) == []


@pytest.mark.parametrize(
    ("was", "becomes", "complaint"),
    [
        ("telegram", "telegran", "'telegran' is not one of ['console', 'telegram']"),
        ("bot_token", "bot_tokn", "Additional properties are not allowed ('bot_tokn' was unexpected)"),
        ("use: echo", "use: echo, knowledge: []", "Additional properties are not allowed ('knowledge' was unexpected)"),
        ("  desk:", "  a desk:", "'a desk' does not match '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'"),
        ("    platform: telegram\n", "", "'platform' is a required property"),
        ("1:fake", "1:fake\n    enabled: 3", "3 is not valid under any of the given schemas"),
    ],
)
def test_a_mistake_is_underlined_where_the_hub_refuses_it_too(complaints, folder, small, was, becomes, complaint):
    text = small.replace(was, becomes)
    assert folder.faults(text)
    assert complaints(text) == [complaint]


def test_each_key_is_explained():
    channel = schema(PLATFORMS, BOTS)["properties"]["channels"]["additionalProperties"]
    telegram = channel["allOf"][1]["then"]
    assert telegram["properties"]["bot_token"]["description"] == "From @BotFather."
    assert telegram["properties"]["bot"]["default"] == "assistant"
