"""The bot to copy says what it hears."""

from bots.echo import Bot
from core.bot import BotSettings, Turn
from core.events import Attachment, User


async def answer(**said):
    turn = Turn(user=User("u1"), channel="c", conversation="c:1", direct=True, **said)
    return "".join([piece async for piece in Bot(BotSettings(use="echo")).respond(turn)])


async def test_it_says_what_it_hears():
    assert await answer(text="hello *there*") == "hello *there*"


async def test_it_says_which_files_came():
    photo = Attachment(kind="image", id="f1", name="cat.jpg")
    assert "cat.jpg" in await answer(text="look", attachments=(photo,))


async def test_it_is_silent_where_nothing_was_said():
    assert await answer(text="  ") == ""
