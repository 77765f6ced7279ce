"""Faults of connections and statuses: a client of plain sockets looks at the bytes."""

from __future__ import annotations

import socket
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from stratarouter_runtime.fake_upstream import FAULTS, FakeUpstream
from tests.raw_http import post, talk

if TYPE_CHECKING:
    from collections.abc import Iterator

SCALE = 0.001
Check = Callable[[FakeUpstream], None]
GET = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """Return a server whose waits are short and whose large bodies are small."""
    with FakeUpstream(time_scale=SCALE, large_body_bytes=300_000) as running:
        yield running


def refused(upstream: FakeUpstream) -> None:
    with pytest.raises(ConnectionRefusedError):
        talk(upstream.refused_url, GET)


def black_hole(upstream: FakeUpstream) -> None:
    place = urlsplit(upstream.connect_url("black-hole"))
    with pytest.raises(TimeoutError):
        socket.create_connection((place.hostname, place.port), timeout=0.1)


def slow_accept(upstream: FakeUpstream) -> None:
    seen = talk(upstream.connect_url("slow-accept"), GET)

    assert (seen.status, seen.ended) == (200, "answered")
    assert upstream.connections[-1].fault == "slow-accept"


def reset(upstream: FakeUpstream) -> None:
    assert talk(upstream.connect_url("reset"), GET).ended == "reset"
    assert upstream.connections[-1].was_reset
    assert upstream.connections[-1].closed_by == "server"


def tls_garbage(upstream: FakeUpstream) -> None:
    seen = talk(upstream.connect_url("tls-garbage"), GET)

    assert seen.raw[:3] == b"\x15\x03\x03"
    assert seen.ended == "closed"


def half_close(upstream: FakeUpstream) -> None:
    place = urlsplit(upstream.connect_url("half-close"))
    with socket.create_connection((place.hostname, place.port), timeout=5) as client:
        client.sendall(GET)
        assert client.recv(100) == b""
        # The other half is open: bytes are still taken.
        before = upstream.connections[-1].bytes_in
        client.sendall(b"more")
        assert upstream.wait_until(lambda it: it.connections[-1].bytes_in == before + 4)
        assert upstream.connections[-1].closed_by == ""
    assert upstream.wait_until(lambda it: it.connections[-1].closed_by == "client")


def status(number: int) -> Check:
    def check(upstream: FakeUpstream) -> None:
        for operation in ("complete", "stream", "embed"):
            seen = post(upstream.url, f"fault-status-{number}", operation)

            assert seen.status == number
            assert seen.headers["content-type"] == "application/json"
            assert seen.json["error"]["message"]

    return check


def too_many(upstream: FakeUpstream) -> None:
    assert "retry-after" not in post(upstream.url, "fault-429").headers
    assert post(upstream.url, "fault-429-seconds").headers["retry-after"] == "1"
    assert post(upstream.url, "fault-429-ms").headers["retry-after-ms"] == "1000"
    assert post(upstream.url, "fault-429-absurd").headers["retry-after"] == "999999999"
    assert post(upstream.url, "fault-429-negative").headers["retry-after"] == "-5"
    date = post(upstream.url, "fault-429-date").headers["retry-after"]
    assert parsedate_to_datetime(date).tzinfo is not None
    assert post(upstream.url, "fault-429-quota").json["error"]["code"] == "insufficient_quota"


def bad_request(upstream: FakeUpstream) -> None:
    status(400)(upstream)
    context, content = (post(upstream.url, f"fault-400-{why}") for why in ("context", "content"))

    assert context.json["error"]["code"] == "context_length_exceeded"
    assert content.json["error"]["code"] == "content_policy_violation"


def redirect(upstream: FakeUpstream) -> None:
    seen = post(upstream.url, "fault-status-302")

    assert seen.status == 302
    assert seen.headers["location"] == f"http://localhost:{upstream.port}/redirected"
    assert talk(upstream.url, b"GET /redirected HTTP/1.1\r\n\r\n").json == {"redirected": True}


CHECKS: dict[str, Check] = {
    "refused": refused,
    "black-hole": black_hole,
    "slow-accept": slow_accept,
    "reset": reset,
    "tls-garbage": tls_garbage,
    "half-close": half_close,
    "status-400": bad_request,
    **{
        f"status-{number}": status(number)
        for number in (401, 403, 404, 408, 409, 413, 422, 500, 502, 503, 504, 529)
    },
    "status-429": too_many,
    "status-302": redirect,
}


@pytest.mark.parametrize(
    "name", [name for name, fault in FAULTS.items() if fault.kind in {"connect", "status"}]
)
def test_a_fault_does_what_it_says(upstream: FakeUpstream, name: str) -> None:
    upstream.reset()

    CHECKS[name](upstream)
