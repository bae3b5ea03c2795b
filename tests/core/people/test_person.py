"""The rules of joining and parting, on plain data."""

from hypothesis import given
from hypothesis import strategies as st

from core.people.person import Chat, Person, alone, arrived, joined, left

ACCOUNTS = tuple("abcd")
BOTS = ("x", "y")


def key(account: str, bot: str, channel: int = 1) -> str:
    return f"{account}/{bot}/{channel}"


chats = st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(BOTS), st.integers(1, 2))


def grown(id_: str, accounts: str, more: list) -> Person:
    """Somebody with these accounts and chats."""
    person = alone(id_, key(accounts[0], "x"), Chat(accounts[0], "x"))
    for account in accounts[1:]:
        person, _ = joined(person, alone("", key(account, "x"), Chat(account, "x")))
    for account, bot, channel in more:
        if account in accounts:
            person, _ = arrived(person, key(account, bot, channel), Chat(account, bot))
    return person


def is_whole(person: Person) -> bool:
    """Each home is one of the chats with its bot, each bot talked to has one, and all chats are of the accounts."""
    return all(person.chats[home].bot == bot for bot, home in person.homes.items()) and all(
        chat.account in person.accounts and chat.bot in person.homes for chat in person.chats.values()
    )


@given(st.lists(chats), st.sampled_from(ACCOUNTS))
def test_whoever_leaves_takes_nothing_that_is_shared_and_leaves_a_whole_person(more, account):
    person = grown("p", "abcd", more)
    rest, moves = left(person, account)
    assert is_whole(person)
    assert is_whole(rest)
    assert set(rest.accounts) == set(ACCOUNTS) - {account}
    for source, target in moves:
        assert person.chats[source].account == account
        assert rest.homes[person.chats[source].bot] == target


@given(st.lists(chats), st.lists(chats))
def test_of_two_persons_the_homes_of_the_first_stay(first, second):
    one, two = grown("one", "ab", first), grown("two", "cd", second)
    both, moves = joined(one, two)
    assert is_whole(both)
    assert set(both.accounts) == set(ACCOUNTS)
    assert both.homes.items() >= one.homes.items()
    assert {source for source, _ in moves} == {two.homes[bot] for bot in one.homes.keys() & two.homes.keys()}


@given(st.lists(chats))
def test_a_chat_arrives_once(more):
    person = grown("p", "ab", more)
    for at, chat in person.chats.items():
        assert arrived(person, at, chat) == (person, [])


def test_a_chat_whose_channel_got_another_bot_leaves_the_old_home_to_the_others():
    person = grown("p", "ab", [])
    assert person.home(key("a", "x"), Chat("a", "y")) is None
    after, moves = arrived(person, key("a", "x"), Chat("a", "y"))
    assert moves == [(key("a", "x"), key("b", "x"))]
    assert after.homes == {"x": key("b", "x"), "y": key("a", "x")}
