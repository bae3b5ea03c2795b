import sys

from core.context.exact import counter
from tests.core.context.texts import MEASURED_BY
from tests.core.context.vocabularies import tokens


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
