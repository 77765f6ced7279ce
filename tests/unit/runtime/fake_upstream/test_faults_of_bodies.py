"""Faults of bodies and of time: a client of plain sockets looks at the bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from stratarouter_runtime.fake_upstream import FAULTS, FakeUpstream
from tests.raw_http import chat_text, post

if TYPE_CHECKING:
    from collections.abc import Iterator

SCALE = 0.001
Check = Callable[[FakeUpstream], None]
OK = "Everything is in order: the café ☕ is open, 3 € a cup."


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """Return a server whose waits are short and whose large bodies are small."""
    with FakeUpstream(time_scale=SCALE, large_body_bytes=300_000) as running:
        yield running


def elapsed_s(upstream: FakeUpstream) -> float:
    """Return how long the latest request took."""
    record = upstream.requests[-1]
    assert record.ended_s is not None
    return record.ended_s - record.started_s


def empty(upstream: FakeUpstream) -> None:
    for operation in ("complete", "stream", "embed"):
        seen = post(upstream.url, "fault-empty-200", operation)

        assert (seen.status, seen.body, seen.ended) == (200, b"", "answered")


def truncated(upstream: FakeUpstream) -> None:
    for operation in ("complete", "embed"):
        seen = post(upstream.url, "fault-truncated-json", operation)

        assert seen.ended == "answered"
        with pytest.raises(json.JSONDecodeError):
            _ = seen.json
    assert isinstance(post(upstream.url, "fault-truncated-json", "stream").events[-1], str)
    for operation in ("complete", "stream", "embed"):
        assert post(upstream.url, "fault-truncated-json-closed", operation).ended == "closed"


def wrong_type(upstream: FakeUpstream) -> None:
    seen = post(upstream.url, "fault-wrong-content-type")

    assert seen.headers["content-type"].startswith("text/plain")
    assert seen.json["choices"][0]["message"]["content"] == OK
    assert chat_text(post(upstream.url, "fault-wrong-content-type", "stream").events) == OK


def large(upstream: FakeUpstream) -> None:
    for operation in ("complete", "embed"):
        seen = post(upstream.url, "fault-large-body", operation)

        assert len(seen.json["padding"]) == 300_000
    streamed = post(upstream.url, "fault-large-body", "stream")
    assert chat_text(streamed.events) == OK
    assert len(streamed.body) > 300_000


def invalid_utf8(upstream: FakeUpstream) -> None:
    for operation in ("complete", "stream", "embed"):
        seen = post(upstream.url, "fault-invalid-utf8", operation)

        assert seen.ended == "answered"
        with pytest.raises(UnicodeDecodeError):
            seen.body.decode()


def duplicate_keys(upstream: FakeUpstream) -> None:
    seen = post(upstream.url, "fault-duplicate-keys")
    pairs = json.loads(seen.body, object_pairs_hook=list)
    names = [name for name, _ in pairs]

    assert names.count("choices") == 2
    assert seen.json["choices"][0]["message"]["content"] == OK
    assert post(upstream.url, "fault-duplicate-keys", "embed").body.count(b'"data"') == 2
    assert chat_text(post(upstream.url, "fault-duplicate-keys", "stream").events) == OK


def nan(upstream: FakeUpstream) -> None:
    assert math.isnan(post(upstream.url, "fault-nan").json["score"])
    assert b"NaN" in post(upstream.url, "fault-nan", "stream").body
    vectors = post(upstream.url, "fault-nan", "embed").json["data"]
    assert all(math.isnan(entry["embedding"][0]) for entry in vectors)


def error_in_200(upstream: FakeUpstream) -> None:
    for operation in ("complete", "stream", "embed"):
        seen = post(upstream.url, "fault-error-in-200", operation)

        assert (seen.status, set(seen.json)) == (200, {"error"})


def usage_missing(upstream: FakeUpstream) -> None:
    for operation in ("complete", "embed"):
        assert "usage" not in post(upstream.url, "fault-usage-missing", operation).json
    assert b'"usage"' not in post(upstream.url, "fault-usage-missing", "stream").body
    assert upstream.requests[-1].output_tokens == 14


def usage_wrong(upstream: FakeUpstream) -> None:
    negative = post(upstream.url, "fault-usage-wrong").json["usage"]
    inflated = post(upstream.url, "fault-usage-wrong-inflated").json["usage"]
    summed = post(upstream.url, "fault-usage-wrong-sum").json["usage"]

    assert negative["completion_tokens"] == -1
    assert inflated["completion_tokens"] == 14_000
    assert summed["total_tokens"] == summed["prompt_tokens"] + summed["completion_tokens"] + 7
    assert post(upstream.url, "fault-usage-wrong", "embed").json["usage"]["prompt_tokens"] == -1


def slow_headers(upstream: FakeUpstream) -> None:
    assert post(upstream.url, "fault-slow-headers").status == 200
    record = upstream.requests[-1]
    assert record.first_byte_s is not None
    assert record.first_byte_s - record.started_s >= 10 * SCALE


def slow_part(name: str, seconds: float) -> Check:
    def check(upstream: FakeUpstream) -> None:
        assert chat_text(post(upstream.url, f"fault-{name}", "stream").events) == OK
        record = upstream.requests[-1]
        assert record.first_byte_s is not None
        # The head went out at once, the wait came after it.
        assert record.first_byte_s - record.started_s < seconds * SCALE
        assert elapsed_s(upstream) >= seconds * SCALE

    return check


def idle_gap(upstream: FakeUpstream) -> None:
    slow_part("idle-gap", 30)(upstream)
    for operation in ("complete", "embed"):
        assert post(upstream.url, "fault-idle-gap", operation).json
        assert elapsed_s(upstream) >= 30 * SCALE


def drip(upstream: FakeUpstream) -> None:
    seen = post(upstream.url, "fault-drip")

    assert seen.json["choices"][0]["message"]["content"] == OK
    assert elapsed_s(upstream) >= len(seen.body) * SCALE
    streamed = post(upstream.url, "fault-drip", "stream", timeout_s=0.1)
    assert streamed.ended == "silent"
    assert {len(chunk) for chunk in streamed.chunks} == {1}


def never_ends(upstream: FakeUpstream) -> None:
    for operation in ("complete", "stream", "embed"):
        seen = post(upstream.url, "fault-never-ends", operation, timeout_s=0.1)

        assert (seen.ended, seen.status) == ("silent", 200)
        assert len(seen.chunks) > 10
        assert upstream.wait_until(lambda it: it.requests[-1].outcome == "client_left")
    streamed = upstream.requests[-2]
    assert streamed.output_tokens > 14


CHECKS: dict[str, Check] = {
    "empty-200": empty,
    "truncated-json": truncated,
    "wrong-content-type": wrong_type,
    "large-body": large,
    "invalid-utf8": invalid_utf8,
    "duplicate-keys": duplicate_keys,
    "nan": nan,
    "error-in-200": error_in_200,
    "usage-missing": usage_missing,
    "usage-wrong": usage_wrong,
    "slow-headers": slow_headers,
    "slow-first-token": slow_part("slow-first-token", 10),
    "slow-second-chunk": slow_part("slow-second-chunk", 10),
    "idle-gap": idle_gap,
    "drip": drip,
    "never-ends": never_ends,
}


@pytest.mark.parametrize(
    "name", [name for name, fault in FAULTS.items() if fault.kind in {"body", "time"}]
)
def test_a_fault_does_what_it_says(upstream: FakeUpstream, name: str) -> None:
    upstream.reset()

    CHECKS[name](upstream)
