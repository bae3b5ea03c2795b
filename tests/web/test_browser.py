import time

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = (
    "<img src=x onerror='window.__xss=1'><script>window.__xss=1</script><svg onload='window.__xss=1'></svg>"
    "<a href='javascript:window.__xss=1' onclick='window.__xss=1'>click</a><iframe src='//evil.example'>"
    "</iframe><b style='position:fixed' onmouseover='window.__xss=1'>bold</b><math><style><img src=x onerror=x()>"
)


async def say(pane, text, talk=".talk.room"):
    await pane.locator(f"{talk} textarea").fill(text)
    await pane.locator(f"{talk} textarea").press("Enter")


async def test_each_of_the_four_panes_answers_in_its_own_way(page, url):
    await page.goto(url)
    slack, whatsapp, telegram, discord = [
        page.locator(f".pane.{name}") for name in ("slack", "whatsapp", "telegram", "discord")
    ]
    for pane in (slack, whatsapp, telegram, discord):
        await say(pane, "@hub hello")
    await expect(slack.get_by_role("button", name="1 reply")).to_be_visible()
    await expect(slack.locator(".side .message.bot .content")).to_have_text("echo: @hub hello")
    await expect(slack.locator(".talk.room .message")).to_have_count(1)
    await expect(whatsapp.locator(".message.bot .content")).to_have_text("echo: @hub hello")
    for pane in (telegram, discord):
        await expect(pane.locator(".message.bot .content")).to_have_text("echo: @hub hello")
        await expect(pane.locator(".message.bot .quoted")).to_contain_text("@hub hello")


async def test_replies_stay_in_the_thread_or_quote_what_they_answer(page, url, stages):
    await page.goto(url)
    slack, telegram = page.locator(".pane.slack"), page.locator(".pane.telegram")
    stages[0].add("a question", author="U2", name="Ben")
    stages[2].add("a question", author="U2", name="Ben")
    await slack.get_by_role("button", name="Reply in thread: Ben").click()
    await say(slack, "an answer", ".side")
    await expect(slack.locator(".side .message .content")).to_have_text(["a question", "an answer", "echo: an answer"])
    assert {message.thread for message in stages[0].messages} == {None, "m1"}
    await page.keyboard.press("Escape")
    await expect(slack.locator(".side")).to_be_hidden()
    await telegram.get_by_role("button", name="Reply: Ben").click()
    await page.keyboard.type("an answer")
    await page.keyboard.press("Enter")
    await expect(telegram.locator(".mine .quoted")).to_have_text("Ben a question")


async def test_a_button_is_pressed_and_the_message_changes_in_place(page, url, stages):
    await page.goto(url)
    pane = page.locator(".pane.discord")
    await say(pane, "@hub hello")
    await pane.get_by_role("button", name="Again").click()
    await expect(pane.locator(".message.bot .content")).to_have_text("pressed again")
    await expect(pane.locator(".message.bot .edited")).to_have_text("(edited)")
    assert stages[3].pressed == [("m2", "again", "U1")]


async def test_each_user_sees_what_is_theirs(page, url, stages):
    await page.goto(url)
    pane = page.locator(".pane.slack")
    stages[0].answer("a secret", only_for="U1")
    stages[0].add("regretted", deleted=True)
    stages[0].answer("psst", room="D2")
    await expect(pane.locator(".message.private")).to_contain_text("Only visible to you")
    await expect(pane.locator(".message.deleted .content")).to_have_text("This message was deleted")
    await pane.get_by_role("button", name="Be Ben").click()
    await expect(pane.locator(".message.private")).to_have_count(0)
    await pane.locator(".rooms").get_by_role("button", name="hub").click()
    await expect(pane.locator(".content")).to_have_text("psst")
    await say(pane, "hello")
    await expect(pane.locator(".talk.room .mine .content")).to_have_text("hello")
    assert (stages[0].messages[3].author, stages[0].messages[3].room) == ("U2", "D2")


async def test_an_empty_room_tells_what_to_try(page, url):
    await page.goto(url)
    pane = page.locator(".pane.telegram")
    await pane.get_by_role("button", name="@hub how do I connect Slack?").click()
    await page.keyboard.press("Enter")
    await expect(pane.locator(".message.bot .content")).to_have_text("echo: @hub how do I connect Slack?")
    await expect(pane.locator(".room .empty")).to_be_hidden()


