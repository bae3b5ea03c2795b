"""A whole configuration comes out typed, and every mistake a newcomer makes is told where it stands."""

from pathlib import Path

import pytest

from config.load import environment
from core.errors import ConfigError
from tests.config.conftest import WITH_MODELS


def test_a_small_file_becomes_typed_settings(folder, small):
    config = folder.load(small)
    desk = config.channels["desk"]
    assert (desk.platform, desk.mode, desk.poll_timeout, desk.enabled) == ("telegram", "polling", 30, "auto")
    assert desk.bot_token.get_secret_value() == "1:fake"
    assert config.bots["assistant"].use == "echo"


def test_the_hub_has_defaults_for_everything(folder, small):
    config = folder.load(small)
    assert (config.hub.host, config.hub.port, config.hub.log_level) == ("127.0.0.1", 8080, "info")
    assert config.public_url == "http://127.0.0.1:8080"


def test_the_usual_environment_names_are_read_where_the_file_is_silent(folder, small):
    config = folder.load(small, PORT="9000", LOG_LEVEL="DEBUG", REDIS_URL="redis://fake")
    assert (config.hub.port, config.public_url, config.hub.log_level) == (9000, "http://127.0.0.1:9000", "debug")
    assert config.hub.redis_url.get_secret_value() == "redis://fake"


def test_the_key_of_pseudonyms_may_come_from_the_environment_alone(folder, small):
    config = folder.load(small, PSEUDONYM_KEY="ab" * 32)
    assert config.hub.pseudonym_key.get_secret_value() == "ab" * 32
    assert "ab" * 32 in config.secrets()


def test_what_the_file_says_wins_over_the_environment(folder, small):
    assert folder.load("hub: {port: 81}\n" + small, PORT="9000").hub.port == 81


def test_a_public_url_loses_its_last_slash(folder, small):
    assert folder.load("hub: {public_url: https://hub.test/}\n" + small).public_url == "https://hub.test"


@pytest.mark.parametrize("section", ["hub:", "channels:", "bots:"])
def test_a_section_with_nothing_in_it_is_as_good_as_none(folder, section):
    assert folder.load(f"{section}\n").channels == {}


def test_a_variable_becomes_a_number_where_a_number_is_asked_and_stays_text_elsewhere(folder, small):
    text = small.replace("1:fake", "${TOKEN}") + "hub: {port: '${PORT:-8080}'}\n"
    config = folder.load(text, TOKEN="007", PORT="0081")
    assert config.channels["desk"].bot_token.get_secret_value() == "007"
    assert config.hub.port == 81


def test_no_secret_shows_when_a_configuration_is_printed(folder, small):
    config = folder.load(small.replace("1:fake", "${TOKEN}"), TOKEN="fake-secret", REDIS_URL="redis://:fake-pass@x")
    assert "fake-" not in repr(config)
    assert config.secrets() == {"fake-secret", "redis://:fake-pass@x"}


def test_secrets_deep_in_a_bot_are_hidden_with_and_without_their_scheme(folder):
    config = folder.load(
        WITH_MODELS
        + "    mcp:\n"
        + "      shop: {command: [shop], env: {TOKEN: fake-token}}\n"
        + "      desk: {url: 'http://desk.test', headers: {Authorization: Bearer fake-key}}\n"
    )
    assert config.secrets() == {"fake-token", "Bearer fake-key", "fake-key"}
    assert "fake-" not in repr(config)


def test_code_that_a_bot_names_is_part_of_the_configuration(folder):
    text = WITH_MODELS + "    tools_from: [mine.py, away.py]\n"
    Path("mine.py").write_text("one = 1")
    before = folder.load(text)
    Path("mine.py").write_text("two = 2")
    after = folder.load(text)
    assert before.code.keys() == {"mine.py", "away.py"}
    assert before.code["away.py"] == ""
    assert before != after == folder.load(text)


def test_a_configuration_cannot_be_changed(folder, small):
    config = folder.load(small)
    with pytest.raises(AttributeError):
        config.hub = None
    with pytest.raises(TypeError):
        config.channels["other"] = config.channels["desk"]


