from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter_runtime.conversation import Usage
from stratarouter_runtime.policies.stream_assembly import StreamAssembler
from stratarouter_runtime.provider_errors import (
    ConnectionFailedError,
    ContentPolicyError,
    InvalidAnswerError,
    ServerError,
)
from stratarouter_runtime.providers.limits import CallLimits, PhaseLimits
from stratarouter_runtime.providers.openai_reading import AnswerReader, EventReader
from stratarouter_runtime.providers.openai_stream import ChunkReader
from stratarouter_runtime.stream_events import (
    Finish,
    StreamEvent,
    StreamStart,
    StreamWarning,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)

if TYPE_CHECKING:
    from stratarouter_runtime.errors import ProviderError

COUNTS = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def chunk(delta: Any = None, reason: Any = None, index: int = 0, **body: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta or {}, "finish_reason": reason}
    return {"id": "c-1", "model": "m-1", "choices": [choice], **body}


def call(index: Any = None, **function: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {} if index is None else {"index": index}
    if "id" in function:
        entry["id"] = function.pop("id")
    return {"tool_calls": [{**entry, "function": function}]}


def read(*chunks: dict[str, Any]) -> list[StreamEvent]:
    reader = ChunkReader("p", "m")
    events = [event for entry in chunks for event in reader.feed(entry)]
    return events + reader.end()


def warnings_of(events: list[StreamEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, StreamWarning)]


def test_a_plain_stream() -> None:
    assert read(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hé"}),
        chunk({"content": "llo"}),
        chunk({}, "stop"),
        {"choices": [], "usage": COUNTS},
    ) == [
        StreamStart(model="m-1", provider="p", request_id="c-1"),
        TextDelta("Hé"),
        TextDelta("llo"),
        UsageDelta(Usage(input_tokens=3, output_tokens=2)),
        Finish("stop"),
    ]


def test_pieces_of_tool_calls() -> None:
    events = read(
        chunk(call(0, id="a", name="fi", arguments="")),
        chunk(call(0, name="nd")),
        chunk(call(1, id="b", name="stop", arguments=None)),
        chunk(call(0, arguments='{"a":')),
        chunk(call(0, arguments="1}")),
        chunk({}, "stop"),
    )

    assert [event for event in events if isinstance(event, ToolCallDelta)] == [
        ToolCallDelta(index=0, id="a", name="fi"),
        ToolCallDelta(index=0, name="nd"),
        ToolCallDelta(index=1, id="b", name="stop"),
        ToolCallDelta(index=0, arguments='{"a":'),
        ToolCallDelta(index=0, arguments="1}"),
    ]
    assert events[-1] == Finish("tool_calls")


def test_tool_calls_without_numbers() -> None:
    events = read(
        chunk(call(id="a", name="find", arguments={"a": "é"})),
        chunk(call(id="b", name="stop")),
        chunk(call(arguments="{}")),
    )

    deltas = [event for event in events if isinstance(event, ToolCallDelta)]
    assert [(event.index, event.arguments) for event in deltas] == [
        (0, '{"a":"é"}'),
        (1, ""),
        (1, "{}"),
    ]


def test_other_choices_are_left_out_and_said_once() -> None:
    events = read(
        chunk({"content": "a"}),
        chunk({"content": "x"}, index=1),
        chunk({"content": "b"}),
        chunk({"content": "y"}, "length", index=1),
        chunk({}, "stop"),
    )

    assert [event.text for event in events if isinstance(event, TextDelta)] == ["a", "b"]
    assert len(warnings_of(events)) == 1
    assert events[-1] == Finish("stop")


def test_usage_replaces_usage() -> None:
    events = read(
        chunk({"content": "a"}, usage={"prompt_tokens": 3, "completion_tokens": 1}),
        chunk({"content": "b"}, "stop", usage=COUNTS),
        {"choices": [{}], "usage": COUNTS},
        {"choices": [], "usage": {"prompt_tokens": -1}},
    )

    used = [event.usage.output_tokens for event in events if isinstance(event, UsageDelta)]
    assert used == [1, 2]
    assert "usage" in warnings_of(events)[0]


@pytest.mark.parametrize("word", [None, "odd", 5])
def test_reasons_that_nobody_knows(word: object) -> None:
    events = read(chunk({"content": "a"}), chunk({}, word))

    assert events[-1] == Finish("unknown")
    assert bool(warnings_of(events)) == (word is None)


def test_a_refusal() -> None:
    events = read(chunk({"refusal": "I can"}), chunk({"refusal": "not."}), chunk({}, "stop"))

    assert [event.text for event in events if isinstance(event, TextDelta)] == ["I can", "not."]
    assert events[-1] == Finish("content_filter")
    assert len(warnings_of(events)) == 1


def test_more_after_the_end_is_passed_on_and_said() -> None:
    events = read(chunk({"content": "a"}, "stop"), chunk({"content": "b"}))

    assert TextDelta("b") in events
    assert "went on" in warnings_of(events)[0]


def test_thoughts_are_said_to_be_left_out_once() -> None:
    events = read(*(chunk({"reasoning_content": "Hm"}) for _ in range(3)), chunk({"content": "a"}))

    assert sum("reasoning" in text for text in warnings_of(events)) == 1


@pytest.mark.parametrize("odd", [{}, {"choices": []}, {"ping": 1}, {"choices": [{}]}])
def test_a_stream_without_an_answer_is_none(odd: dict[str, Any]) -> None:
    with pytest.raises(InvalidAnswerError, match="no answer"):
        read(odd, odd)


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": {}},
        {"choices": ["x"]},
        {"choices": [{"delta": "x"}]},
        {"choices": [{"delta": {"content": 5}}]},
        {"choices": [{"delta": {"tool_calls": "x"}}]},
        {"choices": [{"delta": {"tool_calls": ["x"]}}]},
        {"choices": [{"delta": {"tool_calls": [{"function": "x"}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": -1}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": 5}}]}}]},
    ],
)
def test_what_is_malformed_is_no_chunk(odd: dict[str, Any]) -> None:
    with pytest.raises(InvalidAnswerError):
        read(odd)


