"""Documents are read and embedded in the background; whoever asks meanwhile is answered from what is there."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bots._knowledge import library as module
from bots._knowledge.library import Library, Paces
from bots._tools import shipped
from bots.knowledge import Bot, DocumentsSettings, KnowledgeSettings
from core.bot import Resources
from core.errors import ConfigError
from core.language.sentences import Sentence
from core.limits.errors import Refused
from core.limits.purse import Purse
from core.model.embeddings import OpenAIEmbedder
from core.model.port import ToolCall
from core.model.settings import ModelLimits, ModelSettings
from core.model.tools import RunContext
from simulators.openai import OpenAISimulator
from tests.bots.documents import pdf

FRUITS = {"apples.md": "# Apples\n\nRed and round.\n", "pears.md": "# Pears\n\nGreen and sweet.\n"}
PACES = Paces(look=0, share=0, wait=30, start=30, retry=0.01)


@pytest.fixture
async def server():
    async with OpenAISimulator() as server:
        yield server


@pytest.fixture
async def embedder(server):
    clock = [0.0]

    def later():
        clock[0] += 1000  # no server rests longer than that
        return clock[0]

    settings = ModelSettings(
        base_url=server.url, api_key=server.api_key, name="embed", limits=ModelLimits(connect=2, total=5)
    )
    async with OpenAIEmbedder(settings, now=later, patience=30) as embedder:
        yield embedder


@pytest.fixture
async def opened(tmp_path):
    """Makes libraries of the fruits."""
    for name, text in FRUITS.items():
        (tmp_path / name).write_text(text)
    made = []

    def make(embedder=None, paces=PACES):
        library = Library([str(tmp_path)], embedder, paces)
        made.append(library)
        return library

    yield make
    for library in made:
        await library.stop()


async def labels(library, question):
    _, hits = await library.search(question)
    return [hit.section.label for hit in hits]


def embedded(server):
    return [text for exchange in server.exchanges for text in exchange.texts]


async def test_passages_are_embedded_once_however_often_files_are_touched(server, embedder, opened, tmp_path):
    library = opened(embedder)
    await library.start()
    await library.settled()
    assert sorted(embedded(server)) == ["Apples\n\nRed and round.", "Pears\n\nGreen and sweet."]
    (tmp_path / "apples.md").write_text(FRUITS["apples.md"] + "\n## Price\n\nTwo coins.\n")
    await library.settled()
    again = opened(embedder)
    await again.start()
    await again.settled()
    assert embedded(server)[2:] == ["Apples › Price\n\nTwo coins."]


async def test_what_shares_no_word_is_found_by_its_meaning(server, embedder, opened):
    library = opened(embedder)
    await library.start()
    assert await labels(library, "appleseeds") == []
    await library.settled()
    assert (await labels(library, "appleseeds"))[0] == "Apples"  # alike to the simulated embeddings


async def test_where_no_budget_covers_embeddings_words_alone_answer(server, opened):
    settings = ModelSettings(base_url=server.url, api_key=server.api_key, name="embed", price_input=1)

    async def take(total):
        return Refused("budget_per_user", Sentence.BUDGET, 60, True)

    async with OpenAIEmbedder(settings, patience=30) as embedder:
        library = opened(embedder)
        await library.start()
        await library.settled()
        asked = len(server.exchanges)
        _, (hit, *_) = await library.search("pears", Purse(0, take))
        assert hit.section.label == "Pears"
        assert len(server.exchanges) == asked


async def test_a_search_by_a_tool_is_paid_for_like_one_before_the_answer(server, opened, tmp_path):
    opened()
    model = ModelSettings(base_url=server.url, api_key=server.api_key, name="embed", price_input=1000)
    async with OpenAIEmbedder(model, patience=30) as embedder:
        bot = Bot(
            KnowledgeSettings(use="knowledge", knowledge=[str(tmp_path)], embeddings="e"),
            Resources(embedders={"e": embedder}),
        )
        await bot.start()
        await bot.library.settled()
        purse = Purse()
        call = ToolCall("1", "search_documents", '{"question": "sweet pears"}')
        assert "Green" in (await shipped(bot.find).run(call, context=RunContext(purse=purse))).text
        await bot.stop()
    assert [used.prompt_tokens for used in purse.usage] == [2]


async def test_while_embeddings_are_away_words_alone_answer_with_one_warning_and_then_it_catches_up(
    server, embedder, opened
):
    server.misbehave("away", 4)
    library = opened(embedder)
    with capture_logs() as logs:
        await library.start()
        assert [await labels(library, "pears") for _ in range(5)] == [["Pears"]] * 5
        async with asyncio.timeout(10):
            while not any(log["event"] == "embeddings are back" for log in logs):
                await asyncio.sleep(0.005)
    assert [log["event"] for log in logs if log["log_level"] == "warning"] == [
        "embeddings are away: documents are searched by their words alone"
    ]
    await library.settled()
    assert len(embedded(server)) >= 2
    assert (await labels(library, "appleseeds"))[0] == "Apples"


async def test_a_server_that_hangs_holds_up_no_question(server, opened):
    settings = ModelSettings(base_url=server.url, api_key=server.api_key, name="embed")
    async with OpenAIEmbedder(settings, patience=0.02) as embedder:
        library = opened(embedder)
        await library.start()
        await library.settled()
        server.misbehave("hang", 1)
        assert await labels(library, "pears") == ["Pears"]
        asked = len(server.exchanges)
        assert await labels(library, "green pears") == ["Pears"]
        assert len(server.exchanges) == asked  # and the next is not even tried with it


async def test_questions_are_answered_while_documents_are_read(opened, tmp_path, monkeypatch):
    library = opened(paces=Paces(look=0, share=0, wait=30, start=0.01))
    going_on = asyncio.Event()
    read_apart = module.read_apart

    async def held(files, **limits):
        await going_on.wait()
        async for each in read_apart(files, **limits):
            yield each

    monkeypatch.setattr(module, "read_apart", held)
    (tmp_path / "plums.pdf").write_bytes(pdf("Plums are blue."))
    await library.start()
    assert await labels(library, "pears") == ["Pears"]
    assert await labels(library, "plums") == []
    going_on.set()
    await library.settled()
    assert await labels(library, "plums") == ["p. 1"]


async def test_a_question_waits_for_no_slow_disk(opened, monkeypatch):
    library = opened(paces=Paces(look=0, share=0, wait=0.01, start=30))
    await library.start()
    going_on = asyncio.Event()

    async def slow():
        await going_on.wait()

    monkeypatch.setattr(library, "_look", slow)
    assert await labels(library, "pears") == ["Pears"]
    going_on.set()


async def test_looking_costs_one_stat_for_each_file_and_reads_nothing_again(opened, monkeypatch):
    library = opened()
    await library.start()

    def never(*_):
        raise AssertionError("a file was read again")

    monkeypatch.setattr(module, "result_of", never)
    monkeypatch.setattr(module, "Index", never)
    before = library.index
    await library.settled()
    assert library.index is before


async def test_between_two_looks_the_disk_is_left_alone(opened, monkeypatch):
    library = opened(paces=Paces(look=3600))
    await library.start()
    monkeypatch.setattr(module.files, "look", lambda roots: pytest.fail("looked again"))
    assert await labels(library, "pears") == ["Pears"]


async def test_what_goes_on_ends_when_it_is_stopped(server, embedder, opened):
    server.misbehave("hang", 1)
    library = opened(embedder)
    await library.start()
    await server.request(1)
    await library.stop()
    assert not library._tasks
    assert await labels(library, "pears") == ["Pears"]


async def test_a_bot_without_its_embeddings_key_answers_by_words(tmp_path):
    (tmp_path / "pears.md").write_text(FRUITS["pears.md"])
    with capture_logs() as logs:
        bot = Bot(KnowledgeSettings(use="knowledge", knowledge=[str(tmp_path)], embeddings="vectors"))
    await bot.start()
    assert (await bot.find("pears"))[0][1] == "pears.md"
    assert logs[0]["model"] == "vectors"
    await bot.stop()


def test_an_address_of_documents_must_be_one():
    with pytest.raises(ValueError, match="expected an address such as https://"):
        DocumentsSettings(use="x", sources={"knowledge/": "docs.example.org"})


async def test_a_path_that_is_not_there_is_told_at_the_start():
    with pytest.raises(ConfigError, match="nowhere"):
        await Library([str(Path("nowhere"))]).start()