async def test_typing_and_the_wire_are_shown(page, url, stages):
    await page.goto(url)
    pane = page.locator(".pane.whatsapp")
    await say(pane, "hello")
    await expect(pane.locator(".wire .count")).to_have_text("1 request")
    await pane.locator(".wire > summary").click()
    await pane.locator(".wire li summary").click()
    await expect(pane.locator(".wire li")).to_contain_text("hello")
    stages[1].typing["D1"] = time.monotonic() + 60
    stages[1].changed()
    await expect(pane.locator(".talk.room .typing")).to_have_text("hub is typing…")
    stages[1].typing.clear()
    stages[1].changed()
    await expect(pane.locator(".talk.room .typing")).to_be_hidden()


async def test_lines_run_in_the_direction_of_their_script(page, url, stages):
    await page.goto(url)
    stages[1].answer("", room="D1", html="<p>مرحبا Slack</p>")
    stages[1].answer("مرحبا Slack\nhello مرحبا", room="D1")
    begins = """article => [...article.querySelector(".content").innerText.matchAll(/\\p{L}+/gu)].map(({ index }) => {
        const text = document.createTreeWalker(article.querySelector(".content"), NodeFilter.SHOW_TEXT).nextNode();
        const range = document.createRange();
        range.setStart(text, index);
        range.setEnd(text, index + 1);
        return range.getBoundingClientRect().x;
    })"""
    html, plain = page.locator(".pane.whatsapp .message").first, page.locator(".pane.whatsapp .message").last
    await expect(plain).to_contain_text("hello")
    arabic, latin = await html.evaluate(begins)
    assert arabic > latin
    arabic, latin, hello, arabic_after = await plain.evaluate(begins)
    assert arabic > latin
    assert hello < arabic_after


@pytest.mark.parametrize("field", ["text", "html", "name", "choices"])
async def test_hostile_words_stay_words(page, url, stages, faults, field):
    await page.goto(url)
    pane = page.locator(".pane.slack")
    value = [(HOSTILE, HOSTILE)] if field == "choices" else HOSTILE
    stages[0].add(**({"text": "words", "author": HOSTILE, "name": "Eve"} | {field: value}))
    await say(pane, "after it")
    await expect(pane.locator(".talk.room .mine")).to_be_visible()
    assert await page.evaluate("window.__xss") is None
    assert (
        await pane.locator(":is(.message, .rooms) :is(img, script, iframe, style, [onclick], [style], a)").count() == 0
    )
    assert await pane.locator(".content b").count() == (field == "html")
    assert all("Content Security Policy" in fault for fault in faults)  # the second wall, should the first ever break
    faults.clear()


async def test_the_fault_is_told_and_the_words_are_kept(page, url, faults):
    await page.goto(url)
    pane = page.locator(".pane.slack")
    await say(pane, "refuse")
    await expect(pane.get_by_role("alert")).to_have_text("The hub did not take it: nobody is at home")
    await expect(pane.locator(".talk.room textarea")).to_have_value("refuse")
    assert [fault for fault in faults if "502" not in fault] == []
    faults.clear()


async def test_a_page_that_lost_the_hub_finds_it_again(page, serve, stages, faults):
    first = await serve()
    await page.goto(first.url)
    for text in ("one", "two", "three"):
        stages[0].add(text)
    await expect(page.locator(".pane.slack .content")).to_have_text(["one", "two", "three"])
    await first.stop()
    await expect(page.get_by_role("status")).to_have_text("reconnecting…")
    stages[0].messages.clear()
    stages[0].add("meanwhile")
    stages[0].answer("and this")
    await serve(first.port)
    await expect(page.locator(".pane.slack .content")).to_have_text(["meanwhile", "and this"])
    await expect(page.get_by_role("status")).to_have_text("live")
    faults.clear()  # the browser tells that it could not connect


async def test_the_page_fits_a_telephone(page, url, stages):
    await page.set_viewport_size({"width": 360, "height": 740})
    await page.goto(url)
    stages[0].add("x" * 500, name="y" * 200)
    await expect(page.locator(".pane.slack .message")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
