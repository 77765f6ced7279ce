from __future__ import annotations

import json
from typing import Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.conversation import Completion, CompletionRequest, Message, Usage
from stratarouter_runtime.embeddings import EmbeddingAnswer, EmbeddingRequest
from stratarouter_runtime.provider_errors import InvalidAnswerError
from stratarouter_runtime.providers.openai_answers import read_completion, read_embeddings
from stratarouter_runtime.providers.openai_wire import decode_object, encode_body, read_usage

ASKED = CompletionRequest(messages=(Message("user", "Hello there"),))
COUNTS = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def read(message: Any, *, choice: Any = None, **body: Any) -> Completion:
    entry = {"index": 0, "message": message, "finish_reason": "stop", **(choice or {})}
    payload = {"id": "c-1", "model": "m-1", "choices": [entry], "usage": COUNTS, **body}
    return read_completion(payload, provider="p", model="m", request=ASKED)


def call(**function: Any) -> dict[str, Any]:
    return {"id": "call_9", "type": "function", "function": function}


def test_a_plain_answer() -> None:
    assert read({"role": "assistant", "content": "Hi"}) == Completion(
        content="Hi",
        model="m-1",
        usage=Usage(input_tokens=3, output_tokens=2),
        provider="p",
        request_id="c-1",
    )


def test_names_are_filled_in() -> None:
    answer = read({"content": "Hi"}, id=None, model="")

    assert (answer.model, answer.request_id) == ("m", None)


def test_content_may_come_in_parts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "thinking"}, {"type": "text", "text": "b"}]
    answer = read({"content": parts})

    assert answer.content == "ab"
    assert answer.warnings == ("parts of the answer that are no text were left out",)


def test_tool_calls() -> None:
    answer = read(
        {
            "content": None,
            "tool_calls": [
                call(name="find", arguments='{"a": 1}'),
                {"function": {"name": "find", "arguments": {"a": "é"}}},
                {"id": "", "function": {"name": "stop"}},
            ],
        }
    )

    assert [(entry.id, entry.arguments) for entry in answer.tool_calls] == [
        ("call_9", '{"a": 1}'),
        ("call_1", '{"a":"é"}'),
        ("call_2", "{}"),
    ]
    # The server said "stop", as several do.
    assert answer.finish_reason == "tool_calls"


def test_a_refusal_is_no_clean_answer() -> None:
    answer = read({"content": None, "refusal": "I cannot help with that."})

    assert answer.content == "I cannot help with that."
    assert (answer.finish_reason, answer.is_clean) == ("content_filter", False)
    assert answer.warnings == ("the model refused; the text is its refusal",)


@pytest.mark.parametrize(
    ("message", "choice", "word"),
    [
        ({"reasoning_content": "Hm."}, {}, "reasoning"),
        ({"reasoning": "Hm."}, {}, "reasoning"),
        ({"audio": {"id": "a"}}, {}, "audio"),
        ({}, {"logprobs": {"content": []}}, "probabilities"),
    ],
)
def test_nothing_is_left_out_in_silence(message: Any, choice: Any, word: str) -> None:
    (warning,) = read({"content": "Hi", **message}, choice=choice).warnings

    assert word in warning


def test_empty_extras_are_nothing() -> None:
    message: dict[str, Any] = {
        "content": "Hi",
        "refusal": None,
        "reasoning": "",
        "annotations": [],
        "audio": None,
    }

    assert read(message, choice={"logprobs": None}).warnings == ()


def test_the_choice_numbered_0_counts() -> None:
    choices = [
        {"index": 1, "message": {"content": "no"}},
        {"index": 0, "message": {"content": "yes"}},
    ]
    answer = read({}, choices=choices)

    assert (answer.content, answer.finish_reason) == ("yes", "unknown")
    assert "more than one answer" in answer.warnings[0]


@pytest.mark.parametrize(
    "body",
    [
        {"choices": None},
        {"choices": []},
        {"choices": {}},
        {"choices": ["x"]},
        {"choices": [{"message": None}]},
        {"choices": [{"message": {"content": 5}}]},
        {"choices": [{"message": {"tool_calls": {}}}]},
        {"choices": [{"message": {"tool_calls": ["x"]}}]},
        {"choices": [{"message": {"tool_calls": [{"function": {"name": ""}}]}}]},
        {"choices": [{"message": {"tool_calls": [call(name="f", arguments=5)]}}]},
    ],
)
def test_what_is_malformed_is_no_answer(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidAnswerError):
        read({}, **body)