def test_the_file_env_fills_up_what_the_environment_lacks(tmp_path):
    (tmp_path / ".env").write_text("A=from-file\nB='${A}'\nC\n")
    assert environment(tmp_path, {"A": "real"}) == {"A": "real", "B": "${A}"}
    assert environment(tmp_path / "nowhere", {"A": "real"}) == {"A": "real"}


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(folder):
    faults = folder.faults("""\
hub:
  port: eighty
channels:
  desk:
    platform: telegran
  shop:
    platform: telegram
    bot_tokn: 1:fake
    bot: asistant
bots:
  assistant: {use: eco}
chanels:
""")
    assert faults == [
        "hub.yaml:2:9 hub.port: expected a whole number, not 'eighty'",
        "hub.yaml:5:15 channels.desk.platform: 'telegran' is none of console, telegram, did you mean 'telegram'?",
        "hub.yaml:8:5 channels.shop.bot_tokn: there is no such key, did you mean 'bot_token'?",
        "hub.yaml:9:10 channels.shop.bot: 'asistant' is none of assistant, did you mean 'assistant'?",
        "hub.yaml:11:20 bots.assistant.use: 'eco' is none of assistant, echo, knowledge, did you mean 'echo'?",
        "hub.yaml:12:1 chanels: there is no such key, did you mean 'channels'?",
    ]


