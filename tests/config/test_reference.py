"""The configuration page says what the code says."""

from pathlib import Path

from adapters import settings_types
from bots import bot_type, names
from config.load import load
from config.reference import reference
from tests.config.conftest import BOTS, PLATFORMS

ROOT = Path(__file__).parents[2]


PAGE = ROOT / "docs/configuration.md"


def real_bots():
    return {name: bot_type(name).settings_type for name in names()}


def current():
    return reference(settings_types(), real_bots())


def test_a_key_is_told_with_what_it_takes_its_default_and_its_source():
    page = reference(PLATFORMS, BOTS)
    assert "| `bot_token` | a secret |  | From @BotFather. Usually `${TELEGRAM_BOT_TOKEN}`. |" in page
    assert "| `mode` | `polling` or `webhook` | `polling` |  |" in page
    assert "| `platform` | text | required |" in page
    assert '| `knowledge` | a list: text | `["knowledge/"]` |  |' in page
    assert "| `port` | a whole number | `8080` |" in page


def test_what_all_channels_share_is_told_once():
    assert reference(PLATFORMS, BOTS).count("| `conversation` |") == 1


def test_the_page_is_current():
    assert PAGE.read_text("utf-8") == current(), "write it anew: .venv/bin/python -m tests.config.test_reference"


def test_the_example_on_the_page_loads(tmp_path):
    example = reference(PLATFORMS, BOTS).split("```yaml\n")[1].split("```")[0]
    (tmp_path / "hub.yaml").write_text(example)
    assert load(tmp_path / "hub.yaml", PLATFORMS, BOTS, {}).channels["community-telegram"].missing() == ("bot_token",)


def test_the_shipped_file_loads_with_no_keys_at_all_and_all_channels_wait_for_theirs():
    config = load(ROOT / "config/hub.yaml", settings_types(), real_bots(), {})
    assert list(config.channels) == ["team-slack", "support-whatsapp", "community-telegram", "community-discord"]
    assert all(channel.enabled == "auto" and channel.missing() for channel in config.channels.values())
    assert config.bots.keys() == {"assistant", "guide", "echo"}
    assert not any(model.is_usable for model in config.models.values())
    assert config.secrets() == set()


def test_the_shipped_file_takes_each_key_from_the_name_people_know():
    names = {name: "1:fake" for platform in settings_types().values() for name in platform.environment.values()}
    config = load(ROOT / "config/hub.yaml", settings_types(), real_bots(), names)
    assert not any(channel.missing() for channel in config.channels.values())


if __name__ == "__main__":
    PAGE.write_text(current(), "utf-8")