@pytest.mark.parametrize(
    ("report", "usage"),
    [
        (COUNTS, Usage(input_tokens=3, output_tokens=2)),
        ({"prompt_tokens": 3, "total_tokens": 5}, Usage(input_tokens=3, output_tokens=2)),
        (
            {
                **COUNTS,
                "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 9},
                "completion_tokens_details": {"reasoning_tokens": 7},
            },
            Usage(
                input_tokens=3,
                output_tokens=2,
                cached_tokens=2,
                cache_write_tokens=1,
                reasoning_tokens=2,
            ),
        ),
        ({**COUNTS, "prompt_tokens_details": None}, Usage(input_tokens=3, output_tokens=2)),
        ({"prompt_tokens": 3, "total_tokens": 2}, None),
        ({"prompt_tokens": True, "completion_tokens": 2}, None),
        ({"completion_tokens": 2}, None),
        ([], None),
        (None, None),
    ],
)
def test_usage(report: object, usage: Usage | None) -> None:
    assert read_usage(report) == usage


def test_usage_is_estimated_where_nobody_says() -> None:
    assert read({"content": "Hi"}, usage=None).usage == Usage(
        input_tokens=3, output_tokens=1, estimated=True
    )
    assert read({"content": "Hi"}, usage=None).warnings == ()
    assert "usage" in read({"content": "Hi"}, usage={"prompt_tokens": -3}).warnings[0]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" \n",
        b"null",
        b"[1]",
        b'"text"',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1',
        b'{"a":1}{"b":2}',
        b"<html></html>",
        b'{"a":"\xff"}',
        b'{"note":"caf\xc3"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_no_json_object_is_no_answer(data: bytes) -> None:
    with pytest.raises(InvalidAnswerError) as caught:
        decode_object("p", data)
    assert caught.value.provider == "p"


def test_the_last_of_equal_keys_counts() -> None:
    assert decode_object("p", b'{"a":1,"b":"\xc3\xa9","a":2} ') == {"a": 2, "b": "é"}


@pytest.mark.parametrize("value", ["\ud800", object(), {1, 2j}])
def test_what_has_no_json_form_is_not_sent(value: object) -> None:
    with pytest.raises(InvalidInputError, match="no JSON form"):
        encode_body({"messages": [value]})


def embedded(*rows: Any, **body: Any) -> EmbeddingAnswer:
    data = [{"index": index, "embedding": row} for index, row in rows]
    payload = {"data": data, "model": "e-1", "usage": {"prompt_tokens": 2}, **body}
    wanted = EmbeddingRequest(texts=("a", "b"))
    return read_embeddings(payload, provider="p", model="e", request=wanted, request_id="r")


def test_embeddings_are_put_in_order() -> None:
    answer = embedded((1, [0, 2.5]), (0, "AACAPwAAAAA="))

    assert answer.vectors.tolist() == [[1.0, 0.0], [0.0, 2.5]]
    assert (answer.model, answer.provider, answer.request_id) == ("e-1", "p", "r")
    assert answer.usage == Usage(input_tokens=2)


def test_usage_of_embeddings() -> None:
    rows = ((0, [1]), (1, [2]))

    assert embedded(*rows, usage={"total_tokens": 4}).usage == Usage(input_tokens=4)
    assert embedded(*rows, usage=None).usage == Usage(input_tokens=2, estimated=True)
    assert "usage" in embedded(*rows, usage={"prompt_tokens": "2"}).warnings[0]


@pytest.mark.parametrize(
    "rows",
    [
        [(0, [1.0])],
        [(0, [1.0]), (0, [2.0])],
        [(1, [1.0]), (2, [2.0])],
        [(0, [1.0]), (1, [1.0, 2.0])],
        [(0, [1.0]), (1, None)],
        [(0, [1.0]), (None, [2.0])],
        [(0, [1.0]), (1, "!")],
    ],
)
def test_embeddings_that_do_not_fit_the_texts(rows: list[Any]) -> None:
    with pytest.raises(InvalidAnswerError):
        embedded(*rows)


@pytest.mark.parametrize("data", [None, {}, ["x"], [[1.0], [2.0]]])
def test_what_is_no_list_of_embeddings(data: Any) -> None:
    with pytest.raises(InvalidAnswerError, match="list of embeddings"):
        embedded(data=json.loads(json.dumps(data)))
