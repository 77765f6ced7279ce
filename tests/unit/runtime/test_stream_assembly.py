"""Answers put together from pieces, however they were cut."""

from __future__ import annotations

import pytest

from stratarouter_runtime.conversation import CompletionRequest, Message, ToolCall, Usage
from stratarouter_runtime.policies.finish_reasons import finish_reason
from stratarouter_runtime.policies.stream_assembly import StreamAssembler
from stratarouter_runtime.provider_errors import InvalidAnswerError, RateLimitedError
from stratarouter_runtime.stream_events import (
    Finish,
    StreamError,
    StreamEvent,
    StreamStart,
    StreamWarning,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)


def assembled(*events: StreamEvent) -> StreamAssembler:
    """Return an assembler that was fed some events."""
    assembler = StreamAssembler("p")
    for event in events:
        assembler.feed(event)
    return assembler


def test_everything_that_is_said_is_in_the_answer() -> None:
    answer = assembled(
        StreamStart(model="m", provider="q", request_id="r"),
        TextDelta("a"),
        TextDelta(""),
        TextDelta("b"),
        UsageDelta(Usage(input_tokens=3)),
        StreamWarning("seed is not supported"),
        Finish("length"),
        UsageDelta(Usage(input_tokens=3, output_tokens=2)),
    ).completion()

    assert (answer.content, answer.finish_reason) == ("ab", "length")
    assert (answer.model, answer.provider, answer.request_id) == ("m", "q", "r")
    assert answer.usage == Usage(input_tokens=3, output_tokens=2)
    assert answer.warnings == ("seed is not supported",)


def test_usage_that_nobody_reports_is_a_guess_that_says_so() -> None:
    request = CompletionRequest(messages=(Message("user", "12345678"),))
    assembler = StreamAssembler("p", request)
    assembler.feed(TextDelta("1234"))

    assert assembler.completion().usage == Usage(input_tokens=2, output_tokens=1, estimated=True)


def test_a_stream_that_never_said_it_ended_ends_unknown() -> None:
    assembler = assembled(TextDelta("a"))

    assert not assembler.is_finished
    assert assembler.completion().finish_reason == "unknown"


def test_only_the_answer_itself_counts_as_content() -> None:
    assert not assembled(StreamStart(), UsageDelta(Usage()), TextDelta("")).has_content
    assert assembled(TextDelta("a")).has_content
    assert assembled(ToolCallDelta(index=0, id="c")).has_content


def test_a_failed_stream_keeps_its_prefix_and_its_error() -> None:
    error = RateLimitedError("p", "enough")
    assembler = assembled(TextDelta("so far"), StreamError(error))

    assert (assembler.text, assembler.error) == ("so far", error)
    assert assembler.completion().finish_reason == "error"


def test_what_comes_after_the_end_is_kept_with_a_warning() -> None:
    answer = assembled(TextDelta("a"), Finish("stop"), TextDelta("b"), TextDelta("c")).completion()

    assert answer.content == "abc"
    assert answer.warnings == ("the provider went on after it had said that it ended",)


def test_calls_without_id_or_arguments_get_some() -> None:
    answer = assembled(
        ToolCallDelta(index=0, name="f"), ToolCallDelta(index=1, name="g"), Finish("stop")
    ).completion()

    assert answer.tool_calls == (ToolCall(id="call_0", name="f"), ToolCall(id="call_1", name="g"))
    assert answer.finish_reason == "tool_calls"


def test_servers_that_number_every_call_0_begin_a_new_one_with_a_new_id() -> None:
    answer = assembled(
        ToolCallDelta(index=0, id="a", name="f", arguments="{}"),
        ToolCallDelta(index=0, id="b", name="f", arguments="[]"),
    ).completion()

    assert [(call.id, call.arguments) for call in answer.tool_calls] == [("a", "{}"), ("b", "[]")]


def test_servers_that_repeat_the_name_with_every_piece_are_understood() -> None:
    answer = assembled(
        ToolCallDelta(index=0, id="a", name="find", arguments='{"q"'),
        ToolCallDelta(index=0, id="a", name="find", arguments=":1}"),
    ).completion()

    assert answer.tool_calls == (ToolCall(id="a", name="find", arguments='{"q":1}'),)


def test_a_call_without_a_name_is_no_answer() -> None:
    with pytest.raises(InvalidAnswerError, match="no name"):
        assembled(ToolCallDelta(index=0, arguments="{}")).completion()


def test_an_endless_answer_is_refused() -> None:
    assembler = StreamAssembler("p", max_characters=10)
    assembler.feed(TextDelta("0123456789"))

    with pytest.raises(InvalidAnswerError, match="exceeds 10 characters"):
        assembler.feed(ToolCallDelta(index=0, arguments="x"))


def test_endless_calls_are_refused() -> None:
    assembler = StreamAssembler("p")
    for index in range(1024):
        assembler.feed(ToolCallDelta(index=index, name="f"))

    with pytest.raises(InvalidAnswerError, match="more than 1024 tool calls"):
        assembler.feed(ToolCallDelta(index=1024, name="f"))


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("COMPLETE", "stop"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("tool_use", "tool_calls"),
        ("SAFETY", "content_filter"),
        ("refusal", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("banana", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
        (7, "unknown"),
    ],
)
def test_reasons_are_translated(word: object, reason: str) -> None:
    assert finish_reason(word) == reason


def test_a_cut_answer_with_tools_stays_cut() -> None:
    assert finish_reason("length", has_tool_calls=True) == "length"
    assert finish_reason("end_turn", has_tool_calls=True) == "tool_calls"


def test_an_id_may_come_late() -> None:
    answer = assembled(
        ToolCallDelta(index=0, name="f"), ToolCallDelta(index=0, id="late", arguments="{}")
    ).completion()

    assert answer.tool_calls == (ToolCall(id="late", name="f"),)
