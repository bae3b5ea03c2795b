import asyncio
import contextlib
import os
import socket
from dataclasses import replace

import pytest
import structlog

from core.application import Application
from core.bot import BotSettings
from core.errors import ConfigError, HubError, StoreError
from core.events import Address, Message
from core.identity import identity
from core.model.models import Models
from core.model.settings import ModelSettings
from core.parts import Extra
from core.supervisor import Pace
from tests.core.applications import Built, channel, configuration
from tests.fakes import ANN, FakeBot

QUICK = Pace(drain_limit=0.01)
MODEL = ModelSettings(base_url="http://127.0.0.1:9/v1", name="none")


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture
def closed(monkeypatch):
    """The models that were closed."""
    found = []
    close = Models.close

    async def noted(self):
        found.append(self)
        await close(self)

    monkeypatch.setattr(Models, "close", noted)
    return found


class Noted(FakeBot):
    stopped = 0

    async def stop(self):
        self.stopped += 1


@contextlib.asynccontextmanager
async def running(config, built, prefix):
    application = Application(config, built.parts, prefix=prefix, pace=QUICK)
    async with application.running():
        await application.supervisor.settled(5)
        yield application


async def test_former_bots_and_models_outlive_the_turns_that_use_them(store, tmp_path, prefix, closed):
    built = Built()
    built.bot_class = Noted
    one = configuration(store, tmp_path, desk="a")
    async with running(one, built, prefix) as application:
        hold = built.bots[0].holds["slow"] = asyncio.Event()
        await application.hub.accept(Message(uid="1", address=Address("desk", "r"), user=ANN, text="slow", direct=True))
        await until(lambda: built.bots[0].turns)
        async with asyncio.timeout(4):
            await application.apply(replace(one, models={"default": MODEL}))
        await asyncio.sleep(0.02)
        assert (len(built.bots), built.bots[0].stopped, closed) == (2, 0, [])
        hold.set()
        await until(lambda: built.bots[0].stopped and closed)


async def test_a_former_bot_is_stopped_only_when_it_looks_back_no_more(store, tmp_path, prefix, closed):
    looking, looked = asyncio.Event(), []

    class LooksBack(Noted):
        async def reflect(self, *_):
            looking.set()
            try:
                await asyncio.Event().wait()
            finally:
                looked.append((self.stopped, len(closed)))

    built = Built()
    built.bot_class = LooksBack
    one = configuration(store, tmp_path, desk="a")
    async with running(one, built, prefix) as application:
        await application.hub.accept(Message(uid="1", address=Address("desk", "r"), user=ANN, text="hi", direct=True))
        await looking.wait()
        await application.apply(replace(one, models={"default": MODEL}))
        await until(lambda: built.bots[0].stopped and closed)
        assert looked == [(0, 0)]


async def test_a_refused_configuration_leaves_no_models_open(store, tmp_path, prefix, closed):
    class Refuses(FakeBot):
        async def start(self):
            raise ConfigError(["bad knowledge"])

    built = Built()
    one = configuration(store, tmp_path, desk="a")
    async with running(one, built, prefix) as application:
        built.bot_class = Refuses
        with pytest.raises(ConfigError) as refused:
            await application.apply(replace(one, models={"default": MODEL}))
        assert refused.value.faults == ["bots.a: bad knowledge"]  # which of them is told
        assert len(closed) == 1
        assert application.supervisor.channels["desk"].adapter is built.adapters[0]


async def test_an_edit_of_a_bots_code_starts_it_anew(store, tmp_path, prefix):
    class WithCode(BotSettings):
        tools_from: list[str] = ["mine.py"]

    built = Built()
    built.bot_class = Noted
    one = replace(configuration(store, tmp_path, desk="a"), bots={"a": WithCode(use="fake")}, code={"mine.py": "1"})
    async with running(one, built, prefix) as application:
        await application.apply(replace(one))
        assert len(built.bots) == 1
        assert await application.apply(replace(one, code={"mine.py": "2"})) == {"desk": "restart"}
        await until(lambda: built.bots[0].stopped)
        assert len(built.bots) == 2


