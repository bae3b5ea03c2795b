import asyncio
import os
import signal
from importlib import import_module
from types import SimpleNamespace

import pytest

from core import log
from core.application import Application
from core.cli.running import Presence
from core.errors import HubError
from tests.core.applications import Built, configuration
from tests.fakes import FakeAdapter, FakeBot

serving = import_module("core.cli.serve")  # the package has a function of this name


@pytest.fixture(autouse=True)
def logs_as_they_are(monkeypatch):
    monkeypatch.setattr(log, "setup", lambda level: log.Redact(()))


async def no_edits():
    await asyncio.Event().wait()
    yield []


def program(built):
    return SimpleNamespace(parts=built.parts, watch=lambda read, config: (no_edits(), lambda: None))


async def test_a_hub_whose_channel_hangs_at_the_start_can_be_stopped(store, tmp_path, capsys):
    class Hangs(FakeAdapter):
        async def start(self):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()

    built = Built()
    built.adapter_class = Hangs
    async with asyncio.timeout(5):
        await serving.serve(program(built), lambda: configuration(store, tmp_path, desk="a"))
    assert "is ready" not in capsys.readouterr().out


async def test_a_hub_that_broke_ends_in_an_error(store, tmp_path, monkeypatch):
    class Breaks(FakeBot):
        async def start(self):
            raise_in_spool.set()

    async def die(self):
        await raise_in_spool.wait()
        raise ZeroDivisionError("bug")

    raise_in_spool = asyncio.Event()
    monkeypatch.setattr("core.application.SpooledInbox.run", die)
    built = Built()
    built.bot_class = Breaks
    async with asyncio.timeout(5):
        with pytest.raises(HubError, match="the spool died of ZeroDivisionError: bug"):
            await serving.serve(program(built), lambda: configuration(store, tmp_path, desk="a"))


async def test_an_edit_that_fails_in_an_unforeseen_way_does_not_keep_the_next_from_being_taken_over(
    store, tmp_path, prefix
):
    class Bad(FakeBot):
        async def start(self):
            raise OSError("no such\ndevice")

    async def edits():
        built.bot_class = Bad
        yield configuration(store, tmp_path, "b", desk="b")
        rejected.append(application.rejected)
        built.bot_class = FakeBot
        yield configuration(store, tmp_path, shop="a")

    built, rejected = Built(), []
    application = Application(configuration(store, tmp_path, desk="a"), built.parts, prefix=prefix)
    presence = Presence(tmp_path)
    async with application.running():
        await serving._follow(edits(), application, log.Redact(()), presence)
        assert rejected == [["OSError: no such device"]]
        assert (set(application.supervisor.channels), application.rejected) == ({"shop"}, [])
    presence.forget()
