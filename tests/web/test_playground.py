import asyncio
import json
import re
import time
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from core.site import Site
from simulators.stage import Wire
from web import playground
from web.playground import Playground

WEB = Path(playground.__file__).parent
pytestmark = pytest.mark.asyncio(loop_scope="session")


class Stream:
    """The server-sent events of one open page."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self, name: str = "news"):
        while True:
            block = (await self.response.content.readuntil(b"\n\n")).decode()
            if f"event: {name}\n" in block:
                return json.loads(block.partition("data: ")[2])

    async def history(self):
        """The first news of all four panes."""
        return [await self.next() for _ in range(4)]


@pytest_asyncio.fixture(loop_scope="session")
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest_asyncio.fixture(loop_scope="session")
async def stream(http, url):
    async with http.get(f"{url}/events") as response:
        yield Stream(response)


def said(text="hello", **changed):
    return {"pane": 0, "user": "U1", "room": "group", "text": text, "thread": None} | changed


async def test_the_page_and_its_files_come_with_their_types_and_a_strict_policy(http, url):
    types = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    files = {f"{url}/static/{file.name}": types[file.suffix] for file in (WEB / "static").iterdir()}
    for address, content_type in {url: "text/html", **files}.items():
        async with http.get(address) as response:
            assert (response.status, response.content_type, response.charset) == (200, content_type, "utf-8")
            assert response.headers["Cache-Control"] == "no-cache"
            assert "script-src 'self'; style-src 'self'" in response.headers["Content-Security-Policy"]


async def test_nothing_but_the_static_files_is_served(http, url):
    for path in ("static/", "static/../playground.py", "static/%2e%2e/playground.py", "static/none.js"):
        async with http.get(f"{url}/{path}") as response:
            assert response.status == 404


async def test_no_file_names_another_host_or_needs_inline_code():
    for file in [WEB / "pages" / "playground.html", *(WEB / "static").iterdir()]:
        text = file.read_text().replace("http://www.w3.org/", "")
        assert not re.search(r"https?://|<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|innerHTML|eval\(", text), file


async def test_an_opened_page_gets_everything_that_can_be_seen(stages, http, url):
    stages[2].add("earlier", name="Ada", html="<b>earlier</b>")
    async with http.get(f"{url}/events") as response:
        hello = await Stream(response).next("hello")
        history = await Stream(response).history()
    assert [pane["platform"] for pane in hello] == ["slack", "whatsapp", "telegram", "discord"]
    assert [user["name"] for user in hello[0]["users"]] == ["Ada", "Ben"]
    assert [message["html"] for message in history[2]["messages"]] == ["<b>earlier</b>"]


async def test_after_that_only_what_changed_is_sent(stages, stream):
    await stream.history()
    first, _ = stages[1].add("one"), stages[1].add("two")
    assert [m["text"] for m in (await stream.next())["messages"]] == ["one", "two"]
    first.text, first.edited = "one!", True
    stages[1].changed()
    news = await stream.next()
    assert (news["pane"], [(m["text"], m["edited"]) for m in news["messages"]]) == (1, [("one!", True)])


async def test_two_open_pages_and_one_opened_later_see_the_same(stages, stream, http, url):
    await stream.history()
    stages[0].add("hello")
    assert [m["text"] for m in (await stream.next())["messages"]] == ["hello"]
    async with http.get(f"{url}/events") as later:
        assert [m["text"] for m in (await Stream(later).history())[0]["messages"]] == ["hello"]


async def test_typing_is_told_in_seconds_that_are_left_and_ends(stages, stream):
    await stream.history()
    stages[3].typing["group"] = time.monotonic() + 5
    stages[3].changed()
    assert 4 < (await stream.next())["typing"]["group"] <= 5
    stages[3].typing.clear()
    stages[3].changed()
    assert (await stream.next())["typing"] == {}


async def test_what_a_simulator_forgot_to_announce_is_seen_soon(stages, stream):
    await stream.history()
    stages[0].wire.append(Wire("POST", "/api/quiet", "{}", 200, inbound=True))
    assert [request["path"] for request in (await stream.next())["wire"]] == ["/api/quiet"]


async def test_a_user_speaks_in_a_room_and_in_a_thread(stages, http, url):
    async with http.post(f"{url}/say", json=said("hi", user="U2", room="D2", thread="m7")) as response:
        assert response.status == 204
    [mine, answer] = stages[0].messages
    assert (mine.author, mine.room, mine.thread, mine.text) == ("U2", "D2", "m7", "hi")
    assert answer.text == "echo: hi"


async def test_a_user_answers_a_message_where_messages_can_be_quoted(stages, http, url):
    asked = stages[2].add("which one?", author="U2")
    async with http.post(f"{url}/say", json=said("this one", pane=2, quoted=asked.id)) as response:
        assert response.status == 204
    assert (stages[2].messages[1].text, stages[2].messages[1].reply_to) == ("this one", asked.id)
    async with http.post(f"{url}/say", json=said("that one", pane=2, quoted="gone")) as response:
        assert response.status == 404


@pytest.mark.parametrize(("pane", "heard"), [(0, "command ai(hello you)"), (1, "/ai hello you")])
async def test_a_command_is_given_the_way_the_place_has_them(stages, http, url, pane, heard):
    async with http.post(f"{url}/say", json=said("/ai hello you", pane=pane)) as response:
        assert response.status == 204
    assert stages[pane].messages[0].text == heard


@pytest.mark.parametrize(
    "wrong",
    [{"pane": 4}, {"pane": -1}, {"pane": "0"}, {"user": "U9"}, {"text": " "}, {"text": "x" * 20_001}, {"more": 1}],
)
async def test_a_message_that_nobody_could_type_is_refused(stages, http, url, wrong):
    async with http.post(f"{url}/say", json=said(**wrong)) as response:
        assert response.status in (400, 404)
    assert not stages[0].messages


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": "[broken"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
)
async def test_a_foreign_page_can_say_nothing(stages, http, url, headers):
    body = json.dumps(said())
    async with http.post(f"{url}/say", data=body, headers={"Content-Type": "application/json"} | headers) as response:
        assert response.status in (400, 403, 415)
    assert not stages[0].messages


async def test_a_foreign_name_that_leads_here_reads_nothing(http, url):
    async with http.get(f"{url}/events", headers={"Host": "evil.example"}) as response:
        assert response.status == 403


async def test_our_own_page_may_speak(stages, http, url):
    origin = url.removesuffix("/playground")
    async with http.post(
        f"{url}/say", json=said(), headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    ) as response:
        assert response.status == 204


async def test_a_button_reaches_the_simulator_once_and_only_while_it_is_there(stages, http, url):
    message = stages[0].answer("well?", choices=[("Yes", "yes")])
    press = {"pane": 0, "user": "U2", "room": message.room, "message": message.id, "value": "yes"}
    statuses = []
    for pressed in (press | {"value": "no"}, press | {"room": "D1"}, press, press):
        async with http.post(f"{url}/press", json=pressed) as response:
            statuses.append(response.status)
    assert statuses == [404, 404, 204, 404]
    assert stages[0].pressed == [(message.id, "yes", "U2")]


async def test_the_page_hears_when_the_hub_did_not_take_a_message(http, url):
    async with http.post(f"{url}/say", json=said("refuse")) as response:
        assert (response.status, await response.text()) == (502, "The hub did not take it: nobody is at home")


async def test_open_pages_do_not_hold_up_the_shutdown(panes, http, monkeypatch):
    monkeypatch.setattr("web.playground.BEAT", 60)
    app = web.Application()
    Playground(panes).mount(app)
    runner = web.AppRunner(app, shutdown_timeout=60)
    await runner.setup()
    await Site(runner, "127.0.0.1", 0).start()
    async with http.get(f"http://127.0.0.1:{runner.addresses[0][1]}/playground/events") as response:
        await Stream(response).history()
        async with asyncio.timeout(5):
            await runner.cleanup()