async def test_a_port_that_is_taken_is_told_and_leaves_nothing_open(store, tmp_path, prefix):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        one = configuration(store, tmp_path, desk="a")
        port = other.getsockname()[1]
        before = asyncio.all_tasks()
        with pytest.raises(HubError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with running(replace(one, hub=replace(one.hub, port=port)), Built(), prefix):
                pass
        assert asyncio.all_tasks() == before


async def test_where_the_bot_of_the_playground_goes_another_answers_there(store, tmp_path, prefix):
    built = Built(Extra({"playground": channel("a")}))
    async with running(configuration(store, tmp_path, "a", desk="a"), built, prefix) as application:
        channels = application.supervisor.channels
        await application.apply(configuration(store, tmp_path, "b", desk="b"))
        assert channels["playground"].bot is channels["desk"].bot is built.bots[1]
        await application.apply(configuration(store, tmp_path, "ab", desk="b"))
        assert channels["playground"].settings.bot == "a"
        await application.apply(configuration(store, tmp_path, ""))
        assert not channels


async def test_a_channel_whose_bot_is_not_there_is_refused(store, tmp_path, prefix):
    one = configuration(store, tmp_path, "a", desk="a")
    async with running(one, Built(), prefix) as application:
        with pytest.raises(ConfigError, match="there is no bot 'b'"):
            await application.apply(configuration(store, tmp_path, "a", desk="b"))
        assert application.config is one


async def test_a_bot_that_fails_to_stop_keeps_nothing_else_from_it(store, tmp_path, prefix):
    class Bad(Noted):
        async def stop(self):
            await super().stop()
            raise RuntimeError("bad stop")

    built = Built()
    built.bot_class = Bad
    before = asyncio.all_tasks()
    async with running(configuration(store, tmp_path, "ab", desk="a", shop="b"), built, prefix):
        pass
    assert [bot.stopped for bot in built.bots] == [1, 1]
    assert asyncio.all_tasks() == before


async def test_a_worker_that_dies_ends_the_hub_and_readiness(store, tmp_path, prefix):
    async def die(*_):
        raise ZeroDivisionError("bug")

    async with running(configuration(store, tmp_path, desk="a"), Built(), prefix) as application:
        assert (await application.report())[0]
        with structlog.testing.capture_logs() as logs:
            application.engine.claim = die
            await application.hub.accept(Message(uid="1", address=Address("desk", "r"), user=ANN, text="x"))
            await asyncio.wait_for(application.over.wait(), 5)
        assert "ZeroDivisionError" in application.broken
        assert [line["exc_info"] for line in logs if line["event"] == "a part of the hub broke"]
        assert not (await application.report())[0]


def test_a_folder_keeps_its_name(tmp_path):
    assert identity(tmp_path / "a") == identity(tmp_path / "a")
    assert identity(tmp_path / "a") != identity(tmp_path / "b")
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["worker-id"]


def test_a_worker_is_named_after_folder_and_address(store, tmp_path):
    def name(var, **keys):
        one = configuration(store, tmp_path / var, desk="a")
        return Application(replace(one, hub=replace(one.hub, **keys)), Built().parts)._worker_name()

    assert name("a", port=1) == name("a", port=1)
    others = [name("a", port=2), name("b", port=1), name("a", port=1, host="127.0.0.2"), name("a")]
    assert len({name("a", port=1), *others}) == 5
    assert name("a").endswith(f":{os.getpid()}")


async def test_what_anybody_may_read_names_no_host_user_or_token(store, tmp_path, prefix, monkeypatch):
    async def stats():
        raise StoreError("Error 111 connecting to canary.internal:6379")

    async def start(_):
        raise RuntimeError("404 for https://api.example.org/bot1:canary/getMe")

    monkeypatch.setattr("tests.fakes.FakeAdapter.start", start)
    async with running(configuration(store, tmp_path, desk="a"), Built(), prefix) as application:
        application.feed.trouble = "the archive failed: no password for the user canary"
        monkeypatch.setattr(application.engine, "stats", stats)
        is_ready, facts = await application.report()
        assert not is_ready
        assert "canary" not in str(facts)
        assert facts["channels"]["desk"]["detail"] == "RuntimeError: see the log"