# ------------------------------------------------------------------------------ whole streams


class CannedAnswer:
    """An answer whose pieces are given."""

    def __init__(self, *pieces: bytes, failure: ProviderError | None = None) -> None:
        self.status = 200
        self.headers = {"content-type": "text/event-stream", "x-request-id": "r-1"}
        self.pieces = list(pieces)
        self.failure = failure

    def rest(self) -> bytes | None:
        return None

    async def read(self) -> bytes:
        if self.pieces:
            return self.pieces.pop(0)
        if self.failure is not None:
            raise self.failure
        return b""

    async def aclose(self) -> None:
        self.pieces.clear()


async def streamed(answer: CannedAnswer, into: list[StreamEvent] | None = None) -> Any:
    """Return an assembler that took all events; they are put into a list as they come."""
    limits = CallLimits("p", "m", PhaseLimits(), None)
    reader = AnswerReader(
        answer,
        limits,
        provider="p",
        model="m",
        secrets=("hush-hush",),
        wall_s=0.0,
        max_bytes=1000,
    )
    events = EventReader(answer, limits, reader, provider="p", model="m", max_event_bytes=1000)
    assembler = StreamAssembler("p")
    while (some := await events.next()) is not None:
        for event in some:
            assembler.feed(event)
            if into is not None:
                into.append(event)
    await events.drain()
    return assembler


def framed(*payloads: Any, end: str = "\n\n") -> bytes:
    texts = [entry if isinstance(entry, str) else json.dumps(entry) for entry in payloads]
    return "".join(f"data: {text}{end}" for text in texts).encode()


