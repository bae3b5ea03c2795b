"""A newcomer's first minute: the real hub, the real SDKs, the shipped guide, and a browser."""

import re
import signal

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.system.processes import ROOT, HubProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")
QUESTION = "how do I connect Slack?"


@pytest_asyncio.fixture(loop_scope="session")
async def hub(tmp_path):
    """A hub with no channel of its own, no key and no account."""
    knowledge = {"use": "knowledge", "knowledge": [str(ROOT / "knowledge")]}
    hub = HubProcess(tmp_path, {}, bot=knowledge, playground=True)
    await hub.start()
    yield hub
    await hub.kill(signal.SIGTERM)


async def say(pane, text):
    await pane.locator(".talk.room textarea").fill(text)
    await pane.locator(".talk.room textarea").press("Enter")


async def test_all_four_panes_answer_a_question_in_place(hub, page):
    await page.goto(f"{hub.url}/playground")
    slack, whatsapp, telegram, discord = [
        page.locator(f".pane.{name}") for name in ("slack", "whatsapp", "telegram", "discord")
    ]
    for pane in (slack, discord):
        await say(pane, f"@hub {QUESTION}")
    for pane in (whatsapp, telegram):
        await say(pane, QUESTION)
    await expect(slack.locator(".side .message.bot .content").first).to_contain_text("api.slack.com/apps")
    await expect(slack.locator(".talk.room .message")).to_have_count(1)
    await expect(whatsapp.locator(".message.bot .content").first).to_contain_text("api.slack.com/apps")
    await expect(telegram.locator(".message.bot .content").first).to_contain_text("api.slack.com/apps")
    await expect(discord.locator(".message.bot .content").first).to_contain_text("api.slack.com/apps")
    await expect(discord.locator(".message.bot .quoted").first).to_contain_text(QUESTION)
    for pane in (slack, whatsapp, telegram, discord):
        await expect(pane.locator(".message.bot").last).to_contain_text(re.compile("Source: .*slack.md"))


async def test_buttons_numbers_and_commands_work_where_each_is_native(hub, page):
    await page.goto(f"{hub.url}/playground")
    telegram, whatsapp, discord = [page.locator(f".pane.{name}") for name in ("telegram", "whatsapp", "discord")]
    await say(telegram, QUESTION)
    await telegram.locator(".message.bot").last.get_by_role("button").first.click()
    await expect(telegram.locator(".message.bot")).not_to_have_count(1)
    await say(whatsapp, QUESTION)
    await expect(whatsapp.locator(".message.bot").last).to_contain_text("1. ")
    before = await whatsapp.locator(".message.bot").count()
    await say(whatsapp, "1")
    await expect(whatsapp.locator(".message.bot")).not_to_have_count(before)
    await expect(whatsapp.locator(".message.bot").last).to_contain_text("Source: ")
    await say(discord, "/help")
    await expect(discord.locator(".message.bot").last).to_contain_text("/reset")


async def test_a_hub_that_was_started_again_answers_in_all_panes(hub, page):
    for _ in range(2):
        await page.goto(f"{hub.url}/playground")
        for name in ("slack", "whatsapp", "telegram", "discord"):
            pane = page.locator(f".pane.{name}")
            if name in ("slack", "discord"):
                await pane.locator(".rooms").get_by_role("button", name="hub").click()
            await expect(pane.locator(".message")).to_have_count(0)
            await say(pane, QUESTION)
            await expect(pane.locator(".message.bot").last).to_contain_text("Source: ")
        await page.goto("about:blank")  # it would tell that the hub is away
        await hub.kill(signal.SIGTERM)
        await hub.start()
