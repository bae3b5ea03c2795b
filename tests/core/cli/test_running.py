import json
import subprocess
import sys

import pytest
import structlog

from core.cli.running import Presence, Running
from core.errors import HubError
from tests.core.applications import configuration


@pytest.fixture
def config(store, tmp_path):
    return configuration(store, tmp_path, desk="a")


def test_the_running_hub_is_found_until_it_ends(config):
    presence = Presence(config.hub.var)
    presence.note(config)
    assert Running.find(config.hub.var).changes(config) == {"desk": "keep"}
    presence.forget()
    with pytest.raises(HubError, match="no hub runs here"):
        Running.find(config.hub.var)


def test_a_process_that_only_has_the_number_of_a_dead_hub_is_left_alone(config):
    presence = Presence(config.hub.var)
    presence.note(config)
    facts = (config.hub.var / "running.json").read_text()
    presence.forget()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        stale = {**json.loads(facts), "pid": other.pid}
        (config.hub.var / "running.json").write_text(json.dumps(stale))
        with pytest.raises(HubError):
            Running.find(config.hub.var)


def test_a_second_hub_leaves_the_facts_of_the_first(config, store, tmp_path):
    first, second = Presence(config.hub.var), Presence(config.hub.var)
    first.note(config)
    with structlog.testing.capture_logs() as logs:
        second.note(configuration(store, tmp_path, shop="a"))
    second.forget()
    assert set(Running.find(config.hub.var).channels) == {"desk"}
    assert "another hub" in logs[0]["event"]
    first.forget()
