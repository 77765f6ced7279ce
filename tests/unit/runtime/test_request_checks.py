"""Impossible requests are refused before any byte leaves, and the message names the place."""

from __future__ import annotations

from typing import Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.conversation import (
    CompletionRequest,
    ImagePart,
    Message,
    ResponseFormat,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolSpec,
)
from stratarouter_runtime.embeddings import EmbeddingRequest
from stratarouter_runtime.errors import UncacheableValueError
from stratarouter_runtime.policies.fingerprint import request_fingerprint
from stratarouter_runtime.policies.request_checks import (
    check_embedding_request,
    check_params,
    check_request,
)
from stratarouter_runtime.policies.usage import (
    ceiling_embedding_usage,
    ceiling_usage,
    estimate_embedding_usage,
    estimate_usage,
)

HI = Message("user", "hi")
FIND = ToolSpec(name="find", parameters={"type": "object"})
CALL = ToolCall(id="c1", name="find", arguments='{"q": 1}')
IMAGE = ImagePart(data="aGk=", mime="image/png")
FULL = CompletionRequest(
    messages=(
        Message("system", "be brief"),
        Message("user", (TextPart("look"), IMAGE, ImagePart(url="https://host/a.png"))),
        Message("assistant", "", (CALL,)),
        Message("tool", "found", tool_call_id="c1"),
    ),
    model="m",
    params={"temperature": 0, "max_tokens": 5, "stop": ["a"], "seed": -1, "vendor_field": {"a": 1}},
    tools=(FIND,),
    tool_choice=ToolChoice("tool", "find"),
    response_format=ResponseFormat("json_schema", schema={"type": "object"}),
)


def asked(*messages: Any, **fields: Any) -> CompletionRequest:
    """Return a request that may be wrong."""
    return CompletionRequest(messages=messages, **fields)


