import string

import pytest

from core.adapter import CommandSpec
from core.language.catalogue import catalogue, entries, path
from core.language.names import SPOKEN
from core.language.sentences import PLURALS, Sentence, agreed, help_text, say, when

TRANSLATED = sorted(SPOKEN.keys() - {"en"})


def placeholders(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


def translations(language):
    return {message: (plural, said) for message, plural, said in entries(path(language).read_text(encoding="utf-8"))}


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_language_has_every_sentence_with_the_same_placeholders(language):
    found = translations(language)
    assert found.keys() - {""} == {*Sentence, *(one for one, _ in PLURALS)}
    for message in Sentence:
        ((said,), plural) = found[message][1], found[message][0]
        assert placeholders(said) == placeholders(message), message.name
        assert not plural
        assert said.count("`") == message.count("`"), message.name


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_language_has_all_its_plural_forms(language):
    found, count = translations(language), int(translations(language)[""][1][0].split("nplurals=")[1][0])
    for one, many in PLURALS:
        plural, said = found[one]
        assert plural == many
        assert len(said) == count
        assert placeholders(said[-1]) == ["count"]


@pytest.mark.parametrize("language", SPOKEN)
def test_every_sentence_can_be_said_in_every_language(language):
    for sentence in Sentence:
        values = dict.fromkeys(placeholders(sentence), "{x}")
        said = say(sentence, language, **values)
        assert said
        assert said.count("{x}") == len(values)
    for seconds in (0.2, 1, 2, 45, 100, 119, 300, 3600, 7200, 11 * 3600, 200_000, 900_000):
        assert "{" not in when(seconds, language)


def test_a_language_the_hub_does_not_speak_is_answered_in_english():
    for language in ("it", "xx", "", "not a tag"):
        assert say(Sentence.FORGOTTEN, language) == "Forgotten. We start anew."
    assert say(Sentence.FORGOTTEN, "de-CH") == say(Sentence.FORGOTTEN, "de") == "Vergessen. Wir fangen neu an."


@pytest.mark.parametrize(
    ("seconds", "language", "said"),
    [
        (0.2, "en", "in 1 second"),
        (61 * 5, "en", "in 6 minutes"),
        (24 * 3600, "en", "in 24 hours"),
        (60 * 86400, "de", "in 60 Tagen"),
        (21, "ru", "через 21 секунду"),
        (180, "ru", "через 3 минуты"),
        (5 * 3600, "ru", "через 5 часов"),
        (2 * 3600, "ar", "خلال ساعتين"),
        (5 * 3600, "ar", "خلال 5 ساعات"),
        (300, "ja", "5 分後"),
    ],
)
def test_a_time_is_told_in_the_plural_of_its_language(seconds, language, said):
    assert when(seconds, language) == said


def test_help_is_in_the_users_language_as_far_as_it_is_known():
    commands = [CommandSpec("reset", Sentence.DOES_RESET), CommandSpec("ai", Sentence.DOES_AI, Sentence.A_QUESTION)]
    text = help_text([*commands, CommandSpec("own", "My own command")], "de")
    assert text.splitlines() == [
        "Fragen Sie mich alles, in Ihren eigenen Worten.",
        "",
        "- `/reset` Dieses Gespräch vergessen und neu anfangen",
        "- `/ai <Frage>` Stellen Sie mir eine Frage",
        "- `/own` My own command",
    ]


@pytest.mark.parametrize(
    ("text", "language", "answer"),
    [
        ("Yes", "en", True),
        ("ja!", "de", True),
        ("yes", "ja", True),
        ("はい。", "ja", True),
        ("好的", "zh-CN", True),
        ("Sí", "es", True),
        ("नहीं", "hi", False),
        ("لا", "ar", False),
        ("no", "ru", False),
        ("maybe", "en", None),
        ("yes but not now", "en", None),
        ("", "en", None),
    ],
)
def test_yes_and_no_are_understood_in_the_users_language_and_in_english(text, language, answer):
    assert agreed(text, language) is answer


@pytest.mark.parametrize("language", SPOKEN)
def test_the_words_on_the_buttons_are_understood_when_typed(language):
    assert agreed(say(Sentence.YES, language), language) is True
    assert agreed(say(Sentence.NO, language), language) is False


def test_a_catalogue_is_read_as_translators_write_it():
    text = '# by hand\nmsgid ""\n"a "\n"\\"b\\"\\n"\nmsgstr "ä"\n\n'
    text += '#, fuzzy\nmsgid "c"\nmsgstr "d"\n\nmsgid "e"\nmsgstr ""\n'
    assert list(entries(text)) == [('a "b"\n', "", ["ä"])]


def test_a_file_is_read_once():
    assert catalogue("de-AT") is catalogue("de")
