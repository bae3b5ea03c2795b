"""Embeddings over a real HTTP client and a played provider: whole, in order, and paid for once."""

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from core import metrics
from core.language.sentences import Sentence
from core.limits.errors import OverBudget, Refused
from core.limits.purse import Purse, Usage
from core.model.embedding_client import read
from core.model.embeddings import BATCH, BATCH_CHARACTERS, Embedders, OpenAIEmbedder, batches
from core.model.errors import BadModelKey, ModelError, ModelRefused, ModelThrottled, ModelUnavailable
from core.model.settings import ModelSettings
from core.model.vectors import Vectors
from simulators.openai import OpenAISimulator


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
async def server():
    async with OpenAISimulator() as server:
        yield server


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def embedder(server, clock):
    async with OpenAIEmbedder(settings(server), now=clock, patience=30) as embedder:
        yield embedder


def settings(server, **keys):
    known = {"base_url": server.url, "api_key": server.api_key, "name": "embed", "limits": {"connect": 2, "total": 2}}
    return ModelSettings(**{**known, **keys})


def likeness(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_texts_come_back_as_vectors_of_length_one_in_their_order(embedder):
    vectors = await embedder.documents(["red apples", "green pears"])
    question = await embedder.question("red apple")
    assert [math.isclose(likeness(vector, vector), 1, abs_tol=1e-5) for vector in vectors] == [True, True]
    assert likeness(question, vectors[0]) > likeness(question, vectors[1])


async def test_what_was_asked_before_is_not_asked_again(server, embedder):
    first = await embedder.documents(["a", "b", "a"])
    assert first[0] == first[2]
    assert await embedder.documents(["b", "a"]) == [first[1], first[0]]
    await embedder.documents(["b", "c"])
    assert [exchange.texts for exchange in server.exchanges] == [["a", "b"], ["c"]]


async def test_a_restart_pays_for_nothing_again(server, tmp_path):
    for _ in range(2):
        embedders = Embedders({"e": settings(server), "off": ModelSettings(name="x")}, tmp_path / "var/vectors.sqlite3")
        assert list(embedders.by_name()) == ["e"]
        await embedders.by_name()["e"].documents(["a"])
        await embedders.close()
    assert len(server.exchanges) == 1


async def test_another_model_has_vectors_of_its_own(server, tmp_path):
    vectors = Vectors(tmp_path / "v")
    for name in ("one", "two"):
        async with OpenAIEmbedder(settings(server, name=name), vectors) as embedder:
            await embedder.documents(["a"])
    vectors.close()
    assert [exchange.body["model"] for exchange in server.exchanges] == ["one", "two"]


async def test_questions_are_remembered_but_never_written_down(server, tmp_path):
    embedders = Embedders({"e": settings(server)}, tmp_path / "vectors.sqlite3")
    for _ in range(2):
        await embedders.by_name()["e"].question("what ails me?")
    await embedders.close()
    assert len(server.exchanges) == 1
    assert not list(tmp_path.iterdir())


async def test_whoever_asks_pays_for_the_vector_of_a_question_once(server):
    purse = Purse()
    async with OpenAIEmbedder(settings(server, name="dear", price_input=1000)) as embedder:
        for _ in range(2):
            await embedder.question("three little words", purse)
        await embedder.documents(["nobody pays", "for these"])
    assert purse.usage == [Usage("dear", 3, 0, 0.003)]
    assert purse.spent == 0.003
    assert b'model_tokens_total{kind="prompt",model="dear"} 4.0' in metrics.text()
    assert b'model_cost_total{model="dear"} 0.004' in metrics.text()


async def test_a_question_that_no_money_is_left_for_is_not_embedded_and_nobody_is_told(server):
    told = []

    async def take(total):
        told.append(total)

    async def quietly(total):
        return Refused("budget_per_user", Sentence.BUDGET, 60, True)

    async with OpenAIEmbedder(settings(server, price_input=1000)) as embedder:
        with pytest.raises(OverBudget):
            await embedder.question("a", Purse(0, take, quietly))
    assert not server.exchanges
    assert not told


@pytest.mark.parametrize(("fault", "is_paid"), [("hang", True), ("error", False)])
async def test_a_question_that_was_taken_and_not_answered_is_paid_for(server, fault, is_paid):
    server.misbehave(fault)
    purse = Purse()
    async with OpenAIEmbedder(settings(server, price_input=1000), patience=0.3) as embedder:
        with pytest.raises(ModelUnavailable):
            await embedder.question("three little words", purse)
    assert (purse.spent > 0) == is_paid


async def test_many_texts_are_asked_in_batches(server, embedder):
    vectors = await embedder.documents([f"text {number}" for number in range(150)])
    assert len(vectors) == 150
    assert [len(exchange.texts) for exchange in server.exchanges] == [64, 64, 22]


@given(st.lists(st.text(max_size=30_000).map(lambda text: text * 3), max_size=8))
def test_batches_hold_everything_in_order_and_no_more_than_they_may(texts):
    cut = batches(texts)
    assert [text for batch in cut for text in batch] == texts
    assert all(len(batch) <= BATCH and (len(batch) == 1 or sum(map(len, batch)) <= BATCH_CHARACTERS) for batch in cut)


async def test_a_text_that_is_too_long_for_the_server_is_told_by_its_beginning(server, embedder):
    server.longest_text = 1000
    vectors = await embedder.documents(["short", "word " * 500, "end"])
    assert len(vectors) == 3
    assert max(len(text) for exchange in server.exchanges if exchange.status == 200 for text in exchange.texts) <= 1000


async def test_a_server_that_takes_no_text_at_all_is_not_asked_for_ever(server, embedder):
    server.longest_text = 0
    with pytest.raises(ModelRefused):
        await embedder.documents(["word " * 500])
    assert len(server.exchanges) < 10


async def test_servers_that_send_numbers_are_understood(server, embedder, monkeypatch):
    ask = server._embeddings

    async def as_numbers(request, exchange, fault):
        exchange.body["encoding_format"] = "float"
        return await ask(request, exchange, fault)

    monkeypatch.setattr(server, "_embeddings", as_numbers)
    numbers = await embedder.documents(["red apples"])
    monkeypatch.setattr(server, "_embeddings", ask)
    assert numbers[0] == pytest.approx(await embedder.question("red apples"), abs=1e-6)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("throttle", ModelThrottled),
        ("quota", BadModelKey),
        ("error", ModelUnavailable),
        ("away", ModelUnavailable),
        ("bad key", BadModelKey),
        ("web page", ModelUnavailable),
        ("reset", ModelUnavailable),
        ("cut", ModelUnavailable),
        ("garbage", ModelUnavailable),
        ("bad json", ModelUnavailable),
        ("drip", ModelUnavailable),
    ],
)
async def test_what_goes_wrong_is_told_by_what_to_do_and_the_server_is_left_alone_a_while(
    server, embedder, clock, fault, error
):
    server.misbehave(fault)
    with pytest.raises(error):
        await embedder.documents(["a", "b"])
    with pytest.raises(ModelUnavailable, match="left alone"):
        await embedder.question("a")
    assert len(server.exchanges) == 1
    clock.now += 30
    assert len(await embedder.documents(["a", "b"])) == 2


