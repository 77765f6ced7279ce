"""Laws of the fake upstream: no request brings it down, and every answer adds up."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter_runtime.fake_upstream.actions import Send
from stratarouter_runtime.fake_upstream.exchange import count_tokens
from stratarouter_runtime.fake_upstream.faults.catalogue import FAULTS
from stratarouter_runtime.fake_upstream.journal import Journal
from stratarouter_runtime.fake_upstream.options import Options
from stratarouter_runtime.fake_upstream.parsing import IncomingRequest, RequestParser, WireError
from stratarouter_runtime.fake_upstream.samples import sample_value, sample_vector
from stratarouter_runtime.fake_upstream.service import Service
from tests.raw_http import BODIES, PATHS, body_for

if TYPE_CHECKING:
    from stratarouter_runtime.fake_upstream.records import RequestRecord

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
SCHEMA_WORDS = ["type", "items", "properties", "enum", "anyOf"]
TEXTS = st.text(max_size=60)


def record_of(path: str, body: bytes, number: int = 1) -> RequestRecord:
    """Return the record of a request."""
    journal = Journal(keep=1)
    incoming = IncomingRequest("POST", path, b"", body, keep_alive=True, n_bytes=len(body))
    record = journal.open_request(incoming, 1)
    record.number = number
    return record


@pytest.mark.parametrize(("wire", "operation"), PATHS)
@given(data=st.data())
def test_no_body_brings_it_down(wire: str, operation: str, data: st.DataObject) -> None:
    body = body_for(wire, operation, "echo")
    body[data.draw(st.sampled_from(sorted(body)))] = data.draw(JSON)
    inner = data.draw(st.sampled_from(["role", "content", "parts", "function", "tools", "x"]))
    if isinstance(body.get("messages"), list):
        body["messages"] = [{"role": "user", inner: data.draw(JSON)}]
    path = PATHS[wire, operation].format(model="echo")

    plan = Service(Options()).plan(record_of(path, json.dumps(body).encode()))

    assert plan.status in {200, 400, 404, 501}


@pytest.mark.parametrize(("wire", "operation"), PATHS)
@given(text=TEXTS, number=st.integers(1, 99_999_999))
def test_the_same_request_is_answered_by_the_same_bytes(
    wire: str, operation: str, text: str, number: int
) -> None:
    body = json.dumps(body_for(wire, operation, "echo")).replace("parcel", json.dumps(text)[1:-1])
    path = PATHS[wire, operation].format(model="echo")
    fresh, used = Service(Options()), Service(Options())
    used.plan(record_of(path, body.encode(), 7))

    first = fresh.plan(record_of(path, body.encode(), number))
    again = used.plan(record_of(path, body.encode(), number))

    assert bytes_of(first.actions) == bytes_of(again.actions)


def bytes_of(actions: Any) -> tuple[bytes, int, int]:
    """Return what is sent, and what is billed for it."""
    sends = [action for action in actions if isinstance(action, Send)]
    return (
        b"".join(send.data for send in sends),
        sum(send.input_tokens for send in sends),
        sum(send.output_tokens for send in sends),
    )


@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
def test_a_stream_bills_what_a_whole_answer_does(texts: list[str]) -> None:
    messages = [{"role": "user", "content": text} for text in texts]
    service = Service(Options())
    bills = []
    for stream in (False, True):
        body = json.dumps({"model": "echo", "messages": messages, "stream": stream})
        plan = service.plan(record_of("/v1/chat/completions", body.encode()))
        bills.append(bytes_of(plan.actions)[1:])

    assert bills[0] == bills[1] == (sum(map(count_tokens, texts)), count_tokens(texts[-1]))


@given(
    name=st.sampled_from([name for name, fault in FAULTS.items() if fault.perform is not None]),
    place=st.sampled_from(sorted(PATHS)),
    text=TEXTS,
)
def test_no_fault_sends_more_than_it_bills(name: str, place: tuple[str, str], text: str) -> None:
    wire, operation = place
    kind = "embed" if operation == "embed" else "chat"
    body = json.dumps({**body_for(wire, operation, f"fault-{name}"), "unused": text})
    path = PATHS[place].format(model=f"fault-{name}")
    plan = Service(Options(large_body_bytes=10)).plan(record_of(path, body.encode()))
    read, written = bytes_of(plan.actions)[1:]

    assert (wire, kind) in BODIES
    assert (FAULTS[name].bills != "nothing") or (read, written) == (0, 0)
    assert read >= 0 <= written


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=5))
def test_the_parser_takes_any_bytes_in_any_pieces(data: bytes, cuts: list[int]) -> None:
    def outcome(pieces: list[bytes]) -> object:
        parser = RequestParser(1000)
        found = []
        try:
            for piece in pieces:
                parser.feed(piece)
                while (request := parser.next()) is not None:
                    found.append(request)
        except WireError as error:
            return [*found, error.status]
        return found

    start = b"POST /x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" if cuts else b""
    whole = start + data
    borders = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(borders)]

    assert outcome(pieces) == outcome([whole])


@given(
    schema=st.dictionaries(st.sampled_from(["type", "items", "properties", "enum", "anyOf"]), JSON)
)
def test_any_schema_has_a_sample(schema: dict[str, Any]) -> None:
    assert json.dumps(sample_value(schema, "x")) is not None


@given(text=TEXTS, dimension=st.integers(1, 64))
def test_vectors_have_unit_length(text: str, dimension: int) -> None:
    vector = sample_vector(text, dimension)

    assert len(vector) == dimension
    assert sum(value * value for value in vector) == pytest.approx(1.0, abs=1e-5)
