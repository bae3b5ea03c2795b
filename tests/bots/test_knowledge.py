"""Questions are answered from the documents with the source named, and only when they hold the answer."""

import asyncio
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bots._knowledge.files import look
from bots._knowledge.index import Document, Index, unwrapped
from bots._knowledge.library import Paces
from bots._knowledge.reading import read
from bots.knowledge import Bot, KnowledgeSettings
from core.bot import Turn
from core.errors import ConfigError
from core.events import User
from core.language.names import SPOKEN
from core.language.sentences import Sentence, say

GUIDE = Path(__file__).parents[2] / "knowledge"
QUESTIONS = yaml.safe_load((Path(__file__).parent / "questions.yaml").read_text())


def index_of(folder):
    found = look([str(folder)]).found.values()
    return Index([Document(each.name, each.place, tuple(read(each.file, each.name))) for each in found])


INDEX = index_of(GUIDE)


class Asked:
    def __init__(self, *paths, **keys):
        self.bot = Bot(KnowledgeSettings(use="knowledge", knowledge=[str(path) for path in paths], **keys))
        self.bot.library._paces = Paces(look=0, share=0, wait=30, start=30)

    async def __call__(self, text, locale="en"):
        turn = Turn(text=text, user=User("u1", locale=locale), channel="c", conversation="c:1", direct=True)
        [part] = [part async for part in self.bot.respond(turn)]
        return part


@pytest.fixture
async def asking():
    """Makes bots over documents."""
    made = []

    async def make(*paths, **keys):
        asked = Asked(*paths, **keys)
        made.append(asked)
        await asked.bot.start()
        return asked

    yield make
    for asked in made:
        await asked.bot.stop()


@pytest.fixture
async def guide(asking):
    return await asking(GUIDE)


@pytest.fixture
async def handbook(tmp_path, asking):
    (tmp_path / "refunds.md").write_text("# Refunds\n\nWithin 30 days.\n\n## Café crème\n\nNo refund on drinks.\n")
    asked = await asking(tmp_path)
    asked.folder = tmp_path
    return asked


async def test_the_answer_is_the_best_section_with_its_source(guide):
    part = await guide("how do I connect Slack?")
    assert part.text.startswith("## Connect Slack")
    assert "chat:write" in part.text
    assert part.text.endswith("Source: *Connect Slack* (slack.md)")


async def test_related_sections_are_offered_and_a_press_tells_them(guide):
    part = await guide("how do I connect Slack?")
    assert 1 <= len(part.choices) <= 3
    for choice in part.choices:
        assert len(choice.value.encode()) <= 64
        assert choice.label in (await guide(choice.value)).text


async def test_what_is_told_already_is_not_offered_again(guide):
    part = await guide("connect telegram")
    assert all(f"## {choice.label}" not in part.text for choice in part.choices)


async def test_a_button_of_a_section_that_is_gone_still_leads_somewhere(guide):
    assert "slack.md" in (await guide("kb:slack#connect-slack-by-socket~12ab34cd")).text


@pytest.mark.parametrize("greeting", ["hi", "Hello!", "Hallo 👋", "good morning", ""])
async def test_a_greeting_says_what_can_be_asked(guide, greeting):
    part = await guide(greeting)
    assert part.text.startswith("Hello!")
    assert len(part.choices) == 3


async def test_thanks_need_no_documents(guide):
    assert (await guide("Thank you very much!")).text == "You are welcome."


@pytest.mark.parametrize("question", QUESTIONS["unknown"])
async def test_it_says_plainly_when_it_does_not_know(guide, question):
    assert (await guide(question)).text.startswith("I do not know.")


def test_the_labels_of_the_questions_are_sections_of_the_guide():
    labels = {key for question in QUESTIONS["known"] for key in question["find"]}
    assert labels - set(INDEX.by_key) == set()


