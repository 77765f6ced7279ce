from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter_runtime.provider_errors import InvalidAnswerError
from stratarouter_runtime.providers.sse import ServerEvent, ServerEventParser

BODY = (
    b'\xef\xbb\xbf: hello\n\nevent: chunk\r\ndata: {"a":\r\ndata:1}\r\n\r\n'
    b"id: 7\rretry: 5\rdata: caf\xc3\xa9 \xf0\x9f\x98\x80\r\r:ping\n\ndata\n\ndata: [DONE]\n\n"
)
EVENTS = [
    ServerEvent(b"chunk", b'{"a":\n1}'),
    ServerEvent(b"", "café 😀".encode()),
    ServerEvent(b"", b""),
    ServerEvent(b"", b"[DONE]"),
]


def parsed(*pieces: bytes, is_ended: bool = True) -> list[ServerEvent]:
    parser = ServerEventParser("p")
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.end() if is_ended else events


def test_all_that_the_standard_knows() -> None:
    assert parsed(BODY, is_ended=False) == EVENTS


@pytest.mark.parametrize("place", range(len(BODY) + 1))
def test_a_cut_anywhere_changes_nothing(place: int) -> None:
    assert parsed(BODY[:place], BODY[place:], is_ended=False) == EVENTS


def test_byte_by_byte() -> None:
    assert parsed(*(BODY[place : place + 1] for place in range(len(BODY)))) == EVENTS


@given(st.lists(st.integers(0, len(BODY))))
def test_any_cuts_change_nothing(places: list[int]) -> None:
    borders = [0, *sorted(places), len(BODY)]
    pieces = [BODY[first:last] for first, last in pairwise(borders)]

    assert parsed(*pieces) == EVENTS


def test_the_last_event_needs_no_empty_line() -> None:
    assert parsed(b"data: 1\n\ndata: 2\n") == [ServerEvent(b"", b"1"), ServerEvent(b"", b"2")]
    assert parsed(b"data: 1") == [ServerEvent(b"", b"1")]
    assert parsed(b"") == []
    assert parsed(b": only a comment") == []


def test_names_do_not_last() -> None:
    assert parsed(b"event: a\n\ndata: 1\n\n") == [ServerEvent(b"", b"1")]
    assert parsed(b"event: a\ndata: 1\n\ndata: 2\n\n") == [
        ServerEvent(b"a", b"1"),
        ServerEvent(b"", b"2"),
    ]


def test_only_one_blank_belongs_to_the_field() -> None:
    assert parsed(b"data:  x\n\ndata:y:z\n\n") == [
        ServerEvent(b"", b" x"),
        ServerEvent(b"", b"y:z"),
    ]


def test_events_have_a_largest_size() -> None:
    parser = ServerEventParser("p", max_event_bytes=10)

    assert parser.feed(b"data: 1234\n\n") == [ServerEvent(b"", b"1234")]
    with pytest.raises(InvalidAnswerError, match="exceeds 10 bytes"):
        parser.feed(b"data: 1234567890")


@pytest.mark.parametrize("line", [b"data: 1234567\n", b"x" * 20])
def test_lines_and_sums_of_lines_have_a_largest_size(line: bytes) -> None:
    parser = ServerEventParser("p", max_event_bytes=23)

    parser.feed(line)
    with pytest.raises(InvalidAnswerError, match="exceeds 23 bytes"):
        parser.feed(line * 2)


def test_many_events_may_be_larger_together() -> None:
    parser = ServerEventParser("p", max_event_bytes=15)

    assert len(parser.feed(b"data: 123456\n\n" * 100)) == 100


@given(st.binary(max_size=200))
def test_nothing_breaks_it(data: bytes) -> None:
    assert parsed(data) == parsed(*(data[place : place + 1] for place in range(len(data))))
