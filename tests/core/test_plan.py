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


SMART = {"plain": "keep", "smart": "restart"}


def read(tmp_path, text):
    (tmp_path / "hub.yaml").write_text(textwrap.dedent(text))
    return composition.load(tmp_path / "hub.yaml")


def edit(tmp_path, text, was, becomes):
    return steps(digests(read(tmp_path, text)), digests(read(tmp_path, text.replace(was, becomes))))


def after(tmp_path, was, becomes):
    return edit(tmp_path, TEXT, was, becomes)


def test_an_edit_that_says_the_same_touches_nothing(tmp_path):
    assert after(tmp_path, "bot: echo}", "bot: echo, enabled: true}") == {"plain": "keep", "smart": "keep"}


def test_a_model_or_personality_touches_the_channels_of_bots_that_use_such(tmp_path):
    assert after(tmp_path, "name: m,", "name: n,") == {"plain": "keep", "smart": "restart"}
    assert after(tmp_path, "a helper", "a friend") == {"plain": "keep", "smart": "restart"}


def test_a_secret_of_a_program_with_tools_touches_its_bot(tmp_path):
    server = "personality: ada, mcp: {shop: {command: [shop], env: {TOKEN: fake-one}}}}"
    assert edit(tmp_path, TEXT.replace("personality: ada}", server), "fake-one", "fake-two") == SMART
    server = "personality: ada, mcp: {desk: {url: 'http://desk.test', headers: {Authorization: fake-one}}}}"
    assert edit(tmp_path, TEXT.replace("personality: ada}", server), "fake-one", "fake-two") == SMART


def test_an_edit_of_its_tools_touches_the_bot(tmp_path):
    (tmp_path / "mine.py").write_text("one = 1")
    text = TEXT.replace("personality: ada}", f"personality: ada, tools_from: [{tmp_path}/mine.py]}}")
    before = digests(read(tmp_path, text))
    assert steps(before, digests(read(tmp_path, text))) == {"plain": "keep", "smart": "keep"}
    (tmp_path / "mine.py").write_text("two = 2")
    assert steps(before, digests(read(tmp_path, text))) == SMART


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
