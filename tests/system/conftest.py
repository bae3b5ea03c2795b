import signal

import pytest

from tests.system.processes import HubProcess


@pytest.fixture
async def hub_process(tmp_path):
    """Makes hubs on channels; each is stopped at the end, and its store with it."""
    made = []

    def make(channels, **keys):
        home = tmp_path / f"hub{len(made)}"
        home.mkdir()
        made.append(HubProcess(home, channels, **keys))
        return made[-1]

    yield make
    for hub in made:
        if hub.process is None:
            continue
        if hub.process.returncode not in (None, 0):  # killed: its store lives on until a hub stops it in order
            await hub.start()
        await hub.kill(signal.SIGTERM)
