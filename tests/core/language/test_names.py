import pytest

from core.language.names import SPOKEN, base, english_name, own_name, tag_of


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("German", "de"),
        ("deutsch", "de"),
        (" Deutsch! ", "de"),
        ("de", "de"),
        ("de-AT", "de"),
        ("pt_BR", "pt"),
        ("zh-Hant-TW", "zh"),
        ("español", "es"),
        ("espanol", "es"),
        ("FRANÇAIS", "fr"),
        ("русский", "ru"),
        ("العربية", "ar"),
        ("हिन्दी", "hi"),
        ("हिंदी", "hi"),
        ("中文", "zh"),
        ("日本語", "ja"),
        ("Korean", "ko"),
        ("Klingon", None),
        ("tlh", None),
        ("xx-YY", None),
        ("", None),
    ],
)
def test_a_language_is_known_by_its_names_and_its_tag(name, tag):
    assert tag_of(name) == tag


def test_every_language_is_found_by_what_it_is_shown_as():
    for tag in SPOKEN:
        assert tag_of(own_name(tag)) == tag_of(english_name(tag)) == tag


def test_a_tag_without_its_region_is_the_language():
    assert [base(tag) for tag in ("en-US", "ZH_hans_CN", "iw", "not a tag", "")] == ["en", "zh", "he", "", ""]