def test_a_full_request_passes() -> None:
    check_request(FULL)
    check_request(asked(Message("user", "")))
    check_request(asked(HI, params={"temperature": None}))


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (asked(), "messages is empty"),
        (CompletionRequest(messages=[HI]), "must be a tuple of Message"),  # type: ignore[arg-type]
        (asked({"role": "user"}), "must be a tuple of Message"),
        (asked(Message("usr", "x")), "did you mean 'user'"),
        (asked(HI, Message("", "x")), r"messages\[1\] has the role ''"),
        (asked(Message("user", None)), "a text or a non-empty tuple"),  # type: ignore[arg-type]
        (asked(Message("user", ())), "a text or a non-empty tuple"),
        (asked(Message("user", ("x",))), "no TextPart or ImagePart: str"),  # type: ignore[arg-type]
        (asked(Message("user", (TextPart(3),))), "holds a int"),  # type: ignore[arg-type]
        (asked(Message("user", "\ud800")), "surrogate"),
        (asked(Message("system", (IMAGE,))), "only users and tools show images"),
        (asked(Message("user", (ImagePart(),))), "either url= or data="),
        (asked(Message("user", (ImagePart(url="file:///a"),))), "no http address"),
        (asked(Message("user", (ImagePart(data="aGk="),))), "needs mime="),
        (asked(Message("user", (ImagePart(data="a%k=", mime="image/png"),))), "no base64"),
        (asked(Message("user", "x", (CALL,))), "only the assistant"),
        (asked(Message("assistant", "", (ToolCall(id="", name="f"),))), "without id"),
        (asked(Message("assistant", "", ("f",))), "tuple of ToolCall"),  # type: ignore[arg-type]
        (asked(Message("tool", "x")), "pass tool_call_id="),
        (asked(Message("user", "x", tool_call_id="c")), "only messages of tools"),
        (asked(HI, model=" "), "model must be"),
        (asked(HI, model=3), "model must be"),
        (asked(HI, tools=(ToolSpec(name="a b"),)), "named 'a b'"),
        (asked(HI, tools=(FIND, FIND)), "two tools are named 'find'"),
        (asked(HI, tools=("find",)), "tuple of ToolSpec"),
        (asked(HI, tools=(FIND,), tool_choice=ToolChoice("tool", "fnd")), "did you mean 'find'"),
        (asked(HI, tool_choice=ToolChoice("required")), "there are none"),
        (asked(HI, tool_choice="auto"), "must be a ToolChoice"),
        (asked(HI, response_format=ResponseFormat("json_schema")), "exactly if"),
        (asked(HI, response_format=ResponseFormat("json", schema={})), "exactly if"),
        (asked(HI, response_format="json"), "must be a ResponseFormat"),
    ],
)
def test_what_nobody_can_answer_is_refused(request_: CompletionRequest, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        check_request(request_)


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"max_tokens": 0}, "max_tokens must be a whole number >= 1, got 0"),
        ({"max_tokens": -5}, ">= 1, got -5"),
        ({"max_tokens": True}, "got True"),
        ({"max_completion_tokens": 1.5}, "got 1.5"),
        ({"temperature": 2.1}, "temperature must be a number from 0 to 2"),
        ({"temperature": "hot"}, "got 'hot'"),
        ({"top_p": -0.1}, "from 0 to 1"),
        ({"presence_penalty": 3}, "from -2 to 2"),
        ({"n": 2}, "only one answer is returned"),
        ({"seed": "a"}, "seed must be a whole number, got"),
        ({"stop": ""}, "stop must be"),
        ({"stop": [1]}, "stop must be"),
        ({"stream": True}, r"use stream\(\)"),
        ({"messages": []}, "use messages="),
        ({"": 1}, "non-empty text"),
    ],
)
def test_parameters_out_of_range_are_refused(params: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        check_params(params)


def test_parameters_are_plain_data() -> None:
    with pytest.raises(UncacheableValueError):
        check_params({"temperature": float("nan")})


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (EmbeddingRequest(texts=()), "texts is empty"),
        (EmbeddingRequest(texts="abc"), "tuple of str"),  # type: ignore[arg-type]
        (EmbeddingRequest(texts=("a", "")), r"texts\[1\] is empty"),
        (EmbeddingRequest(texts=("a",), dimensions=0), "dimensions must be"),
        (EmbeddingRequest(texts=("a",), model=""), "model must be"),
    ],
)
def test_impossible_embeddings_are_refused(request_: EmbeddingRequest, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        check_embedding_request(request_)


@pytest.mark.parametrize(
    "change",
    [
        {"messages": (*FULL.messages, HI)},
        {"messages": (*FULL.messages[:-1], Message("tool", "found", tool_call_id="c2"))},
        {"messages": (*FULL.messages[:-1], Message("tool", "found", (), "c1", "n"))},
        {"model": "n"},
        {"params": {**FULL.params, "temperature": 1}},
        {"tools": ()},
        {"tools": (ToolSpec(name="find", parameters={"type": "object"}, strict=True),)},
        {"tool_choice": ToolChoice("required")},
        {"tool_choice": None},
        {"response_format": None},
        {"response_format": ResponseFormat("json")},
    ],
    ids=str,
)
def test_whatever_changes_the_answer_changes_the_fingerprint(change: dict[str, Any]) -> None:
    fields = {name: getattr(FULL, name) for name in CompletionRequest.__dataclass_fields__}
    changed = CompletionRequest(**{**fields, **change})

    assert request_fingerprint(changed) != request_fingerprint(FULL)
    assert request_fingerprint(CompletionRequest(**fields)) == request_fingerprint(FULL)
    assert request_fingerprint(FULL, provider="p") != request_fingerprint(FULL)


def test_the_bound_lies_above_the_guess() -> None:
    guess, bound = estimate_usage(FULL, "x" * 20), ceiling_usage(FULL, 4096)

    assert guess.estimated
    assert bound.input_tokens > guess.input_tokens
    assert bound.output_tokens == 5
    assert ceiling_usage(asked(HI), 4096).output_tokens == 4096
    # Every byte may be a token of its own.
    assert ceiling_usage(asked(Message("user", "é" * 100)), 0).input_tokens >= 200

    texts = EmbeddingRequest(texts=("abcd", "é"))
    assert estimate_embedding_usage(texts).input_tokens == 2
    assert ceiling_embedding_usage(texts).input_tokens >= 6
