"""YAML means what it says, stays small, and runs nothing."""

from pathlib import Path

import pytest
import yaml as pyyaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import yaml
from config.place import Place


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def read(text, **environ):
        Path("hub.yaml").write_text(text)
        return yaml.read(Path("hub.yaml"), environ)

    return read


def faults(document):
    return [str(fault) for fault in document.faults]


@pytest.mark.parametrize(
    "word", ["no", "on", "yes", "off", "0123", "1_000", "12:30", "+15005550006", "1e3", "2024-01-31", "'true'"]
)
def test_only_true_false_and_null_are_special(read, word):
    assert read(f"a: {word}").value == {"a": word.strip("'")}


def test_true_false_and_null_are_typed(read):
    assert read("[true, False, null, ~, ]").value == [True, False, None, None]


def test_a_key_is_always_text(read):
    assert read("true: 1\n8080: 2\n").value == {"true": "1", "8080": "2"}


def test_every_value_knows_its_place(read):
    spots = read("channels:\n  desk: {bot: echo}\n").spots
    assert spots["channels", "desk", "bot"] == yaml.Spot(Place("hub.yaml", 2, 10), Place("hub.yaml", 2, 15), "echo")


def test_variables_are_filled_in_after_parsing(read):
    assert read("a: ${A}", A="x: [y]\n- !!python/name:os").value == {"a": "x: [y]\n- !!python/name:os"}
    assert read("a: ${A}", A="true").value == {"a": "true"}


def test_all_missing_variables_are_told_at_once(read):
    assert len(read("a: ${A}\nb: ['${B}', '${C:?why}']\n").faults) == 3


def test_an_alias_repeats_what_it_names_and_merged_keys_can_be_overridden(read):
    document = read("base: &base {a: 1, b: 2}\nmore: {b: 3, <<: *base}\nsame: *base\n")
    assert document.value == {"base": {"a": "1", "b": "2"}, "more": {"a": "1", "b": "3"}, "same": {"a": "1", "b": "2"}}
    assert document.spots["more", "b"].value == Place("hub.yaml", 2, 11)


def test_the_earlier_of_two_merged_parents_wins(read):
    assert read("x: &x {a: 1}\ny: &y {a: 2, b: 3}\nz: {<<: [*x, *y]}\n").value["z"] == {"a": "1", "b": "3"}


def test_merging_something_else_is_told(read):
    assert faults(read("a: {<<: b}")) == ["hub.yaml:1:5 a: << takes an alias (*name) of keys with values"]


def test_a_billion_laughs_are_stopped(read):
    lines = ["a0: &a0 [ha, ha]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "aliases (*name) make this larger than 20,000 values" in faults(read("\n".join(lines)))[0]


def test_a_billion_empty_merges_are_stopped(read):
    lines = ["a0: &a0 {}"] + [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    assert "aliases (*name) make this larger than 20,000 values" in faults(read("\n".join(lines)))[0]


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "a: &a {<<: *a}", "[" * 1_000, "{a: " * 1_000])
def test_endless_and_bottomless_values_are_stopped(read, text):
    assert faults(read(text)) == ["hub.yaml:1:1 is nested too deeply, or an alias (*name) holds itself"]


def test_a_huge_file_is_refused(read):
    assert faults(read("#" * 1_000_001)) == ["hub.yaml:1:1 is larger than 1,000,000 bytes"]


@pytest.mark.parametrize("tag", ["!!python/name:os.system", "!!binary", "!!set", "!!omap", "!other", "!!timestamp"])
@pytest.mark.parametrize("value", ["x", "[x]", "{x: y}"])
def test_tags_are_refused(read, tag, value):
    assert [fault.problem for fault in read(f"a: {tag} {value}").faults] == [
        f"{tag} is not allowed: there are only !include and !secret"
    ]


def test_an_included_file_takes_its_place_and_tells_its_own_places(read):
    Path("more").mkdir()
    Path("more/desk.yaml").write_text("bot: !include bot.yaml\nmode: ${MODE}\n")
    Path("more/bot.yaml").write_text("echo")
    document = read("channels:\n  desk: !include more/desk.yaml\n")
    assert document.value == {"channels": {"desk": {"bot": "echo", "mode": ""}}}
    assert faults(document)[0].startswith("more/desk.yaml:2:7 channels.desk.mode: the environment has no MODE")
    assert document.files == [Path("hub.yaml"), Path("more/desk.yaml"), Path("more/bot.yaml")]


def test_a_mistake_in_an_included_file_leaves_the_rest_to_be_checked(read):
    Path("bad.yaml").write_text("a: [\n")
    document = read("x: !include bad.yaml\ny: !include none.yaml\nz: 1\n")
    assert faults(document) == [
        "bad.yaml:2:1 x: is not YAML: expected the node content, but found '<stream end>'",
        "hub.yaml:2:4 y: there is no file none.yaml",
    ]
    assert document.value["z"] == "1"


def test_a_file_that_includes_itself_is_refused(read):
    Path("b.yaml").write_text("!include hub.yaml")
    assert faults(read("a: !include b.yaml")) == ["b.yaml:1:1 a: hub.yaml includes itself"]


def test_one_file_may_be_included_twice(read):
    Path("b.yaml").write_text("1")
    assert read("[!include b.yaml, !include b.yaml]").value == ["1", "1"]


def test_a_secret_comes_as_it_is_written_from_the_file_beside(read):
    Path("secrets.yaml").write_text("pin: 0123\ntoken: ${A}\n")
    assert read("a: !secret pin\nb: !secret token\n", A="x").value == {"a": "0123", "b": "${A}"}


def test_a_misspelt_secret_is_told_without_showing_any(read):
    Path("secrets.yaml").write_text("token: fake-secret\n")
    assert faults(read("a: !secret tokn")) == ["hub.yaml:1:4 a: secrets.yaml has no 'tokn', did you mean 'token'?"]


@pytest.mark.parametrize("text", ["just-a-secret", "[a, b]", "a: {b: fake-secret}"])
def test_secrets_of_another_shape_are_refused(read, text):
    Path("secrets.yaml").write_text(text)
    assert faults(read("a: !secret b")) == ["secrets.yaml:1:1 a: secrets are lines of `name: value`"]


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"])).filter(lambda text: "${" not in text)
KEY = st.text(alphabet="abc<-", min_size=1).filter(lambda key: key != "<<")
PLAIN = st.recursive(
    st.none() | st.booleans() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEY, inner, max_size=4),
    max_leaves=12,
)


@given(value=PLAIN)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_yaml_writes_is_read_back(read, value):
    document = read(pyyaml.safe_dump(value, allow_unicode=True))
    assert (document.value, faults(document)) == (value, [])


@given(text=st.text(alphabet="ab:-[]{}&*!'\"|> \n\t#,?%@`${}<"))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_text_makes_it_fail(read, text):
    document = read(text)
    assert document.faults or document.value is None or document.spots
