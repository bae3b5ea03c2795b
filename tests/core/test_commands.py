"""The hub's commands where only one of them can be typed."""

import pytest

from core.commands import short


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("help", ("help", "")),
        (" Stop ", ("stop", "")),
        ("usage", ("usage", "")),
        ("link", ("link", "")),
        ("link ABCD2345", ("link", "ABCD2345")),
        ("language deutsch", ("language", "deutsch")),
        ("help me with my bill", ("", "")),
        ("language learning is hard", ("", "")),
        ("remember the milk", ("", "")),
        ("stop the press", ("", "")),
        ("what is a link?", ("", "")),
        ("", ("", "")),
    ],
)
def test_a_command_behind_ai_is_told_from_a_question(text, command):
    assert short(text) == command
