"""How tests talk with an assistant, and what they read of its answer."""

from core.bot import Turn
from core.delivery.answer import Answer
from core.events import User
from core.persona.settings import Personality

ADA = Personality(name="Ada", role="a helper", tone="friendly", introduction="Hello, I am Ada.")


def turn(text="hello", history=(), direct=True, **more):
    user = User(
        "u1", **{key: more.pop(key) for key in ("name", "locale") if key in more} | {"name": more.pop("by", "Ann")}
    )
    return Turn(text, user, "c", "c/r", direct, history, **{"reference": "ev1", "account": f"p:{user.name}", **more})


async def parts(bot, turn):
    """The messages that the user has before them in the end."""
    answer = Answer(turn)
    async for piece in bot.respond(turn):
        answer.add(piece)
    return answer.parts()


async def read(bot, turn):
    """What the user has before them in the end, as one text."""
    return "".join(part.text for part in await parts(bot, turn))