async def test_it_waits_as_long_as_the_server_asks(server, embedder, clock):
    server.misbehave("throttle", retry_after="5")
    with pytest.raises(ModelThrottled):
        await embedder.question("a")
    clock.now += 5
    assert await embedder.question("a")


async def test_a_batch_that_arrived_is_kept_when_the_next_fails(server, embedder, clock):
    texts = [f"text {number}" for number in range(100)]
    server.faults.append(None)
    server.misbehave("error")
    with pytest.raises(ModelUnavailable):
        await embedder.documents(texts)
    clock.now += 60
    await embedder.documents(texts)
    assert [len(exchange.texts) for exchange in server.exchanges] == [64, 36, 36]


async def test_a_question_is_not_waited_for_longer_than_its_patience(server, clock):
    async with OpenAIEmbedder(settings(server), now=clock, patience=0.02) as embedder:
        await embedder.documents(["a"])
        server.misbehave("hang")
        with pytest.raises(ModelUnavailable, match="within"):
            await embedder.question("a")
        with pytest.raises(ModelUnavailable, match="too slow"):
            await embedder.question("a")
        assert len(await embedder.documents(["a", "b"])) == 2


async def test_once_closed_it_connects_no_more(embedder):
    await embedder.close()
    with pytest.raises(ModelError, match="settings changed"):
        await embedder.question("a")


async def test_a_file_that_cannot_be_used_costs_a_warning_and_no_answer(server, tmp_path):
    (tmp_path / "vectors").write_text("no database, but long enough to look like one that was damaged" * 20)
    with capture_logs() as logs:
        async with OpenAIEmbedder(settings(server), Vectors(tmp_path / "vectors")) as embedder:
            assert await embedder.documents(["a"]) == await embedder.documents(["a"])
    assert [log["event"] for log in logs] == ["embeddings are kept in memory alone"]
    assert len(server.exchanges) == 1


def test_vectors_of_texts_that_are_long_gone_are_let_go(tmp_path):
    clock = Clock()
    for day, texts in ((0, ["old", "used"]), (20, []), (40, [])):
        clock.now = day * 86400.0
        vectors = Vectors(tmp_path / "v", now=clock)
        found = vectors.read("s", ["used"] if day < 40 else ["old", "used"])
        vectors.write("s", {text: array("f", [1.0]) for text in texts})
        vectors.close()
    assert list(found) == ["used"]


@given(st.binary(max_size=300))
def test_no_answer_breaks_the_reader(body):
    with pytest.raises(ModelUnavailable):
        read(body, 1)
