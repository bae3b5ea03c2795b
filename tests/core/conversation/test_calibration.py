import itertools
import random

import hypothesis
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.conversation.calibration import MOST_MODELS, Calibration, Calibrations
from core.conversation.tokens import CLASSES, measure_prompt
from tests.core.conversation.texts import LEARNT_FROM, MEASURED_BY
from tests.core.conversation.vocabularies import NAMES, billed, tokens

SYSTEM = "You are the assistant of a furniture shop. Answer briefly, in the user's language, and never guess a price."


def conversations(seed, rounds=5):
    """Prompts in mixed languages, two messages under a system prompt; every text comes up once a round."""
    chance = random.Random(seed)
    for _ in range(rounds):
        texts = list(itertools.chain(*LEARNT_FROM.values()))
        chance.shuffle(texts)
        yield from ([SYSTEM, *pair] for pair in itertools.zip_longest(texts[::2], texts[1::2], fillvalue="ok"))


def learnt(vocabulary, seed=7):
    """What is known after such conversations; none of the measured texts is among them."""
    known = Calibration()
    for prompt in conversations(seed):
        known = known.observe(measure_prompt(prompt), billed(vocabulary, prompt))
    return known


@pytest.fixture(scope="module", params=NAMES)
def vocabulary(request):
    return request.param


@pytest.fixture(scope="module")
def known(vocabulary):
    return learnt(vocabulary)


@pytest.mark.parametrize("kind", ["English", "German", "Chinese", "Arabic", "code", "JSON", "emoji"])
def test_an_estimate_is_within_15_percent_of_the_real_tokenizer(kind, vocabulary, known):
    text = MEASURED_BY[kind]
    assert known.count(text) == pytest.approx(tokens(vocabulary, text), rel=0.15)


@pytest.mark.parametrize("kind", ["Spanish", "French", "Portuguese", "Russian", "Hindi", "Japanese"])
def test_one_text_of_a_language_is_enough_to_come_within_20_percent(kind, vocabulary, known):
    text = MEASURED_BY[kind]
    assert known.count(text) == pytest.approx(tokens(vocabulary, text), rel=0.2)


def test_without_calibration_no_text_of_the_common_vocabulary_is_off_by_more_than_a_fifth():
    for text in MEASURED_BY.values():
        assert Calibration().count(text) == pytest.approx(tokens("o200k_base", text), rel=0.2)


def test_a_whole_prompt_is_known_better_than_any_text_in_it(vocabulary, known):
    prompt = [SYSTEM, *MEASURED_BY.values()]
    assert known.tokens(measure_prompt(prompt)) == pytest.approx(billed(vocabulary, prompt), rel=0.06)


def test_a_model_that_changes_behind_its_name_is_learnt_anew(known):
    prompts = [[SYSTEM, text] for text in itertools.chain(*LEARNT_FROM.values())]
    for prompt in prompts * 4:
        known = known.observe(measure_prompt(prompt), billed("cl100k_base", prompt))
    text = MEASURED_BY["Arabic"]
    assert known.count(text) == pytest.approx(tokens("cl100k_base", text), rel=0.15)


def test_a_vocabulary_unlike_any_other_is_learnt_too():
    def halves_of_bytes(texts):
        return sum(len(text.encode()) / 2 for text in texts)

    known = Calibration()
    for prompt in conversations(seed=1):
        known = known.observe(measure_prompt(prompt), halves_of_bytes(prompt))
    found = sum(map(known.count, MEASURED_BY.values()))
    assert found == pytest.approx(halves_of_bytes(MEASURED_BY.values()), rel=0.1)


@pytest.mark.parametrize("reported", [0, -5, float("nan"), float("inf"), 1, 10**9])
def test_a_report_that_cannot_be_about_the_prompt_changes_nothing(reported, known):
    assert known.observe(measure_prompt([SYSTEM, MEASURED_BY["English"]]), reported) == known


def test_one_odd_report_does_not_undo_what_was_learnt(known):
    prompt = [SYSTEM, LEARNT_FROM["Chinese"][0]]
    odd = known.observe(measure_prompt(prompt), 4 * known.tokens(measure_prompt(prompt)))
    assert odd.count(MEASURED_BY["Chinese"]) == pytest.approx(known.count(MEASURED_BY["Chinese"]), rel=0.1)


def test_nothing_is_learnt_from_an_empty_prompt():
    assert Calibration().observe(measure_prompt([]), 3) == Calibration()


def test_what_is_stored_is_read_back(known):
    stored = Calibrations({"served": known}, {"default": "served"}).encode()
    assert Calibrations.decode(stored).of("default") == known
    assert known.is_settled


reports = st.lists(st.tuples(st.text(max_size=60), st.floats(0.01, 1e6)), max_size=30)


@hypothesis.settings(deadline=None)
@given(reports)
def test_any_reports_leave_a_calibration_that_can_be_stored(reports):
    known = Calibration()
    for text, reported in reports:
        known = known.observe(measure_prompt([text]), reported)
    stored = Calibrations({"served": known}, {"default": "served"}).encode()
    assert Calibrations.decode(stored).of("default") == known
    assert 20 <= known.count("word " * 100) <= 600


garbage = [
    None,
    b"",
    b"{",
    b"\xff",
    "[]",
    *(
        msgspec.json.encode({"known": {"served": broken}, "answering": {"default": "served"}})
        for broken in (
            {"factors": [1.0]},
            {"factors": [1e300] * len(CLASSES)},
            {"variances": [-1.0] * len(CLASSES)},
        )
    ),
]


@pytest.mark.parametrize("stored", garbage)
def test_garbage_in_the_store_is_a_fresh_start(stored):
    assert Calibrations.decode(stored).of("default") == Calibration()


def test_two_bots_of_one_model_learn_together_and_a_fallback_counts_as_itself():
    known = Calibrations()
    units = measure_prompt([SYSTEM])
    known.learn("default", "served", units, 2 * Calibration().tokens(units))
    known.learn("small", "served", units, 2 * Calibration().tokens(units))
    assert known.of("default") == known.of("small") != Calibration()
    known.learn("default", "stand-in", units, Calibration().tokens(units))
    assert known.of("default").seen == 1
    assert known.of("small").seen == 2


def test_of_a_model_that_is_well_known_one_report_in_ten_will_do(known):
    assert all(Calibrations().wants("default") for _ in range(20))
    settled = Calibrations({"served": known}, {"default": "served"})
    assert [settled.wants("default") for _ in range(20)].count(True) == 2


def test_a_server_that_makes_up_a_name_each_time_fills_nothing():
    known = Calibrations()
    for n in range(MOST_MODELS + 10):
        known.learn("default", f"served {n}", measure_prompt([SYSTEM]), 30.0)
    assert len(known.encode()) < 400 * (MOST_MODELS + 1)
