"""Saving the file is enough."""

import asyncio
from itertools import chain, repeat
from pathlib import Path

import pytest

from config.schema import Config
from config.watch import Rejected, Watch
from tests.config.conftest import WITH_MODELS


@pytest.fixture
async def news(folder, small):
    """`await news()` gives what the watch tells next, within two seconds."""
    watch = Watch(folder.load, folder.load(small))
    told = aiter(watch)

    async def news():
        async with asyncio.timeout(2):
            return await anext(told)

    news.watch = watch
    yield news
    await told.aclose()


async def test_a_saved_edit_is_told(news, folder, small):
    folder.path.write_text(small.replace("1:fake", "2:fake"))
    assert (await news()).channels["desk"].bot_token.get_secret_value() == "2:fake"


async def test_an_editor_that_replaces_the_file_is_noticed_every_time(news, folder, small):
    for number in "23":
        Path("hub.yaml.new").write_text(small.replace("1:fake", f"{number}:fake"))
        Path("hub.yaml.new").replace(folder.path)
        assert (await news()).channels["desk"].bot_token.get_secret_value() == f"{number}:fake"


async def test_an_edit_of_code_that_a_bot_names_is_told(folder, tmp_path):
    (tmp_path / "code").mkdir()
    code = tmp_path / "code/mine.py"
    code.write_text("one = 1")
    told = aiter(Watch(folder.load, folder.load(f"{WITH_MODELS}    tools_from: [{code}]\n")))
    async with asyncio.timeout(2):
        found = asyncio.ensure_future(anext(told))
        await asyncio.sleep(0)
        code.write_text("one = 1.0")
        assert (await found).code[str(code)]
    await told.aclose()


async def test_a_bad_edit_is_told_and_its_repair_too(news, folder, small):
    folder.path.write_text(small.replace("echo", "eco"))
    assert await news() == Rejected(
        ("hub.yaml:7:20 bots.assistant.use: 'eco' is none of assistant, echo, knowledge, did you mean 'echo'?",)
    )
    folder.path.write_text(small)
    assert isinstance(await news(), Config)


async def test_a_file_that_goes_away_and_comes_back_is_told(news, folder, small):
    folder.path.unlink()
    assert await news() == Rejected(("hub.yaml:1:1 there is no file hub.yaml",))
    folder.path.write_text(small)
    assert isinstance(await news(), Config)


async def test_what_was_told_before_is_not_told_again(folder, small):
    current, edited = folder.load(small), folder.load(small.replace("1:fake", "2:fake"))
    found = chain([current, current], repeat(edited))
    watch = Watch(lambda: next(found), current)
    told = asyncio.ensure_future(anext(aiter(watch)))
    while not told.done():
        watch.nudge()
        await asyncio.sleep(0)
    assert await told == edited


async def test_an_included_file_in_another_folder_is_watched_from_then_on(news, folder, small):
    Path("more").mkdir()
    Path("more/bots.yaml").write_text("assistant: {use: echo}")
    folder.path.write_text(small.replace("\n  assistant: {use: echo}", " !include more/bots.yaml\nhub: {drain: 1}"))
    assert (await news()).hub.drain == 1
    Path("more/bots.yaml").write_text("assistant: {use: knowledge}")
    assert (await news()).bots["assistant"].use == "knowledge"


async def test_a_nudge_looks_at_what_no_save_shows(folder, small, monkeypatch):
    environ = {"TOKEN": "1:fake"}
    text = small.replace("1:fake", "${TOKEN}")
    watch = Watch(lambda: folder.load(**environ), folder.load(text, **environ))
    told = asyncio.ensure_future(anext(aiter(watch)))
    environ["TOKEN"] = "2:fake"
    watch.nudge()
    assert (await told).channels["desk"].bot_token.get_secret_value() == "2:fake"