async def test_newcomers_questions_find_their_answer(guide):
    first = third = answered = 0
    for question in QUESTIONS["known"]:
        found = [hit.section.key for hit in INDEX.search(question["ask"])]
        first += bool({*found[:1]} & {*question["find"]})
        third += bool({*found[:3]} & {*question["find"]})
        told = not (await guide(question["ask"])).text.startswith("I do not know")
        answered += told
        if not {*found[:1]} & {*question["find"]} or not told:
            print(f"{question['ask']!r}: {found[:3]}{'' if told else ' (not told)'}")
    count = len(QUESTIONS["known"])
    print(f"recall@1 {first / count:.0%}, recall@3 {third / count:.0%}, answered {answered / count:.0%} of {count}")
    assert first / count >= 0.86
    assert third / count >= 0.95
    assert answered / count >= 0.96


async def test_accents_and_endings_of_words_do_not_matter(handbook):
    assert "No refund on drinks" in (await handbook("cafe cremes")).text


async def test_a_changed_document_is_noticed(handbook):
    file = handbook.folder / "refunds.md"
    file.write_text("# Refunds\n\nWithin 99 days.\n")
    os.utime(file, ns=(0, 0))
    assert "99 days" in (await handbook("refunds")).text


async def test_a_new_document_is_noticed_and_a_deleted_one_forgotten(handbook):
    (handbook.folder / "opening.md").write_text("# Opening hours\n\nNine to five.\n")
    assert "Nine to five" in (await handbook("opening hours")).text
    (handbook.folder / "opening.md").unlink()
    assert (await handbook("opening hours")).text.startswith("I do not know")


async def test_many_may_ask_while_a_document_changes(handbook):
    (handbook.folder / "refunds.md").write_text("# Refunds\n\nNever, sorry.\n")
    parts = await asyncio.gather(*[handbook("refunds") for _ in range(20)])
    assert all("Never" in part.text for part in parts)


async def test_a_missing_path_is_a_fault_that_names_it(tmp_path):
    with pytest.raises(ConfigError, match="nowhere"):
        await Asked(tmp_path / "nowhere").bot.start()


async def test_text_without_headings_is_named_by_its_file(tmp_path, asking):
    (tmp_path / "house-rules.md").write_text("Shoes off at the door.")
    asked = await asking(tmp_path / "house-rules.md")
    assert (await asked("shoes")).text.endswith("Source: *House rules* (house-rules.md)")


async def test_a_long_answer_ends_with_a_whole_block(tmp_path, asking):
    (tmp_path / "long.md").write_text(
        "# Long story\n\n" + "\n\n".join(f"Chapter {n}. " + "la " * 200 for n in range(9))
    )
    asked = await asking(tmp_path)
    text = (await asked("long story")).text
    assert len(text) < 3000
    assert "la\n\n…\n\nSource" in text


def test_headings_of_the_same_words_and_of_any_length_have_buttons_of_their_own(tmp_path):
    file = tmp_path / "same.md"
    file.write_text("".join(f"# {'Überlänge ' * 20}\n\ntext {n}\n\n" for n in range(5)))
    keys = index_of(tmp_path).by_key
    assert len(keys) == 5
    assert all(len(key.encode()) <= 60 for key in keys)


def test_code_that_looks_like_a_heading_is_none(tmp_path):
    file = tmp_path / "code.md"
    file.write_text("# Real\n\n```sh\n# comment\n```\n")
    assert [section.label for section in index_of(tmp_path).sections] == ["Real"]


WEIRD = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from(['"', "OR", "NEAR(", "*", "slack", "AND", "NOT", "^", ":", "heading:", "kb:", "\x00"])
    ).map(" ".join),
    st.text(max_size=80).map("kb:".__add__),
)


@settings(deadline=None)
@given(WEIRD)
def test_any_text_may_be_asked(text):
    assert all(0 <= hit.coverage <= 1.001 for hit in INDEX.search(text))


@settings(deadline=None)
@given(WEIRD)
async def test_any_text_is_answered(text):
    asked = Asked(GUIDE)
    asked.bot.library.index = INDEX
    asked.bot.library._looked_at = float("inf")
    assert (await asked(text)).text


