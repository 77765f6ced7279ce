"""Dictionaries of the common shape become requests and come out the same."""

from __future__ import annotations

from typing import Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.conversation import (
    Completion,
    CompletionRequest,
    ImagePart,
    Message,
    ResponseFormat,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolSpec,
    Usage,
)
from stratarouter_runtime.policies.fingerprint import request_parts
from stratarouter_runtime.policies.request_checks import check_request
from stratarouter_runtime.policies.request_parsing import parse_messages, parse_request

WIRE: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "be brief"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "https://host/a.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "content": "found", "tool_call_id": "c", "name": "f"},
    ],
    "temperature": 0.5,
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": "finds",
                "parameters": {"type": "object"},
                "strict": True,
            },
        }
    ],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "out", "schema": {"type": "object"}, "strict": True},
    },
}


def test_a_full_request_survives_both_ways() -> None:
    request = parse_request(WIRE)

    check_request(request)
    assert request.messages[1].content == (
        TextPart("look"),
        ImagePart(url="https://host/a.png", detail="low"),
        ImagePart(data="aGk=", mime="image/png"),
    )
    assert request.tools == (
        ToolSpec(name="f", description="finds", parameters={"type": "object"}, strict=True),
    )
    assert request.tool_choice == ToolChoice("tool", "f")
    assert request.response_format == ResponseFormat(
        "json_schema", schema={"type": "object"}, name="out"
    )
    parts = request_parts(request)
    again = {**parts.pop("params"), **parts}
    assert again == WIRE


@pytest.mark.parametrize(
    ("wire", "field", "value"),
    [
        ({"tool_choice": "required"}, "tool_choice", ToolChoice("required")),
        ({"tool_choice": None}, "tool_choice", None),
        ({"response_format": {"type": "json_object"}}, "response_format", ResponseFormat("json")),
        ({"response_format": {"type": "text"}}, "response_format", ResponseFormat()),
        ({"stream": False, "seed": 1}, "params", {"seed": 1}),
        ({"stream": True}, "params", {"stream": True}),
        ({"tools": None}, "tools", ()),
    ],
)
def test_single_fields_are_read(wire: dict[str, Any], field: str, value: object) -> None:
    assert getattr(parse_request({"messages": "hi", **wire}), field) == value


def test_finished_objects_are_taken_as_they_are() -> None:
    request = CompletionRequest(messages=(Message("user", "hi"),))

    assert parse_request(request) is request
    assert parse_messages([request.messages[0], {"role": "developer", "content": "x"}]) == (
        request.messages[0],
        Message("system", "x"),
    )
    assert parse_messages("hi") == request.messages


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "a request must be a dictionary"),
        ({}, "needs messages"),
        ({"messages": {"role": "user"}}, "messages must be a list"),
        ({"messages": ["hi"]}, "a message must be a dictionary"),
        ({"messages": [{"content": "x"}]}, "needs a role"),
        ({"messages": [{"role": "user", "content": 3}]}, "content must be a list"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "type 'audio'"),
        (
            {"messages": [{"role": "user", "content": [
                {"type": "image_url", "image_url": "data:image/png,xx"}]}]},
            "must be in base64",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}, "of a tool call"),
        ({"messages": "x", "tools": [{"type": "search"}]}, "only functions"),
        ({"messages": "x", "tool_choice": "maybe"}, "got 'maybe'"),
        ({"messages": "x", "response_format": {"type": "xml"}}, "type 'xml'"),
    ],
)  # fmt: skip
def test_other_shapes_are_refused(data: object, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        parse_request(data)


def test_an_answer_goes_on_as_a_message_and_out_as_data() -> None:
    call = ToolCall(id="c", name="f")
    answer = Completion(
        content="", tool_calls=(call,), finish_reason="tool_calls", usage=Usage(input_tokens=2)
    )

    assert answer.to_message() == Message("assistant", "", (call,))
    assert answer.is_clean
    data = answer.to_dict()
    assert data["cost_usd"] is None
    assert data["usage"]["total_tokens"] == 2
    assert data["tool_calls"] == [call.to_dict()]


def test_usage_adds_up_and_stays_a_guess() -> None:
    total = Usage(input_tokens=1, cached_tokens=1) + Usage(output_tokens=2, estimated=True)

    assert total == Usage(input_tokens=1, output_tokens=2, cached_tokens=1, estimated=True)


def test_text_and_images_of_a_message() -> None:
    image = ImagePart(url="https://host/a.png")
    message = Message("user", (TextPart("a"), image, TextPart("b")))

    assert (message.text, message.images) == ("ab", (image,))
    assert (Message("user", "x").text, Message("user", "x").images) == ("x", ())
    assert "aGk=" not in repr(ImagePart(data="aGk=", mime="image/png"))