WHOLE = framed(
    chunk({"content": "é😀"}),
    chunk(call(0, id="a", name="find", arguments='{"a":')),
    chunk(call(0, arguments='"ü"}')),
    chunk({}, "tool_calls"),
    {"choices": [], "usage": COUNTS},
    "[DONE]",
).replace(b"\\u00e9\\ud83d\\ude00", "é😀".encode())


async def test_a_cut_at_every_byte_changes_nothing() -> None:
    expected = (await streamed(CannedAnswer(WHOLE))).completion()
    assert (expected.content, expected.tool_calls[0].arguments) == ("é😀", '{"a":"ü"}')

    for place in range(1, len(WHOLE)):
        answer = CannedAnswer(WHOLE[:place], WHOLE[place:])
        assert (await streamed(answer)).completion() == expected
    single = CannedAnswer(*(WHOLE[place : place + 1] for place in range(len(WHOLE))))
    assert (await streamed(single)).completion() == expected


async def test_a_stream_that_ends_too_early_never_looks_whole() -> None:
    whole = (await streamed(CannedAnswer(WHOLE))).completion()
    said = WHOLE.index(b'"finish_reason": "tool_calls"}]}') + len(
        b'"finish_reason": "tool_calls"}]}'
    )

    for place in range(len(WHOLE)):
        try:
            answer = (await streamed(CannedAnswer(WHOLE[:place]))).completion()
        except InvalidAnswerError:
            continue
        # Only what comes after the last word of the model may be missing.
        assert place >= said
        assert (answer.content, answer.tool_calls) == (whole.content, whole.tool_calls)


async def test_what_came_before_a_failure_is_delivered_first() -> None:
    events: list[StreamEvent] = []
    body = framed(chunk({"content": "a"}), chunk({"content": "b"}), '{"broken": ')

    with pytest.raises(InvalidAnswerError, match="no JSON"):
        await streamed(CannedAnswer(body), events)
    assert events[1:] == [TextDelta("a"), TextDelta("b")]


async def test_a_connection_that_breaks_after_the_last_word_is_forgiven() -> None:
    broken = ConnectionFailedError("p", "gone")
    body = framed(chunk({"content": "a"}), chunk({}, "stop"))
    assembler = await streamed(CannedAnswer(body, failure=broken))

    assert assembler.completion().finish_reason == "stop"
    assert "broke off" in assembler.completion().warnings[0]
    with pytest.raises(ConnectionFailedError):
        await streamed(CannedAnswer(framed(chunk({"content": "a"})), failure=broken))


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ({"error": {"message": "no", "type": "server_error"}}, ServerError),
        ({"error": {"message": "no", "code": "content_filter"}}, ContentPolicyError),
        ({"error": "no"}, ServerError),
        ({"object": "error", "message": "no", "type": "server_error"}, ServerError),
    ],
)
async def test_errors_within_a_stream(payload: Any, error: type[ProviderError]) -> None:
    events: list[StreamEvent] = []
    with pytest.raises(error, match="no") as caught:
        await streamed(CannedAnswer(framed(chunk({"content": "a"}), payload)), events)

    assert TextDelta("a") in events
    assert caught.value.request_id == "r-1"


async def test_named_error_events_and_keys_in_them() -> None:
    body = b'event: error\ndata: {"message": "hush-hush is bad"}\n\n'
    with pytest.raises(ServerError) as caught:
        await streamed(CannedAnswer(body))

    assert "hush" not in str(caught.value)
    assert "is bad" in str(caught.value)


async def test_nothing_counts_after_the_mark_of_the_end() -> None:
    tail = framed(chunk({"content": "more"}), {"error": "late"})
    body = framed(chunk({"content": "a"}), chunk({}, "stop"), "[DONE]")

    assert (await streamed(CannedAnswer(body + tail))).text == "a"
    assert (await streamed(CannedAnswer(body, tail))).text == "a"


async def test_an_event_that_is_too_large() -> None:
    with pytest.raises(InvalidAnswerError, match="exceeds 1000 bytes"):
        await streamed(CannedAnswer(b"data: " + b"x" * 600, b"x" * 600))
