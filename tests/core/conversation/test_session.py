"""A session as a turn reads it: how its messages stand, and which of them a summary covers."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from core.bot import Remembered
from core.conversation.session import Session
from core.conversation.summary import Summary
from core.engine.engine import Claim

WINDOW = 12


def asked(n, text=""):
    return [
        Remembered("user", f"q{n}{text}", ids=(f"{n}",)),
        Remembered("assistant", f"a{n}{text}", ids=(f"m{n}",), of=f"{n}"),
    ]


def taken_back(n):
    return [Remembered("user", "", ids=(f"{n}",))]


def read(records, summary=None):
    """As the store shows it to a turn."""
    seen = [msgspec.json.encode(record) for record in records[-WINDOW:]]
    stored = msgspec.json.encode(summary) if summary else None
    return Session.of(Claim("c", "1-0", 0, 1, [], None, seen, None, stored, len(records) - len(seen), "s", 0.0))


def covered(session):
    return session.history[: session.summary.upto - session.first] if session.summary else []


def texts(records):
    return [record.text for record in records]


def test_a_summary_covers_what_it_was_made_of_also_when_older_messages_were_said_anew_or_taken_back():
    records = [*asked(1), *asked(2), *asked(3)]
    session = read(records)
    summary = session.stored(Summary("of 1 and 2", session.first + 4))
    for later in (asked(1, " anew"), taken_back(1), asked(3, " anew"), taken_back(3)):
        after = read([*records, *session.anew(later)], summary)
        assert {text[:2] for text in texts(covered(after))} <= {"q1", "a1", "q2", "a2"}
        assert {"q2", "a2"} <= {text[:2] for text in texts(covered(after))}


def test_what_was_said_anew_stays_where_it_was_said_also_when_that_has_left_the_window():
    records = [*asked(1), *asked(2)]
    records += read(records).anew(asked(1, " anew"))
    records += [record for n in range(3, 7) for record in asked(n)]
    session = read(records, Summary("of 1 and 2", 4))
    assert texts(session.history)[:6] == ["q1 anew", "a1 anew", "q2", "a2", "q3", "a3"]
    assert texts(covered(session)) == ["q1 anew", "a1 anew", "q2", "a2"]


def test_a_summary_that_reaches_beyond_the_session_is_of_one_that_is_over():
    assert read(asked(1), Summary("old", 3)).summary is None
    assert read(asked(1), Summary("new", 2)).summary == Summary("new", 2)


def test_a_message_of_another_version_that_cannot_be_read_moves_no_other():
    records = [*asked(1), *asked(2)]
    claim = Claim(
        "c", "1-0", 0, 1, [], None, [msgspec.json.encode(record) for record in records], None, None, 0, "s", 0
    )
    claim.history[0] = b"?"
    claim.summary = msgspec.json.encode(Summary("of 1", 2))
    assert texts(covered(Session.of(claim))) == ["a1"]


def test_what_a_turn_adds_is_counted_as_the_next_turn_will_count_it():
    records = [*asked(1), *asked(2), *taken_back(1), *asked(3)]
    session, summary = read(records), Summary("of 2", 4)
    for said in (asked(4), session.anew(asked(2, " anew"))):
        assert read(records, summary).after(said) == read([*records, *said], summary)
    assert session.after(asked(4)).history == read([*records, *asked(4)]).history


steps = st.lists(
    st.tuples(st.sampled_from(["ask", "ask", "anew", "take back", "sum up"]), st.integers(0, 20)), max_size=40
)


@given(steps)
def test_a_summary_is_taken_for_what_it_was_made_of_and_for_nothing_else(steps):
    """Summed up is always all but the last three messages."""
    records, summary, known, number = [], None, set(), 0
    for step, at in steps:
        session = read(records, summary)
        n = 1 + at % max(1, number)
        if step == "ask":
            number += 1
            records += asked(number)
        elif step == "anew" and session.question(str(n), ""):
            records += session.anew(asked(n, f" anew {len(records)}"))
        elif step == "take back" and session.question(str(n), ""):
            records += taken_back(n)
        elif step == "sum up" and len(session.history) - 3 > len(covered(session)):
            known |= {of(record) for record in session.history[:-3]}
            summary = session.stored(Summary("", session.first + len(session.history) - 3))
        session = read(records, summary)
        hidden = len(covered(session))
        assert {of(record) for record in session.history[:hidden]} <= known
        assert not {of(record) for record in session.history[hidden:]} & known


def of(record):
    return record.text.partition(" anew")[0]
