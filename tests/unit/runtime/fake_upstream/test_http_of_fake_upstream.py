"""HTTP as clients really speak it: in pieces, in chunks, too much of it, and not at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from stratarouter_runtime.fake_upstream import FakeUpstream
from stratarouter_runtime.fake_upstream.parsing import RequestParser, TooLargeError, WireError
from tests.raw_http import post, talk

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = json.dumps({"model": "ok", "messages": [{"role": "user", "content": "x"}]}).encode()
START = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
WHOLE = START + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = (
    START
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + b"%x;name=value\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (9, BODY[:9], len(BODY) - 9, BODY[9:])
)


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """Return a server that takes small requests only."""
    with FakeUpstream(max_body_bytes=10_000) as running:
        yield running


@pytest.mark.parametrize("data", [WHOLE, CHUNKED], ids=["length", "chunks"])
def test_a_request_may_come_byte_by_byte(data: bytes) -> None:
    parser = RequestParser(10_000)
    for position in range(len(data) - 1):
        parser.feed(data[position : position + 1])
        assert parser.next() is None
    parser.feed(data[-1:])
    found = parser.next()

    assert found is not None
    assert (found.method, found.target, found.body) == ("POST", "/v1/chat/completions", BODY)
    assert (found.n_bytes, len(parser)) == (len(data), 0)


def test_requests_may_come_together(upstream: FakeUpstream) -> None:
    seen = talk(upstream.url, WHOLE * 3, answers=3)

    assert seen.status == 200
    assert seen.rest.count(b"HTTP/1.1 200") == 2


def test_a_slow_answer_holds_back_the_next(upstream: FakeUpstream) -> None:
    upstream.reset()
    body = BODY.replace(b'"ok"', b'"slow-5"')
    slow = START + b"content-length: %d\r\n\r\n" % len(body) + body
    seen = talk(upstream.url, slow + WHOLE, answers=2)

    assert seen.rest.count(b"HTTP/1.1 200") == 1
    assert [record.model for record in upstream.requests] == ["slow-5", "ok"]


def test_a_client_that_asks_first_is_told_to_go_on(upstream: FakeUpstream) -> None:
    head = WHOLE[: -len(BODY)].replace(b"host: x", b"host: x\r\nexpect: 100-continue")

    assert talk(upstream.url, head, timeout_s=0.2).raw.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("close", [b"HTTP/1.0\r\n", b"HTTP/1.1\r\nconnection: close\r\n"])
def test_a_connection_is_closed_if_the_client_wants_it(
    upstream: FakeUpstream, close: bytes
) -> None:
    for model in (b'"ok"', b'"slow-1"'):
        body = BODY.replace(b'"ok"', model)
        start = START.replace(b"HTTP/1.1\r\n", close)
        data = start + b"content-length: %d\r\n\r\n" % len(body) + body
        seen = talk(upstream.url, data)

        assert seen.status == 200
        assert upstream.wait_until(lambda it: it.connections[-1].closed_by == "server")


def test_nothing_is_served_after_the_last_request(upstream: FakeUpstream) -> None:
    upstream.reset()
    last = WHOLE.replace(b"host: x", b"connection: close")
    seen = talk(upstream.url, last + WHOLE, answers=2)

    assert (seen.status, seen.rest) == (200, b"")
    assert (upstream.calls, upstream.billed().calls) == (1, 1)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01 what a TLS client says first\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (START + b"transfer-encoding: chunked\r\n\r\n" + b"z" * 300, 400),
        (START + b"transfer-encoding: chunked\r\n\r\nffff\r\n", 413),
        (START + b"content-length: 10001\r\n\r\n", 413),
        (START + b"x: " + b"y" * 70_000, 431),
    ],
)
def test_what_is_no_request_is_refused(upstream: FakeUpstream, data: bytes, status: int) -> None:
    upstream.reset()
    seen = talk(upstream.url, data)

    assert seen.status == status
    assert upstream.calls == 0


def test_errors_of_the_parser_carry_a_status() -> None:
    parser = RequestParser(10)
    parser.feed(START + b"content-length: 11\r\n\r\n")

    with pytest.raises(TooLargeError) as caught:
        parser.next()
    assert caught.value.status == 413
    assert WireError("x").status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models", 200),
        ("HEAD", "/v1/models", 200),
        ("GET", "/v1/models/gpt-4o", 200),
        ("GET", "/v1beta/models/gemini-pro", 200),
        ("GET", "/api/tags", 200),
        ("GET", "/nowhere", 404),
        ("POST", "/nowhere", 404),
        ("DELETE", "/v1/models", 405),
    ],
)
def test_paths(upstream: FakeUpstream, method: str, path: str, status: int) -> None:
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"

    assert talk(upstream.url, head.encode(), timeout_s=0.2).status == status


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\xff",
        b"[" * 5000,
        b"{}",
        b'{"model": "ok"}',
        b'{"model": 5, "messages": [{}]}',
        b'{"model": "ok", "messages": []}',
        b'{"model": "ok", "messages": ["x"]}',
        b'{"model": "ok", "messages": [{"role": "user", "content": "x"}], "n": 99}',
        b'{"model": "ok", "messages": [{"role": "user", "content": "x"}], "tools": 5}',
    ],
)
def test_bodies_that_mean_nothing_are_refused(upstream: FakeUpstream, body: bytes) -> None:
    seen = talk(upstream.url, START + b"content-length: %d\r\n\r\n" % len(body) + body)

    assert seen.status == 400
    assert seen.json["error"]["type"] == "invalid_request_error"


def test_half_a_character_is_echoed_as_an_escape(upstream: FakeUpstream) -> None:
    messages = [{"role": "user", "content": "half \ud83d"}]

    assert (
        post(upstream.url, "echo", messages=messages).json["choices"][0]["message"]["content"]
        == "half \ud83d"
    )