def test_operators_of_the_search_language_are_harmless():
    plain = [hit.section for hit in INDEX.search("slack telegram")]
    assert [hit.section for hit in INDEX.search('"slack" OR NEAR(telegram* ^')] != []
    assert plain == [hit.section for hit in INDEX.search('slack" AND (telegram* -')]


@pytest.mark.parametrize("language", SPOKEN)
async def test_what_it_says_itself_is_in_the_users_language(guide, language):
    unknown = (await guide("xylophone quarks", language)).text
    assert unknown.startswith(say(Sentence.NOT_IN_DOCUMENTS, language))
    assert say(Sentence.TOPICS, language) in unknown
    assert (await guide("hello", language)).text.startswith(say(Sentence.DOCUMENTS_HELLO, language))
    source = say(Sentence.SOURCE, language, source="*Connect Slack* (slack.md)")
    assert (await guide("connect slack", language)).text.endswith(source)


@pytest.mark.parametrize("question", ["what can you do?", "Who are you?", "how does this work?"])
async def test_a_question_about_the_bot_itself_is_told_what_can_be_asked(guide, question):
    assert (await guide(question)).text.startswith(say(Sentence.DOCUMENTS_HELLO, "en"))


@pytest.mark.parametrize("greeting", ["Hola!", "Здравствуйте", "नमस्ते", "你好", "こんにちは", "مرحبا", "Bonjour"])
async def test_it_is_greeted_in_many_languages(guide, greeting):
    assert "Slack" in (await guide(greeting)).text
    assert (await guide(greeting)).text.startswith(say(Sentence.DOCUMENTS_HELLO, "en"))


async def test_a_published_document_is_cited_by_a_link_to_the_section(tmp_path, asking):
    (tmp_path / "a.md").write_text("# Refunds\n\n## How do I get one?\n\nAsk within 30 days.\n")
    asked = await asking(tmp_path, sources={f"{tmp_path}/": "https://docs.example.org/{page}/"})
    text = (await asked("how do I get one within 30 days")).text
    assert text.endswith("Source: [Refunds › How do I get one?](https://docs.example.org/a/#how-do-i-get-one)")


async def test_sources_are_numbered_and_none_holds_what_another_does(guide):
    sources = await guide.bot.sources("how do I connect Slack?", most=5)
    assert [source.number for source in sources] == list(range(1, len(sources) + 1))
    assert len({source.title for source in sources}) == len(sources)
    assert sources[0].title == "Connect Slack"
    assert await guide.bot.sources("xylophone quarks") == []


async def test_documents_in_scripts_without_spaces_are_found(tmp_path, asking):
    (tmp_path / "zh.md").write_text("# 退款政策\n\n三十天内可以退款。\n", encoding="utf-8")
    (tmp_path / "ja.md").write_text("# 営業時間\n\n午前九時から午後五時まで。\n", encoding="utf-8")
    (tmp_path / "hi.md").write_text("# धनवापसी\n\nतीस दिनों के भीतर।\n", encoding="utf-8")
    asked = await asking(tmp_path)
    assert "三十天" in (await asked("怎么退款？")).text
    assert "九時" in (await asked("営業時間は？")).text
    assert "तीस" in (await asked("धनवापसी")).text


@pytest.mark.parametrize(
    ("block", "shown"),
    [
        ("one line\nand its rest", "one line and its rest"),
        ("- one\n  and its rest\n- two", "- one and its rest\n- two"),
        ("kept  \napart", "kept  \napart"),
        ("```\na\nb\n```", "```\na\nb\n```"),
        ("| a |\n|---|\n| 1 |", "| a |\n|---|\n| 1 |"),
        ("1. one\n2. two", "1. one\n2. two"),
    ],
)
def test_breaks_that_only_the_file_needs_are_not_shown(block, shown):
    assert unwrapped(block) == shown
