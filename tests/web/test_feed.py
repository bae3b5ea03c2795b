from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from simulators.stage import Seen, Wire
from web.feed import KEPT, KEPT_WIRE, LONGEST_BODY, Feed


def test_only_the_last_requests_are_shown_and_long_bodies_are_cut(stages):
    feed = Feed(0, stages[0])
    for number in range(60):
        stages[0].wire.append(Wire("POST", f"/{number}", "x" * 9_000, 200, inbound=True))
    wire = feed.news().wire
    assert [wire[0].path, wire[-1].path, len(wire)] == ["/10", "/59", KEPT_WIRE]
    assert len(wire[0].body) == LONGEST_BODY + 2
    stages[0].wire.append(Wire("GET", "/new", "", 200, inbound=True))
    assert [request.path for request in feed.news().wire] == ["/new"]


def test_messages_beyond_the_last_hundreds_leave_the_page(stages):
    feed = Feed(0, stages[0])
    for number in range(KEPT + 1):
        stages[0].add(str(number))
    assert [message.text for message in feed.news().messages][:1] == ["1"]
    stages[0].add("last")
    news = feed.news()
    assert ([m.text for m in news.messages], news.gone) == (["last"], (("group", "m2"),))
    assert feed.news() is None


actions = st.lists(
    st.tuples(st.sampled_from(["say", "edit", "delete", "drop", "look"]), st.integers(0, 9), st.text(max_size=3))
)


@given(actions)
def test_a_page_that_applies_the_news_sees_what_the_place_shows(steps):
    place, page = SimpleNamespace(messages=[], typing={}, wire=[]), {}
    feed = Feed(0, place)
    for number, (action, which, text) in enumerate([*steps, ("look", 0, "")]):
        message = place.messages[which % len(place.messages)] if place.messages else None
        match action, message:
            case "say", _:
                place.messages.append(Seen(id=str(number), room="r", author="a", text=text, time=number))
            case "edit", Seen():
                message.text = text
            case "delete", Seen():
                message.deleted = True
            case "drop", Seen():
                place.messages.remove(message)
            case "look", _:
                news = feed.news()
                for key in news.gone if news else ():
                    del page[key]
                page |= {(m.room, m.id): (m.text, m.deleted) for m in (news.messages if news else ())}
    assert list(page.items()) == [((m.room, m.id), (m.text, m.deleted)) for m in place.messages]
