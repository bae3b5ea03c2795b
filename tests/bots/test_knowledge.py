"""Questions are answered from the documents with the source named, and only when they hold the answer."""

import asyncio
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bots import knowledge
from bots._index import Index
from bots.knowledge import Bot, KnowledgeSettings
from core.bot import Turn
from core.errors import ConfigError
from core.events import User

GUIDE = Path(__file__).parents[2] / "knowledge"
INDEX = Index.of_files([str(GUIDE)], sorted(GUIDE.rglob("*.md")))
QUESTIONS = yaml.safe_load((Path(__file__).parent / "knowledge_questions.yaml").read_text())


class Asked:
    def __init__(self, *paths):
        self.bot = Bot(KnowledgeSettings(use="knowledge", knowledge=[str(path) for path in paths]))

    async def __call__(self, text):
        turn = Turn(text=text, user=User("u1"), channel="c", conversation="c:1", direct=True)
        [part] = [part async for part in self.bot.respond(turn)]
        return part


@pytest.fixture
async def guide():
    asked = Asked(GUIDE)
    await asked.bot.start()
    return asked


@pytest.fixture
async def handbook(tmp_path, monkeypatch):
    monkeypatch.setattr(knowledge, "_CHECK_EVERY", 0)
    (tmp_path / "refunds.md").write_text("# Refunds\n\nWithin 30 days.\n\n## Café crème\n\nNo refund on drinks.\n")
    asked = Asked(tmp_path)
    asked.folder = tmp_path
    await asked.bot.start()
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
    assert (await guide(question)).text.startswith("I do not know that")


def test_the_labels_of_the_questions_are_sections_of_the_guide():
    assert {key for question in QUESTIONS["known"] for key in question["find"]} - set(INDEX.by_key) == set()


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
    assert first / count >= 0.85
    assert third / count >= 0.95
    assert answered / count >= 0.95


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


async def test_text_without_headings_is_named_by_its_file(tmp_path):
    (tmp_path / "house-rules.md").write_text("Shoes off at the door.")
    asked = Asked(tmp_path / "house-rules.md")
    await asked.bot.start()
    assert (await asked("shoes")).text.endswith("Source: *House rules* (house-rules.md)")


async def test_a_long_answer_ends_with_a_whole_block(tmp_path):
    (tmp_path / "long.md").write_text(
        "# Long story\n\n" + "\n\n".join(f"Chapter {n}. " + "la " * 200 for n in range(9))
    )
    asked = Asked(tmp_path)
    await asked.bot.start()
    text = (await asked("long story")).text
    assert len(text) < 3000
    assert "la\n\n…\n\nSource" in text


def test_headings_of_the_same_words_and_of_any_length_have_buttons_of_their_own(tmp_path):
    file = tmp_path / "same.md"
    file.write_text("".join(f"# {'Überlänge ' * 20}\n\ntext {n}\n\n" for n in range(5)))
    keys = Index.of_files([str(tmp_path)], [file]).by_key
    assert len(keys) == 5
    assert all(len(key.encode()) <= 60 for key in keys)


def test_code_that_looks_like_a_heading_is_none(tmp_path):
    file = tmp_path / "code.md"
    file.write_text("# Real\n\n```sh\n# comment\n```\n")
    assert [section.label for section in Index.of_files([str(tmp_path)], [file]).sections] == ["Real"]


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
    asked.bot._index, asked.bot._looked_at = INDEX, float("inf")
    assert (await asked(text)).text


def test_operators_of_the_search_language_are_harmless():
    plain = [hit.section for hit in INDEX.search("slack telegram")]
    assert [hit.section for hit in INDEX.search('"slack" OR NEAR(telegram* ^')] != []
    assert plain == [hit.section for hit in INDEX.search('slack" AND (telegram* -')]
