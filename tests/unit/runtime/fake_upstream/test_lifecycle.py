"""Starting, stopping and resetting: nothing is left behind, and everything is bounded."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import threading
from time import monotonic
from urllib.parse import urlsplit

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.fake_upstream import FakeUpstream, FunctionCall, Reply
from stratarouter_runtime.fake_upstream.journal import Journal
from stratarouter_runtime.fake_upstream.parsing import IncomingRequest
from tests.raw_http import post, talk

GET = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
HANGING = ("fault-slow-headers", "fault-late-success", "fault-never-ends", "slow-60000")


def open_files() -> int:
    """Return how many files and sockets this process has open."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only the count matters.


def hang(url: str, model: str) -> socket.socket:
    """Send a request and do not wait for the answer."""
    place = urlsplit(url)
    client = socket.create_connection((place.hostname, place.port), timeout=5)
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "x"}}]}}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n"
    client.sendall(f"{head}{body}".encode())
    return client


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts files through /proc")
def test_nothing_is_left_behind() -> None:
    with FakeUpstream() as upstream:
        post(upstream.url, "ok")
    before = open_files(), threading.active_count()

    for _ in range(3):
        with FakeUpstream() as upstream:
            for name in ("refused", "black-hole", "slow-accept", "reset", "half-close"):
                upstream.connect_url(name)
            clients = [hang(upstream.url, model) for model in HANGING]
            assert upstream.wait_until(lambda it: it.calls == len(HANGING))
            started_s = monotonic()
            upstream.close()
            assert monotonic() - started_s < 1.0
        for client in clients:
            client.close()

    assert (open_files(), threading.active_count()) == before


def test_closing_ends_every_connection() -> None:
    with FakeUpstream() as upstream:
        clients = [hang(upstream.url, model) for model in HANGING]
        assert upstream.wait_until(lambda it: it.calls == len(HANGING))

    for client in clients:
        client.settimeout(5)
        try:
            while client.recv(1000):
                pass
        except ConnectionResetError:
            pass
        client.close()


def test_closing_twice_and_starting_again() -> None:
    upstream = FakeUpstream().start()
    assert upstream.start() is upstream
    upstream.close()
    upstream.close()
    with upstream:
        assert post(upstream.url, "ok").status == 200
    with pytest.raises(InvalidInputError, match="not running"):
        _ = upstream.requests
    assert repr(upstream) == "FakeUpstream(not started)"


async def test_it_is_an_async_context_manager_too() -> None:
    async with FakeUpstream() as upstream:
        client = hang(upstream.url, "fault-slow-headers")
        assert await upstream.until(lambda it: it.open_connections == 1)
        client.close()
        assert await upstream.until(lambda it: it.open_connections == 0)
        assert not await upstream.until(lambda it: it.calls == 5, timeout_s=0.01)


def test_a_taken_port_is_an_error() -> None:
    with (
        FakeUpstream() as upstream,
        pytest.raises(InvalidInputError, match=f"port {upstream.port}"),
    ):
        FakeUpstream(port=upstream.port).start()


