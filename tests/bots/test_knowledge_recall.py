"""How well questions find their answer in the shipped guide: by words alone, and with embeddings beside them.

The embeddings are simulated, from the letters of words: they know endings of words but no meaning, so the hybrid figure
shows that the second ranking does no harm, not how much a real model helps."""

from pathlib import Path

import yaml

from bots._knowledge.library import Library
from core.model.embeddings import OpenAIEmbedder
from core.model.settings import ModelSettings
from simulators.openai import OpenAISimulator

GUIDE = str(Path(__file__).parents[2] / "knowledge")
QUESTIONS = yaml.safe_load((Path(__file__).parent / "questions.yaml").read_text())


async def recall(library, questions, most):
    """The share of questions with an answer among the first so many; and those without."""
    missed = []
    for question in questions:
        _, hits = await library.search(question["ask"])
        if not {hit.section.key for hit in hits[:most]} & set(question["find"]):
            missed.append(question["ask"])
    return 1 - len(missed) / len(questions), missed


async def measured(library, how):
    await library.start()
    await library.settled()
    known, foreign = QUESTIONS["known"], QUESTIONS["foreign"]
    first, _ = await recall(library, known, 1)
    fifth, missed = await recall(library, known, 5)
    abroad, missed_abroad = await recall(library, foreign, 5)
    print(f"{how}: recall@1 {first:.0%}, recall@5 {fifth:.0%} of {len(known)}; "
          f"in other languages recall@5 {abroad:.0%} of {len(foreign)}; missed: {missed + missed_abroad}")  # fmt: skip
    await library.stop()
    return first, fifth, abroad


def test_there_are_enough_questions():
    assert len(QUESTIONS["known"]) + len(QUESTIONS["foreign"]) + len(QUESTIONS["unknown"]) >= 40


async def test_words_alone():
    first, fifth, abroad = await measured(Library([GUIDE]), "BM25 alone")
    assert first >= 0.86
    assert fifth >= 0.97
    assert abroad >= 0.9


async def test_words_and_simulated_embeddings():
    async with OpenAISimulator() as server:
        settings = ModelSettings(base_url=server.url, api_key=server.api_key, name="embed")
        async with OpenAIEmbedder(settings, patience=30) as embedder:
            first, fifth, abroad = await measured(Library([GUIDE], embedder), "hybrid, SIMULATED embeddings")
    assert first >= 0.72
    assert fifth >= 0.94
    assert abroad >= 0.9
