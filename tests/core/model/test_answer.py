import json
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.answer import MAX_ANSWER, Answer
from core.model.calls import CallFragment, Calls, FunctionFragment
from core.model.errors import BrokenStream
from core.model.port import CallPiece, End, Piece, TextPiece
from core.model.sse import MAX_EVENT, Events, GarbledEvents


def event(data: object, line: str = "\n") -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}{line}{line}".encode()


def chunk(delta: dict[str, object], reason: str | None = None) -> dict[str, object]:
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def read(*received: bytes) -> list[Piece]:
    answer = Answer("asked", 7)
    return [*(piece for data in received for piece in answer.feed(data)), *answer.end()]


def split(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:stop] for start, stop in pairwise(places)]


@given(st.lists(st.text(min_size=1, max_size=8), max_size=6), st.lists(st.integers(0, 10_000), max_size=30),
       st.sampled_from(["\n", "\r\n"]))  # fmt: skip
def test_any_split_of_the_bytes_gives_the_same_answer(texts, cuts, line):
    wire = b": hello\n\n" + b"".join(event(chunk({"content": text}), line) for text in texts)
    wire += event(chunk({}, "stop"), line) + event(
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    )
    expected = [*map(TextPiece, texts), End("stop", "m", 3, 4, estimated=False)]
    assert read(*split(wire + b"data: [DONE]\n\n", cuts)) == expected


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3), st.lists(st.integers(0, 999), max_size=9))
def test_any_split_of_a_call_gives_the_same_call(arguments, cuts):
    text = json.dumps(arguments)
    calls = Calls()
    calls.add([CallFragment(0, "c1", FunctionFragment("look_up", ""))])
    for part in split(text.encode(), cuts):
        calls.add([CallFragment(0, None, FunctionFragment(None, part.decode()))])
    (call,) = calls.finished()
    assert (call.id, call.name, call.arguments) == ("c1", "look_up", text)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), min_size=1, max_size=5),
       st.lists(st.integers(0, 999), max_size=6), st.booleans(), st.booleans())  # fmt: skip
def test_calls_stay_apart_when_ids_or_indexes_are_missing(wanted, cuts, with_id, with_index):
    calls = Calls()
    for number, (name, value) in enumerate(wanted):
        first, *rest = split(json.dumps({"value": value}).encode(), cuts)
        index = number if with_index else None
        calls.add([CallFragment(index, f"c{number}" if with_id else None, FunctionFragment(name, first.decode()))])
        for part in rest:
            calls.add([CallFragment(index, None, FunctionFragment(None, part.decode()))])
    assert [(call.name, json.loads(call.arguments)["value"]) for call in calls.finished()] == wanted
    assert len({call.id for call in calls.finished()}) == len(wanted)


def test_whole_calls_that_all_claim_to_be_the_first_stay_apart():
    calls = Calls()
    for value in ("1", "2"):
        calls.add([CallFragment(0, None, FunctionFragment("look", {"value": value}))])
    assert [call.arguments for call in calls.finished()] == ['{"value":"1"}', '{"value":"2"}']


@pytest.mark.parametrize(
    ("told", "reason"),
    [("stop", "stop"), ("length", "length"), ("max_tokens", "length"), ("eos", "stop"), ("tool_calls", "stop")],
)
def test_each_servers_word_for_the_end_is_understood(told, reason):
    assert read(event(chunk({"content": "x"})), event(chunk({}, told)))[-1].reason == reason


def test_calls_count_as_calls_even_where_the_server_says_stop():
    call = {"id": "c", "function": {"name": "f", "arguments": ""}}
    *_, called, end = read(event(chunk({"tool_calls": [call]}, "stop")))
    assert isinstance(called, CallPiece)
    assert called.calls[0].arguments == "{}"
    assert end.reason == "tool_calls"


@pytest.mark.parametrize(
    "data",
    [
        {"error": {"message": "no"}},
        {"error": "no"},
        {"error": ["no"]},
        {"object": "error", "message": "no", "code": 500},
        {"choices": "none"},
        {"choices": [{"delta": {"content": 5}}]},
        [],
        None,
    ],
)
def test_an_event_that_is_no_part_of_an_answer_breaks_it(data):
    with pytest.raises(BrokenStream) as broken:
        read(event(chunk({"content": "so far"})), event(data), event(chunk({}, "stop")))
    assert broken.value.said == "so far"


@pytest.mark.parametrize(
    "text", [b"data: \xff\n\n", b"data: {\n\n", b"nonsense at all\n\n", b"data: " + b"[" * 200_000 + b"\n\n"]
)
def test_bytes_that_make_no_sense_break_the_answer(text):
    with pytest.raises(BrokenStream):
        read(text, event(chunk({}, "stop")))


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_stumble(noise):
    with pytest.raises(BrokenStream):
        read(noise)


def test_thoughts_are_a_sign_of_life_and_no_text():
    answer = Answer("m", 0)
    assert list(answer.feed(event(chunk({"role": "assistant", "content": "", "reasoning_content": None})))) == []
    assert answer.signs_of_life == 0
    assert list(answer.feed(event(chunk({"reasoning_content": "hm"})) + event(chunk({"reasoning": "well"})))) == []
    assert answer.signs_of_life == 2


def test_text_in_parts_is_text():
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "yes"}]
    assert read(event(chunk({"content": parts}, "stop")))[0] == TextPiece("yes")


def test_an_answer_that_never_stops_growing_is_broken_off():
    answer = Answer("m", 0)
    wire = event(chunk({"content": "x" * 50_000})) * 20
    with pytest.raises(BrokenStream) as broken:
        list(answer.feed(wire))
    assert len(broken.value.said) <= MAX_ANSWER


def test_a_line_that_never_ends_is_not_kept():
    events = Events()
    assert list(events.feed(b"x" * MAX_EVENT)) == []
    with pytest.raises(GarbledEvents):
        list(events.feed(b"x"))


def test_data_over_several_lines_is_one_event():
    assert list(Events().feed(b'event: x\ndata: {"a":\ndata: 1}\n\ndata:2\n\n')) == [b'{"a":\n1}', b"2"]
