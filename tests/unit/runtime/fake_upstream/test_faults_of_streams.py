"""Faults of streams and of state: a client of plain sockets looks at the bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter_runtime.fake_upstream import FAULTS, FakeUpstream
from tests.raw_http import chat_choices, chat_text, post

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


def cut(upstream: FakeUpstream) -> None:
    for variant, text in (("", OK[:8]), ("-0", ""), ("-1", OK[:4]), ("-3", OK[:12])):
        seen = post(upstream.url, f"fault-cut{variant}", "stream")

        assert (seen.status, seen.ended) == (200, "closed")
        assert chat_text(seen.events) == text
        assert upstream.requests[-1].output_tokens == len(text) // 4
        assert upstream.requests[-1].outcome == "cut"
    assert post(upstream.url, "fault-cut-reset", "stream").ended == "reset"


def no_done(upstream: FakeUpstream) -> None:
    seen = post(upstream.url, "fault-no-done", "stream")

    assert seen.ended == "answered"
    assert chat_text(seen.events) == OK
    assert "[DONE]" not in seen.events
    for wire in ("anthropic", "gemini", "cohere", "ollama"):
        usual, short = (
            post(upstream.url, name, "stream", wire) for name in ("ok", "fault-no-done")
        )
        assert len(short.events) == len(usual.events) - 1


def done_then_more(upstream: FakeUpstream) -> None:
    events = post(upstream.url, "fault-done-then-more", "stream").events

    assert events.index("[DONE]") == len(events) - 3
    assert chat_text(events) == OK + OK[:8]


def broken_line(upstream: FakeUpstream) -> None:
    events = post(upstream.url, "fault-broken-line", "stream").events
    broken = [event for event in events if isinstance(event, str) and event != "[DONE]"]

    assert len(broken) == 1
    assert chat_text(events) == OK[:8] + OK[12:]


def error_first(upstream: FakeUpstream) -> None:
    (event,) = post(upstream.url, "fault-error-first", "stream").events

    assert event["error"]["type"] == "server_error"


def error_mid(upstream: FakeUpstream) -> None:
    events = post(upstream.url, "fault-error-mid", "stream").events

    assert chat_text(events) == OK[:8]
    assert "error" in events[-1]
    assert upstream.requests[-1].output_tokens == 2


def split_utf8(upstream: FakeUpstream) -> None:
    seen = post(upstream.url, "fault-split-utf8", "stream")
    undecodable = 0
    for chunk in seen.chunks:
        try:
            chunk.decode()
        except UnicodeDecodeError:
            undecodable += 1

    # é has two bytes, ☕ and € have three: each of these bytes is in a piece of its own.
    assert undecodable == 8
    assert chat_text(seen.events) == OK


def crlf_mix(upstream: FakeUpstream) -> None:
    seen = post(upstream.url, "fault-crlf-mix", "stream")
    endings = {chunk.endswith(b"\r\n\r\n") for chunk in seen.chunks}

    assert endings == {True, False}
    assert chat_text(seen.events) == OK


def comments(upstream: FakeUpstream) -> None:
    seen = post(upstream.url, "fault-comments", "stream")

    assert seen.body.count(b": keep-alive\n\n") == len(seen.events)
    assert chat_text(seen.events) == OK
    assert b"event: ping\n" in post(upstream.url, "fault-comments", "stream", "anthropic").body


def tool_deltas(upstream: FakeUpstream, model: str) -> list[dict[str, Any]]:
    """Return the pieces of functions that a stream calls."""
    events = post(upstream.url, model, "stream").events
    deltas = [choice["delta"] for event in events for choice in chat_choices(event)]
    return [delta["tool_calls"][0]["function"] for delta in deltas if "tool_calls" in delta]


def tool_name_split(upstream: FakeUpstream) -> None:
    functions = tool_deltas(upstream, "fault-tool-name-split")
    names = [function["name"] for function in functions if "name" in function]

    assert (len(names), "".join(names)) == (2, "find_parcel")


def arguments_split(upstream: FakeUpstream) -> None:
    pieces = [
        function["arguments"]
        for function in tool_deltas(upstream, "fault-arguments-split")
        if function.get("arguments")
    ]

    assert {len(piece) for piece in pieces} == {1}
    assert json.loads("".join(pieces)) == {"place": "Where is my parcel, please?", "count": 1}


def two_choices(upstream: FakeUpstream) -> None:
    events = post(upstream.url, "fault-two-choices", "stream").events
    order = [chat_choices(event)[0]["index"] for event in events if chat_choices(event)]

    assert order == [0, 1] * (len(order) // 2)
    assert upstream.requests[-1].output_tokens == 28


def usage_in_choices(upstream: FakeUpstream) -> None:
    events = post(upstream.url, "fault-usage-in-choices", "stream").events

    assert events[-2]["choices"] == [{}]
    assert events[-2]["usage"]["completion_tokens"] == 14


def finish(name: str, reason: str | None) -> Check:
    def check(upstream: FakeUpstream) -> None:
        events = post(upstream.url, f"fault-{name}", "stream").events
        reasons = {choice["finish_reason"] for event in events for choice in chat_choices(event)}
        whole = post(upstream.url, f"fault-{name}").json["choices"][0]

        assert reasons - {None} == ({reason} - {None})
        assert whole["finish_reason"] == reason

    return check


def reordered(upstream: FakeUpstream) -> None:
    events = post(upstream.url, "fault-reordered", "stream").events

    assert chat_text(events) == OK[:8] + OK[12:16] + OK[8:12] + OK[16:]


def duplicated(upstream: FakeUpstream) -> None:
    events = post(upstream.url, "fault-duplicated", "stream").events

    assert chat_text(events) == OK[:12] + OK[8:]
    assert upstream.requests[-1].output_tokens == 14


def late_success(upstream: FakeUpstream) -> None:
    seen = post(upstream.url, "fault-late-success", timeout_s=5 * SCALE)

    assert (seen.ended, seen.raw) == ("silent", b"")
    assert upstream.wait_until(lambda it: it.requests[-1].outcome == "client_left")
    record = upstream.requests[-1]
    assert (record.bytes_out, record.output_tokens) == (0, 14)
    assert post(upstream.url, "fault-late-success").json["choices"][0]["message"]["content"] == OK


def answers_twice(upstream: FakeUpstream) -> None:
    for operation in ("complete", "stream", "embed"):
        seen = post(upstream.url, "fault-answers-twice", operation, answers=2)

        assert seen.status == 200
        assert seen.rest.count(b"HTTP/1.1 200") == 1
    assert upstream.requests[-2].output_tokens == 14


def changes_model(upstream: FakeUpstream) -> None:
    for operation in ("complete", "embed"):
        assert post(upstream.url, "fault-changes-model", operation).json["model"].endswith("-other")
    events = post(upstream.url, "fault-changes-model", "stream").events
    assert events[0]["model"] == "fault-changes-model-other"


def limit_reset(upstream: FakeUpstream) -> None:
    late = [post(upstream.url, "fault-limit-reset").status for _ in range(4)]
    first, second = (post(upstream.url, "fault-limit-reset-early") for _ in range(2))

    assert late == [429, 429, 200, 200]
    assert (first.status, second.status) == (429, 200)
    assert first.headers["retry-after"] == "1000"


CHECKS: dict[str, Check] = {
    "cut": cut,
    "no-done": no_done,
    "done-then-more": done_then_more,
    "broken-line": broken_line,
    "error-first": error_first,
    "error-mid": error_mid,
    "split-utf8": split_utf8,
    "crlf-mix": crlf_mix,
    "comments": comments,
    "tool-name-split": tool_name_split,
    "arguments-split": arguments_split,
    "two-choices": two_choices,
    "usage-in-choices": usage_in_choices,
    "finish-missing": finish("finish-missing", None),
    "finish-unknown": finish("finish-unknown", "unheard_of"),
    "reordered": reordered,
    "duplicated": duplicated,
    "late-success": late_success,
    "answers-twice": answers_twice,
    "changes-model": changes_model,
    "limit-reset": limit_reset,
}


@pytest.mark.parametrize(
    "name", [name for name, fault in FAULTS.items() if fault.kind in {"stream", "state"}]
)
def test_a_fault_does_what_it_says(upstream: FakeUpstream, name: str) -> None:
    upstream.reset()

    CHECKS[name](upstream)
