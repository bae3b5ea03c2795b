"""What an edit of the configuration touches, and what it leaves alone."""

import textwrap

import composition
from core.plan import digests, steps

TEXT = """
channels:
  plain: {platform: console, bot: echo}
  smart: {platform: console, bot: ada}
bots:
  echo: {use: echo}
  ada: {use: assistant, personality: ada}
models:
  default: {name: m, base_url: "http://127.0.0.1:1/v1"}
personalities:
  ada: {name: Ada, role: a helper}
"""


def after(tmp_path, was, becomes):
    loaded = []
    for text in (TEXT, TEXT.replace(was, becomes)):
        (tmp_path / "hub.yaml").write_text(textwrap.dedent(text))
        loaded.append(digests(composition.load(tmp_path / "hub.yaml")))
    return steps(*loaded)


def test_an_edit_that_says_the_same_touches_nothing(tmp_path):
    assert after(tmp_path, "bot: echo}", "bot: echo, enabled: true}") == {"plain": "keep", "smart": "keep"}


def test_a_model_or_personality_touches_the_channels_of_bots_that_use_such(tmp_path):
    assert after(tmp_path, "name: m,", "name: n,") == {"plain": "keep", "smart": "restart"}
    assert after(tmp_path, "a helper", "a friend") == {"plain": "keep", "smart": "restart"}


def test_turning_off_and_on_is_a_stop_and_a_start(tmp_path):
    assert after(tmp_path, "bot: ada}", "bot: ada, enabled: false}") == {"plain": "keep", "smart": "stop"}
    assert after(tmp_path, "  plain:", "  more: {platform: console, bot: echo}\n  plain:")["more"] == "start"


def test_no_secret_can_be_read_from_a_digest(tmp_path):
    (tmp_path / "hub.yaml").write_text(
        "channels: {t: {platform: telegram, bot: e, bot_token: '1:not-a-real-token'}}\nbots: {e: {use: echo}}"
    )
    (digest,) = digests(composition.load(tmp_path / "hub.yaml")).values()
    assert "not-a-real" not in digest
    assert len(digest) == 32