QUOTE = "quote text that holds ': ', line up keys with their neighbours"
MISTAKES = {
    "an empty file": ("", "hub.yaml:1:1 the file is empty"),
    "only comments": ("# nothing\n", "hub.yaml:1:1 the file is empty"),
    "a tab": ("channels:\n\tdesk:\n", "hub.yaml:2:1 a tab stands here: YAML is indented with spaces"),
    "a list at the top": ("- a\n", "hub.yaml:1:1 expected keys with values, not a list"),
    "a word at the top": ("hello\n", "hub.yaml:1:1 expected keys with values, not 'hello'"),
    "a key twice": (
        "hub:\n  port: 1\n  port: 2\n",
        "hub.yaml:3:3 hub.port: is given twice, first in line 2",
    ),
    "a channel that is no mapping": (
        "channels:\n  desk: telegram\n",
        "hub.yaml:2:9 channels.desk: expected keys with values, not 'telegram'",
    ),
    "an unclosed quote": (
        "hub: {log_level: 'debug}\n",
        "hub.yaml:2:1 a quote or bracket that was opened is never closed",
    ),
    "a variable without quotes between braces": (
        "bots: {echo: {use: ${BOT:-echo}}}\n",
        "hub.yaml:1:21 something before this '{' is missing; between { } and [ ] a variable needs quotes: \"${NAME}\"",
    ),
    "two colons": (
        "bots: assistant: echo\n",
        "hub.yaml:1:16 a ':' too many or wrong indentation: " + QUOTE,
    ),
    "a key without a colon": (
        "channels:\n  desk\n  shop: {platform: console}\n",
        "hub.yaml:3:7 a ':' too many or wrong indentation: " + QUOTE,
    ),
    "wrong indentation": (
        "hub:\n    port: 1\n  host: x\n",
        "hub.yaml:3:3 does not line up with the lines above: check the indentation and that each key ends with ':'",
    ),
    "a missing include": ("channels: !include more.yaml\n", "hub.yaml:1:11 channels: there is no file more.yaml"),
    "an include of nothing": (
        "channels: !include\n",
        "hub.yaml:1:11 channels: !include takes the name of a file: !include more.yaml",
    ),
    "a secret without its file": (
        "hub: {redis_url: !secret redis}\n",
        "hub.yaml:1:18 hub.redis_url: there is no file secrets.yaml",
    ),
    "a tag that runs code": (
        "hub: {var: !!python/object/apply:os.system [id]}\n",
        "hub.yaml:1:12 hub.var: !!python/object/apply:os.system is not allowed: there are only !include and !secret",
    ),
    "a misspelt tag": (
        "hub: {var: !inclde x.yaml}\n",
        "hub.yaml:1:12 hub.var: !inclde is not allowed: there are only !include and !secret, did you mean '!include'?",
    ),
    "a missing variable": (
        "hub: {public_url: '${PUBLIC}'}\n",
        "hub.yaml:1:19 hub.public_url: the environment has no PUBLIC:"
        " set it, or write ${PUBLIC:-} where it may be missing",
    ),
    "a missing variable with advice": (
        "hub: {public_url: '${PUBLIC:?ask Ann for it}'}\n",
        "hub.yaml:1:19 hub.public_url: PUBLIC: ask Ann for it",
    ),
    "a key of pseudonyms that is none": (
        "hub: {pseudonym_key: canary}\n",
        "hub.yaml:1:22 hub.pseudonym_key: expected 64 hexadecimal digits:"
        " what openssl rand -hex 32 prints, or var/pseudonym-key holds",
    ),
    "an address without http": (
        "hub: {public_url: hub.test}\n",
        "hub.yaml:1:19 hub.public_url: expected an address such as https://hub.example.org",
    ),
    "a store without redis": (
        "hub: {redis_url: 'localhost:6379'}\n",
        "hub.yaml:1:18 hub.redis_url: expected an address such as redis://:password@host:6379/0",
    ),
    "a database of a kind that is not spoken": (
        "hub: {database_url: 'mysql://u:p@h/n'}\n",
        "hub.yaml:1:21 hub.database_url: expected an address such as postgresql://user:password@host:5432/name or"
        " sqlite:///archive.db",
    ),
    "a file for a folder": (
        "hub: {var: hub.yaml}\n",
        "hub.yaml:1:12 hub.var: expected a folder, and there is a file of that name",
    ),
    "a time that is none": (
        "channels:\n  desk: {platform: console, bot: echo, collect_for: 0}\nbots: {echo: {use: echo}}\n",
        "hub.yaml:2:53 channels.desk.collect_for: expected more than 0, not '0'",
    ),
    "a port out of range": ("hub: {port: 70000}\n", "hub.yaml:1:13 hub.port: expected 65535 or less, not '70000'"),
    "a word for a switch": (
        "channels:\n  desk: {platform: console, bot: echo, enabled: atuo}\nbots: {echo: {use: echo}}\n",
        "hub.yaml:2:49 channels.desk.enabled: expected 'auto', true or false, not 'atuo', did you mean 'auto'?",
    ),
    "a misspelt choice": (
        "channels:\n  desk: {platform: telegram, bot: echo, mode: pooling}\nbots: {echo: {use: echo}}\n",
        "hub.yaml:2:47 channels.desk.mode: expected 'polling' or 'webhook', not 'pooling', did you mean 'polling'?",
    ),
    "a list for a text": (
        "channels:\n  desk: {platform: console, bot: echo, prompt: [a]}\nbots: {echo: {use: echo}}\n",
        "hub.yaml:2:48 channels.desk.prompt: expected text, not a list",
    ),
    "a text for a list": (
        "bots: {help: {use: knowledge, knowledge: guide}}\n",
        "hub.yaml:1:42 bots.help.knowledge: expected a list, not 'guide'",
    ),
    "nothing in a list": (
        "bots:\n  help:\n    use: knowledge\n    knowledge:\n    - guide\n    -\n",
        "hub.yaml:6:6 bots.help.knowledge[1]: expected text, not nothing",
    ),
    "no platform": (
        "channels:\n  desk: {bot: echo}\nbots: {echo: {use: echo}}\n",
        "hub.yaml:2:3 channels.desk.platform: is required, and must be one of console, telegram",
    ),
    "the word platform misspelt": (
        "channels:\n  desk: {platfrom: console, bot: echo}\nbots: {echo: {use: echo}}\n",
        "hub.yaml:2:10 channels.desk.platfrom: there is no such key, did you mean 'platform'?",
    ),
    "a key that is like no other": (
        "bots: {echo: {use: echo, zzz: 1}}\n",
        "hub.yaml:1:26 bots.echo.zzz: there is no such key; there are use",
    ),
    "a name with a space": (
        "bots: {my bot: {use: echo}}\n",
        "hub.yaml:1:8 bots.my bot: a name is made of letters, digits, - and _, at most 64",
    ),
    "a fallback that is not there": (
        "models:\n  main: {name: m, fallback: [bakup]}\n  backup: {name: b}\n",
        "hub.yaml:2:30 models.main.fallback[0]: 'bakup' is none of backup, main, did you mean 'backup'?",
    ),
    "a wrong key deep in a model": (
        "models:\n  main: {name: m, limits: {first_tokn: 3}}\n",
        "hub.yaml:2:28 models.main.limits.first_tokn: there is no such key, did you mean 'first_token'?",
    ),
    "a bot where there are none": (
        "channels:\n  desk: {platform: console}\n",
        "hub.yaml:2:3 channels.desk.bot: there is no bot 'assistant'",
    ),
}