@pytest.mark.parametrize(
    "settings",
    [
        {"time_scale": -1},
        {"time_scale": float("nan")},
        {"latency_ms": float("inf")},
        {"keep_requests": 0},
        {"embedding_dimension": 0},
        {"retry_after_s": True},
        {"default": "fault-nothing"},
        {"default": "gpt-4o"},
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        FakeUpstream(**settings)  # type: ignore[arg-type]


def test_clients_that_leave_are_noted() -> None:
    with FakeUpstream() as upstream:
        hang(upstream.url, "fault-slow-headers").close()
        assert upstream.wait_until(lambda it: bool(it.requests))
        assert upstream.wait_until(lambda it: it.requests[0].outcome == "client_left")
        (connection,), (request,) = upstream.connections, upstream.requests

        assert (connection.closed_by, connection.bytes_out) == ("client", 0)
        assert connection.first_byte_s is not None
        assert connection.closed_s is not None
        assert connection.opened_s <= connection.first_byte_s <= connection.closed_s
        assert (request.bytes_out, request.first_byte_s) == (0, None)
        assert upstream.billed().calls == 0


def test_records_are_bounded_and_sums_are_not() -> None:
    with FakeUpstream(keep_requests=3) as upstream:
        for number in range(5):
            post(upstream.url, f"ok@{number}")

        assert [record.number for record in upstream.requests] == [3, 4, 5]
        assert (upstream.calls, upstream.billed().calls) == (5, 5)
        assert upstream.billed("ok@0").calls == 1
        assert upstream.billed("nobody").calls == 0


def test_records_are_bounded_in_bytes_too() -> None:
    journal = Journal(keep=1000)
    body = bytes(10 * 1024 * 1024)
    for _ in range(10):
        incoming = IncomingRequest("POST", "/", b"", body, keep_alive=True, n_bytes=len(body))
        journal.open_request(incoming, 1)

    assert [record.number for record in journal.requests()] == [5, 6, 7, 8, 9, 10]
    assert journal.counts() == (10, 0, 0)


def test_reset_forgets_but_keeps_connections() -> None:
    with FakeUpstream() as upstream:
        upstream.script("mine", ["fault-503", "ok"])
        assert post(upstream.url, "mine").status == 503
        with hang(upstream.url, "fault-never-ends"):
            assert upstream.wait_until(lambda it: it.calls == 2)
            upstream.reset()
            assert (upstream.calls, upstream.requests, upstream.billed().calls) == (0, [], 0)
            assert upstream.open_connections == 1
        assert post(upstream.url, "mine").json["choices"][0]["message"]["content"].startswith("Wh")


def test_a_port_with_a_fault_may_recover() -> None:
    with FakeUpstream() as upstream:
        url = upstream.connect_url("reset", times=2)

        assert upstream.connect_url("reset", times=2) == url
        assert [talk(url, GET).ended for _ in range(3)] == ["reset", "reset", "answered"]
        for name in ("refused", "black-hole"):
            with pytest.raises(InvalidInputError, match="times"):
                upstream.connect_url(name, times=1)
        with pytest.raises(InvalidInputError, match="model name"):
            upstream.connect_url("cut")


def test_a_process_of_its_own_does_the_same() -> None:
    reply = Reply(tool_calls=(FunctionCall("find", '{"a": 1}'),), output_tokens=3)
    with FakeUpstream(process=True, time_scale=0.001) as upstream:
        upstream.script("mine", ["fault-429-ms", reply])
        first, second = post(upstream.url, "mine"), post(upstream.url, "mine")

        assert first.headers["retry-after-ms"] == "1000"
        assert second.json["choices"][0]["finish_reason"] == "tool_calls"
        assert upstream.requests[1].headers["authorization"] == "Bearer key-canary"
        assert upstream.requests[1].body
        assert upstream.billed("mine").output_tokens == 3
        assert upstream.wait_until(lambda it: it.open_connections == 0)
        assert [entry.closed_by for entry in upstream.connections] == ["client", "client"]
        assert talk(upstream.connect_url("reset"), GET).ended == "reset"
        upstream.reset()
        assert upstream.calls == 0
        with pytest.raises(InvalidInputError, match="cannot be used"):
            FakeUpstream(process=True, port=upstream.port).start()


def test_the_command_says_where_it_listens() -> None:
    command = [sys.executable, "-m", "stratarouter_runtime.fake_upstream", "--time-scale", "0.001"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert post(child.stdout.readline().strip(), "fault-slow-headers").status == 200
        child.terminate()


def test_the_command_refuses_what_it_cannot_do() -> None:
    command = [sys.executable, "-m", "stratarouter_runtime.fake_upstream", "--time-scale", "-1"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (answer.returncode, answer.stdout) == (2, "")
    assert "time_scale" in answer.stderr


def test_a_record_shows_no_key() -> None:
    with FakeUpstream() as upstream:
        post(upstream.url, "ok")

        assert "canary" not in repr(upstream.requests)
        assert upstream.requests[0].headers["authorization"] == "Bearer key-canary"
