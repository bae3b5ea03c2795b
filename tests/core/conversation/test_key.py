from hypothesis import given
from hypothesis import strategies as st

from core.conversation.key import key
from core.events import Address, Message, User


def event(room="r", thread=None, user="u", direct=False, channel="c"):
    return Message(uid="1", address=Address(channel, room, thread), user=User(user), text="", direct=direct)


def test_a_thread_is_one_conversation_for_all_who_write_in_it():
    assert key(event(thread="t", user="a"), "thread") == key(event(thread="t", user="b"), "thread")


def test_without_a_thread_each_user_of_a_group_has_a_conversation():
    assert key(event(user="a"), "thread") != key(event(user="b"), "thread")


def test_a_direct_chat_is_one_conversation():
    assert key(event(direct=True), "thread") == key(event(direct=True), "user") == key(event(direct=True), "room")


def test_a_room_can_be_shared_by_all():
    assert key(event(thread="t", user="a"), "room") == key(event(user="b"), "room")


def test_a_user_can_have_one_conversation_over_all_threads_of_a_room():
    assert key(event(thread="t"), "user") == key(event(thread="s"), "user") != key(event(user="b"), "user")


names = st.text(min_size=1, max_size=5)


@given(names, names, names, names, names, names)
def test_no_name_can_be_mistaken_for_another_conversation(room, thread, user, room2, thread2, user2):
    one, other = event(room, thread, user), event(room2, thread2, user2)
    assert (key(one, "thread") == key(other, "thread")) == ((room, thread) == (room2, thread2))
    assert (key(one, "user") == key(other, "user")) == ((room, user) == (room2, user2))
    assert key(one, "user") != key(other, "thread")
