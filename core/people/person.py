"""A person: accounts, direct chats, and for each bot the conversation that these chats share. All pure.

Only direct chats are named here. What is said in a room stays in the room, whoever says it.
"""

from collections.abc import Collection

import msgspec

Move = tuple[str, str]
"""A session that goes from one conversation into another; several are done in their order."""


class Chat(msgspec.Struct, frozen=True, array_like=True):
    """A direct chat of an account with a bot."""

    account: str
    bot: str


class Person(msgspec.Struct, frozen=True):
    """At least two accounts; who has one is nobody here."""

    id: str
    """Random: it says nothing about anybody."""
    accounts: tuple[str, ...]
    homes: dict[str, str]
    """Bot -> the conversation in which all direct chats with it are answered and remembered: that of one of them."""
    chats: dict[str, Chat]
    """Conversation of a direct chat by itself -> whose it is. A chat that is not here has not arrived yet."""

    def home(self, key: str, chat: Chat) -> str | None:
        """Where the events of a direct chat belong; None while it has not arrived."""
        return self.homes[chat.bot] if self.chats.get(key) == chat else None


def alone(id: str, key: str, chat: Chat) -> Person:  # noqa: A002
    """Somebody with one account, on the way to be joined with another."""
    return Person(id, (chat.account,), {chat.bot: key}, {key: chat})


def arrived(person: Person, key: str, chat: Chat) -> tuple[Person, list[Move]]:
    """With this chat of one of the accounts, whose session moves into the home."""
    if person.chats.get(key) == chat:
        return person, []
    person, moves = _without(person, [key])  # its channel may have had another bot
    homes = {chat.bot: key} | person.homes
    if homes[chat.bot] != key:
        moves.append((key, homes[chat.bot]))
    chats = person.chats | {key: chat}
    return msgspec.structs.replace(person, homes=homes, chats=chats), moves


def joined(first: Person, second: Person) -> tuple[Person, list[Move]]:
    """One person of two: where both have a home, the second's moves into the first's."""
    moves = [(second.homes[bot], home) for bot, home in first.homes.items() if bot in second.homes]
    accounts = tuple(dict.fromkeys((*first.accounts, *second.accounts)))
    return Person(first.id, accounts, second.homes | first.homes, second.chats | first.chats), moves


def left(person: Person, account: str) -> tuple[Person, list[Move]]:
    """Without this account: the homes in its chats move to chats of the others, where there are any."""
    keys = [key for key, chat in person.chats.items() if chat.account == account]
    rest, moves = _without(person, keys)
    return msgspec.structs.replace(rest, accounts=tuple(a for a in person.accounts if a != account)), moves


def _without(person: Person, keys: Collection[str]) -> tuple[Person, list[Move]]:
    chats = {key: chat for key, chat in person.chats.items() if key not in keys}
    homes: dict[str, str] = {}
    moves: list[Move] = []
    for bot, home in person.homes.items():
        others = [home] if home in chats else [key for key, chat in chats.items() if chat.bot == bot]
        if others:
            homes[bot] = others[0]
            if others[0] != home:
                moves.append((home, others[0]))
    return msgspec.structs.replace(person, homes=homes, chats=chats), moves
