"""Direct chats of accounts with a bot, on the level of people and engine."""

import itertools

import msgspec

from core.bot import Notes, Remembered
from core.engine.engine import Claim, Engine
from core.people import flow
from core.people.people import People, Sender
from core.people.person import Chat

BOT = "assistant"

_uids = itertools.count()


class Said(msgspec.Struct):
    """An event as these tests write it."""

    account: str
    key: str
    text: str
    bot: str = BOT


def sender(envelope: bytes) -> Sender:
    said = msgspec.json.decode(envelope, type=Said)
    return Sender(Chat(said.account, said.bot), said.key)


class Hub:
    """One process: takes events in, and answers them by repeating them."""

    def __init__(self, engine: Engine, people: People | None = None) -> None:
        self.engine = engine
        self.people = people or People(engine, sender)
        self.number = 0
        self.answered: list[str] = []

    async def say(self, account: str, text: str, bot: str = BOT) -> None:
        self.number += 1
        key = f"{account}/dm/{bot}"
        home = await self.people.home(account, bot, key)
        envelope = msgspec.json.encode(Said(account, key, text, bot))
        await self.engine.accept(home, envelope, [f"{next(_uids)}"])

    async def claims(self) -> list[Claim]:
        return [c for at in self.engine.shards for c in (await self.engine.claim("w", 10, at.number)).claims]

    async def begin(self, claim: Claim) -> Said | None:
        said = msgspec.json.decode(claim.envelope, type=Said)
        return None if await self.people.forward(claim, said.account, said.bot, said.key) else said

    async def end(self, claim: Claim, said: Said) -> None:
        self.answered.append(said.text)
        record = msgspec.json.encode(Remembered("user", said.text, author=said.account, time=claim.time))
        await self.engine.commit(claim, outcome="answered", append=[record])

    async def settle(self) -> None:
        """Answer all there is."""
        while claims := await self.claims():
            for claim in claims:
                if said := await self.begin(claim):
                    await self.end(claim, said)

    async def talk(self, account: str, text: str, bot: str = BOT) -> None:
        await self.say(account, text, bot)
        await self.settle()

    async def ask(self, account: str, bot: str = BOT, *, direct: bool = True) -> flow.Here:
        """A turn of this account that is under way."""
        await self.say(account, f"command {self.number}", bot)
        while True:
            for claim in await self.claims():
                said = await self.begin(claim)
                if said and said.account == account and said.bot == bot:
                    return here(said, claim, direct=direct)
                if said:
                    await self.end(claim, said)

    async def done(self, here: flow.Here) -> None:
        await self.engine.commit(here.claim, outcome="answered")

    async def code(self, account: str, bot: str = BOT) -> str:
        asking = await self.ask(account, bot)
        made = await self.people.codes.make(flow.Offer(account, asking.name, bot, asking.key))
        await self.done(asking)
        assert isinstance(made, str)
        return made

    async def link(self, first: str, second: str, bot: str = BOT, second_bot: str = BOT) -> str:
        code = await self.code(first, bot)
        asked = await self.ask(second, second_bot)
        question = await flow.link(asked, self.people, code)
        assert not isinstance(question, str), question
        line = await flow.answer(asked, self.people, question.choices[0].value)
        await self.done(asked)
        return line

    async def unlink(self, account: str, bot: str = BOT) -> str:
        asked = await self.ask(account, bot)
        line = await flow.unlink(asked, self.people)
        await self.done(asked)
        return line

    async def history(self, account: str, bot: str = BOT) -> list[str]:
        """What the next turn of this chat would be told."""
        at = self.engine.shards[0]
        home = await self.people.home(account, bot, f"{account}/dm/{bot}")
        records = await self.engine.command("LRANGE", at.sess + home, 0, -1)
        return [msgspec.json.decode(record, type=Remembered).text for record in records]

    async def note(self, account: str, notes: Notes) -> None:
        at = self.engine.shards[0]
        home = await self.people.home(account, BOT, f"{account}/dm/{BOT}")
        await self.engine.command("HSET", at.note + home, "n", msgspec.json.encode(notes))

    async def notes(self, account: str) -> Notes:
        at = self.engine.shards[0]
        home = await self.people.home(account, BOT, f"{account}/dm/{BOT}")
        found = await self.engine.command("HGET", at.note + home, "n")
        return msgspec.json.decode(found or b"{}", type=Notes)


def here(said: Said, claim: Claim, *, direct: bool = True) -> flow.Here:
    name = said.account.partition(":")[2].title()
    return flow.Here(said.account, name, said.bot, said.key, direct, "en", claim, f"event-{claim.token}")
