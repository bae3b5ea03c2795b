import json

import pytest
import structlog
from pydantic import SecretStr

from core.pseudonym import Pseudonyms, key

NONE = SecretStr("")
NAMES = Pseudonyms(b"a key for tests")


def test_a_folder_keeps_its_key_for_itself(tmp_path):
    own = key(tmp_path / "var", NONE)
    assert own == key(tmp_path / "var", NONE) != key(tmp_path / "other", NONE)
    assert (tmp_path / "var" / "pseudonym-key").stat().st_mode & 0o077 == 0


def test_a_key_that_is_given_goes_before_that_of_the_folder_and_leaves_nothing_there(tmp_path):
    given = SecretStr("Ab" * 32)
    assert key(tmp_path / "var", given) == key(tmp_path / "other", given) == b"\xab" * 32
    assert not list(tmp_path.iterdir())


def test_the_key_of_a_folder_may_be_given_to_others(tmp_path):
    own = key(tmp_path / "var", NONE)
    assert key(tmp_path / "other", SecretStr((tmp_path / "var" / "pseudonym-key").read_text().strip())) == own


def test_a_name_has_the_same_pseudonym_under_the_same_key_only():
    assert NAMES.of("p:ann") == Pseudonyms(b"a key for tests").of("p:ann")
    assert (
        len({NAMES.of("p:ann"), NAMES.of("p:ben"), Pseudonyms(b"another").of("p:ann"), Pseudonyms().of("p:ann")}) == 4
    )


def test_a_log_line_names_the_channel_and_nobody():
    line = NAMES(None, "info", {"event": "hi", "conversation": "desk/+15550100", "account": "p:+15550100", "count": 3})
    assert line == {
        "event": "hi",
        "conversation": f"desk/{NAMES.of('desk/+15550100')}",
        "account": NAMES.of("p:+15550100"),
        "count": 3,
    }


@pytest.mark.parametrize("field", ["event", "reason", "error"])
def test_a_conversation_is_hidden_wherever_it_stands_in_the_line(field):
    line = NAMES(None, "info", {field: "stuck in desk/+15550100 again", "conversation": "desk/+15550100"})
    assert "15550100" not in json.dumps(line)
    assert NAMES.of("desk/+15550100") in line[field]


def test_a_line_without_names_stays_as_it_is():
    line = {"event": "hello", "conversation": "", "account": None}
    assert NAMES(None, "info", dict(line)) == line


def test_a_traceback_is_cleared_as_well():
    try:
        raise ValueError("desk/+15550100 was taken over")
    except ValueError:
        line = structlog.processors.format_exc_info(
            None, "error", {"event": "failed", "exc_info": True, "conversation": "desk/+15550100"}
        )
    assert "15550100" in line["exception"]
    assert "15550100" not in json.dumps(NAMES(None, "error", line))
