import sys

import pytest

from core.conversation.calibration import Calibrations
from core.conversation.exact import counter, counts
from core.conversation.tokens import estimate, measure_prompt
from core.errors import ConfigError
from tests.core.conversation.texts import MEASURED_BY
from tests.core.conversation.vocabularies import tokens


def test_a_model_whose_vocabulary_is_known_is_counted_exactly():
    count = counter("gpt-4o-mini-2024-07-18")
    for text in MEASURED_BY.values():
        assert count(text) == tokens("o200k_base", text)


def test_special_tokens_and_broken_characters_are_plain_text():
    assert counter("gpt-4o-mini")("<|endoftext|>") > 1
    assert counter("gpt-4o-mini")("\ud800") >= 1


def test_another_model_and_a_hub_without_the_package_go_by_estimates(monkeypatch):
    assert counter("some-model") is None
    assert counter("gpt2") is None
    monkeypatch.setitem(sys.modules, "bpe_openai", None)
    assert counter("gpt-4o") is None
    counter.cache_clear()


TEXT = "Straßenverkehrsordnung, 你好, naïve façade"
KNOWN, UNKNOWN = ("main", "gpt-4o-mini"), ("own", "llama-of-mine")


@pytest.fixture
def without_package(monkeypatch):
    counter.cache_clear()
    monkeypatch.setitem(sys.modules, "bpe_openai", None)
    yield
    counter.cache_clear()


@pytest.mark.parametrize("counting", ["auto", "exact"])
def test_a_model_that_is_known_is_counted_exactly(counting):
    assert counts(Calibrations(), counting, [KNOWN]).of("main")(TEXT) == tokens("o200k_base", TEXT)


@pytest.mark.parametrize(("counting", "model"), [("estimate", KNOWN), ("auto", UNKNOWN)])
def test_all_else_is_estimated(counting, model):
    assert counts(Calibrations(), counting, [model]).of(model[0])(TEXT) == estimate(TEXT)


def test_without_the_package_auto_estimates_and_exact_says_what_to_install(without_package):
    assert counts(Calibrations(), "auto", [KNOWN]).of("main")(TEXT) == estimate(TEXT)
    with pytest.raises(
        ConfigError, match=r"context.count: exact needs .* uv pip install --python .venv/bin/python 'bpe-openai"
    ):
        counts(Calibrations(), "exact", [KNOWN])


def test_exact_counts_of_an_unknown_model_are_refused():
    with pytest.raises(ConfigError, match="the vocabulary of 'llama-of-mine' is not known; use auto"):
        counts(Calibrations(), "exact", [KNOWN, UNKNOWN])


def test_while_another_model_stands_in_its_calibration_counts():
    calibrations = Calibrations()
    chosen = counts(calibrations, "auto", [KNOWN])
    calibrations.learn("main", "llama-of-mine", measure_prompt([TEXT]), 90)
    assert chosen.of("main")(TEXT) == calibrations.of("main").count(TEXT)
    calibrations.learn("main", "gpt-4o-mini-2024-07-18", measure_prompt([TEXT]), 90)
    assert chosen.of("main")(TEXT) == tokens("o200k_base", TEXT)


def test_a_text_is_counted_once_however_often_it_comes_again(monkeypatch):
    package = pytest.importorskip("bpe_openai")
    asked = []

    class Encoding:
        def encode_ordinary(self, text):
            asked.append(text)
            return [0] * len(text)

    counter.cache_clear()
    monkeypatch.setattr(package, "encoding_for_model", lambda name: Encoding())
    count = counter("gpt-4o")
    assert [count("abc"), count("abc"), count("x" * 5000), count("x" * 5000)] == [3, 3, 5000, 5000]
    assert [len(text) for text in asked] == [3, 5000, 5000]
    counter.cache_clear()