DANGLING = {
    "a model": (
        "    model: mian\n",
        "hub.yaml:9:12 bots.assistant.model: 'mian' is none of main, small, did you mean 'main'?",
    ),
    "one of a list": (
        "    personas: [ada, aad]\n",
        "hub.yaml:9:21 bots.assistant.personas[1]: 'aad' is none of ada, did you mean 'ada'?",
    ),
    "one of a list, line by line": (
        "    personas:\n      - ada\n      - zzz\n",
        "hub.yaml:11:9 bots.assistant.personas[1]: 'zzz' is none of ada",
    ),
    "a key within a key": (
        "    context: {summary_model: smal}\n",
        "hub.yaml:9:30 bots.assistant.context.summary_model: 'smal' is none of main, small, did you mean 'small'?",
    ),
    "a key within a key, line by line": (
        "    context:\n      summary_model: zzz\n",
        "hub.yaml:10:22 bots.assistant.context.summary_model: 'zzz' is none of main, small",
    ),
}


@pytest.mark.parametrize(("text", "fault"), DANGLING.values(), ids=DANGLING)
def test_a_name_of_what_is_not_there_is_told_with_its_place(folder, text, fault):
    assert folder.faults(WITH_MODELS + text) == [fault]


@pytest.mark.parametrize("text", ["", "    context: {summary_model: ''}\n", "    context: {}\n", "    personas: []\n"])
def test_a_name_that_is_not_given_names_nothing(folder, text):
    assert folder.load(WITH_MODELS + text).bots["assistant"].context.summary_model == ""


def test_names_that_are_there_are_taken(folder):
    bot = folder.load(WITH_MODELS + "    personas: [ada]\n    context: {summary_model: small}\n").bots["assistant"]
    assert (bot.personas, bot.context.summary_model) == (["ada"], "small")


def test_a_default_that_is_not_there_is_told_where_the_bot_stands(folder):
    faults = folder.faults("models: {}\npersonalities: {ada: {name: A, role: r}}\nbots: {b: {use: assistant}}\n")
    assert faults == ["hub.yaml:3:8 bots.b.model: there is no model 'main'"]


def test_what_is_no_name_at_all_is_told_once(folder):
    assert folder.faults(WITH_MODELS + "    personas: [[ada]]\n    context: [small]\n") == [
        "hub.yaml:9:16 bots.assistant.personas[0]: expected text, not a list",
        "hub.yaml:10:14 bots.assistant.context: expected keys with values, not a list",
    ]


@pytest.mark.parametrize(("text", "fault"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_place(folder, text, fault):
    assert folder.faults(text) == [fault]


def test_bots_that_could_not_be_read_are_not_also_missed(folder, small):
    faults = folder.faults(small.replace("\n  assistant: {use: echo}", " !include none.yaml"))
    assert faults == ["hub.yaml:6:7 bots: there is no file none.yaml"]


def test_a_missing_file_is_told(folder):
    assert folder.faults() == ["hub.yaml:1:1 there is no file hub.yaml"]


def test_a_folder_in_the_place_of_the_file_is_told(folder):
    folder.path.mkdir()
    assert folder.faults() == ["hub.yaml:1:1 hub.yaml cannot be read: Is a directory"]


def test_text_in_another_encoding_is_told(folder):
    folder.path.write_bytes("# caf\n# café\n".encode("latin-1"))
    assert folder.faults() == ["hub.yaml:2:1 is not UTF-8 text: save the file as UTF-8"]


def test_a_control_character_is_told(folder):
    assert folder.faults("hub:\n  var: a\x00b\n") == ["hub.yaml:2:9 the character U+0000 is not allowed in YAML"]


def test_a_wrong_value_from_the_environment_is_named_but_not_shown(folder, small):
    [fault] = folder.faults(small, PORT="fake-secret")
    assert fault == "hub.yaml:1:1 hub.port: expected a whole number, not what ${PORT} holds"
    [fault] = folder.faults("hub: {port: '${P}'}\n" + small, P="fake-secret")
    assert fault == "hub.yaml:1:13 hub.port: expected a whole number, not what ${P} holds"


def test_a_secret_of_the_wrong_type_is_not_shown(folder, small):
    assert folder.faults(small.replace("1:fake", "[fake-secret]")) == [
        "hub.yaml:5:16 channels.desk.bot_token: expected text, not a list"
    ]


def test_an_env_file_that_cannot_be_read_is_a_fault_and_no_crash(tmp_path):
    (tmp_path / ".env").write_bytes(b"A=caf\xe9\n")
    with pytest.raises(ConfigError) as caught:
        environment(tmp_path, {})
    assert ".env: cannot be read" in caught.value.faults[0]


def test_what_is_no_variable_is_not_repeated_for_it_may_be_a_secret(folder):
    (fault,) = folder.faults("hub: {public_url: '${xoxb-111-secret}'}\n")
    assert "xoxb" not in fault
