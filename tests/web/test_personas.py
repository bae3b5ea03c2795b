"""The page of personalities: what each tells the model and makes of a text."""

import datetime
import re
from pathlib import Path
from typing import get_args

import aiohttp
import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import expect

from core.persona.settings import Personality, Tone
from core.site import Site
from web.personas import Asked, previews, runs
from web.playground import Playground

FILE = Path(__file__).parents[2] / "config" / "personalities.yaml"
HOSTILE = "<img src=x onerror='window.__xss=1'><script>window.__xss=1</script>"
TODAY = datetime.date(2025, 3, 3)
session = pytest.mark.asyncio(loop_scope="session")


def shipped() -> dict[str, Personality]:
    return {key: Personality.model_validate(found) for key, found in yaml.safe_load(FILE.read_text("utf-8")).items()}


def asked(**changed) -> dict[str, object]:
    return {"language": "en", "kind": "direct", "first_contact": True, "chosen": False, "sample": "Hey!"} | changed


@pytest.fixture
def personalities() -> dict[str, Personality]:
    return shipped()


@pytest_asyncio.fixture(loop_scope="session")
async def base(personalities):
    """Where a playground with these personalities is."""
    app = web.Application()
    Playground([], personalities=lambda: personalities).mount(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await Site(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def http():
    async with aiohttp.ClientSession() as opened:
        yield opened


def tried(sample: str, language: str = "en") -> dict[str, str]:
    """Personality -> the text in its tone."""
    found = previews(shipped(), Asked(language, "direct", True, False, sample), TODAY)
    return {each.key: "".join(run.text for run in each.sample if run.kind != "gone") for each in found}


def test_each_tone_makes_its_own_of_the_same_words():
    toned = tried("Hey there! You're gonna see `gonna`!!")
    assert toned["customer-support"] == "Hello. You're going to see `gonna`."
    assert toned["creative-writer"] == "Hey there! You're gonna see `gonna`!"


def test_a_text_in_a_language_without_tones_stays_as_it_is():
    assert set(tried("¡Hola! gonna!!", "es").values()) == {"¡Hola! gonna!!"}


def test_the_prompt_says_where_and_in_what_language():
    found = previews(shipped(), Asked("de", "group", False, True, ""), TODAY)
    for each in found:
        assert "answer in German, whatever language the message is in" in each.prompt
        assert "a group in which several people write" in each.prompt
        assert "You have not met this person before" not in each.prompt
        assert each.tokens > 100


def test_what_an_answer_breaks_is_told():
    (ada,) = [
        each
        for each in previews(shipped(), Asked("en", "direct", True, False, "I guarantee it."), TODAY)
        if each.key == "customer-support"
    ]
    assert [finding.name for finding in ada.findings] == ["forbidden word", "no introduction"]


@given(st.text(), st.text())
def test_a_difference_holds_both_texts(before, after):
    found = runs(before, after)
    assert "".join(run.text for run in found if run.kind != "new") == before
    assert "".join(run.text for run in found if run.kind != "gone") == after


@session
async def test_the_front_door_leads_to_the_playground(http, base):
    async with http.get(f"{base}/") as response:
        assert (response.status, response.url.path) == (200, "/playground")


@session
async def test_a_changed_configuration_is_seen_without_a_restart(http, base, personalities):
    personalities["new"] = Personality(name="Nova", role="a newcomer")
    async with http.post(f"{base}/playground/personas/preview", json=asked()) as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert (await response.json())["personas"][-1]["name"] == "Nova"


@session
@pytest.mark.parametrize(
    ("changed", "headers", "status"),
    [
        ({}, {"Origin": "http://elsewhere.example"}, 403),
        ({}, {"Host": "elsewhere.example"}, 403),
        ({}, {"Sec-Fetch-Site": "cross-site"}, 403),
        ({}, {"Content-Type": "text/plain"}, 415),
        ({"language": "xx"}, {}, 400),
        ({"kind": "stage"}, {}, 400),
        ({"sample": "x" * 4001}, {}, 400),
        ({"more": 1}, {}, 400),
    ],
)
async def test_only_our_own_page_may_ask_and_only_what_it_asks(http, base, changed, headers, status):
    async with http.post(f"{base}/playground/personas/preview", json=asked(**changed), headers=headers) as response:
        assert response.status == status


@session
async def test_all_personalities_are_seen_side_by_side(base, page):
    await page.goto(f"{base}/playground/personas")
    cards = page.locator(".persona")
    await expect(cards.locator("h2")).to_have_text(["Robin", "Ada", "Quill"])
    await expect(cards.nth(0).locator(".prompt")).to_contain_text("You are Robin, a customer support agent")
    await expect(cards.nth(0).locator(".toned del").first).to_have_text("Hey there!")
    assert len({box["y"] for card in await cards.all() if (box := await card.bounding_box())}) == 1


@session
async def test_what_is_chosen_is_what_is_shown(base, page):
    await page.goto(f"{base}/playground/personas")
    robin = page.locator(".persona").first
    await page.get_by_label("Room").select_option("group")
    await expect(robin.locator(".prompt")).to_contain_text("a group in which several people write")
    await page.get_by_label("Language", exact=False).first.select_option("de")
    await expect(robin.locator(".prompt")).to_contain_text("answer in German")
    await expect(robin.locator(".toned ins").first).to_contain_text("Guten Tag")
    await page.get_by_label("An answer").fill("Super!!!")
    await expect(robin.locator(".toned")).to_have_text("Super!!!Super.")
    await page.get_by_role("button", name="Robin").click()
    await expect(page.locator(".persona h2")).to_have_text(["Ada", "Quill"])


@session
async def test_hostile_words_stay_words(base, page, personalities):
    hostile = {"role": HOSTILE, "traits": (HOSTILE,), "introduction": "", "knowledge": (HOSTILE,)}
    personalities["evil"] = Personality(name=HOSTILE[:60], **hostile)
    await page.goto(f"{base}/playground/personas")
    await page.get_by_label("An answer").fill(HOSTILE + " gonna!!")
    evil = page.locator(".persona").last
    await expect(evil.locator(".toned")).to_contain_text(HOSTILE)
    assert await page.evaluate("window.__xss") is None
    assert await page.locator(":is(.persona, .shown) :is(img, script)").count() == 0


@session
async def test_the_page_fits_a_telephone_and_names_the_other(base, page):
    await page.set_viewport_size({"width": 360, "height": 740})
    await page.goto(f"{base}/playground/personas")
    await expect(page.locator(".persona")).to_have_count(3)
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
    await page.get_by_role("link", name="Places").click()
    await expect(page.get_by_role("link", name="Personalities")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_page_names_no_other_host_and_needs_no_inline_code():
    text = (Path(__file__).parents[2] / "web" / "pages" / "personas.html").read_text()
    assert not re.search(r"https?://|<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", text)


@session
async def test_only_a_first_contact_is_told_to_introduce_itself(base, page):
    await page.goto(f"{base}/playground/personas")
    robin = page.locator(".persona").first
    await expect(robin.locator(".findings")).to_have_text("keeps to its rules")
    await page.get_by_label("First contact").check()
    await expect(robin.locator(".prompt")).to_contain_text("You have not met this person before")
    await expect(robin.locator(".findings")).to_contain_text("no introduction")


def test_each_tone_has_its_colour():
    style = (Path(__file__).parents[2] / "web" / "static" / "personas.css").read_text()
    assert set(re.findall(r'data-tone="(\w+)"', style)) == set(get_args(Tone))
