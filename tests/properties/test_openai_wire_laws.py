"""Whatever a server sends, it is read or refused, and nothing else happens."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stratarouter_runtime.conversation import Completion, CompletionRequest, Message
from stratarouter_runtime.embeddings import EmbeddingRequest
from stratarouter_runtime.errors import ProviderError
from stratarouter_runtime.policies.stream_assembly import StreamAssembler
from stratarouter_runtime.provider_errors import InvalidAnswerError
from stratarouter_runtime.providers.openai_answers import read_completion, read_embeddings
from stratarouter_runtime.providers.openai_stream import ChunkReader
from stratarouter_runtime.providers.openai_wire import decode_object
from stratarouter_runtime.providers.sse import ServerEventParser

ASKED = CompletionRequest(messages=(Message("user", "Hello there"),))
TEXTS = EmbeddingRequest(texts=("a", "b"))
WORDS = st.sampled_from(
    [
        *("choices", "message", "delta", "content", "tool_calls", "function", "name", "arguments"),
        *("index", "id", "type", "text", "finish_reason", "usage", "prompt_tokens", "model"),
        *("completion_tokens", "prompt_tokens_details", "cached_tokens", "refusal", "logprobs"),
        *("data", "embedding", "error", "reasoning", "audio"),
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "text", "stop", "tool_calls", "find", "{}", "AACAPw=="])
    | st.text(max_size=3)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


def listed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return JSON | st.lists(inner | JSON, max_size=3)


FUNCTIONS = JSON | st.fixed_dictionaries({}, optional={"name": JSON, "arguments": JSON})
CALLS = listed(
    st.fixed_dictionaries({}, optional={"index": JSON, "id": JSON, "function": FUNCTIONS})
)
MESSAGES = JSON | st.fixed_dictionaries(
    {}, optional={"content": JSON, "tool_calls": CALLS, "refusal": JSON, "reasoning": JSON}
)
CHOICES = listed(
    st.fixed_dictionaries(
        {},
        optional={"index": JSON, "message": MESSAGES, "delta": MESSAGES, "finish_reason": JSON},
    )
)
BODIES = st.fixed_dictionaries(
    {}, optional={"choices": CHOICES, "usage": JSON, "id": JSON, "model": JSON}
)
LISTS = st.fixed_dictionaries(
    {},
    optional={
        "data": listed(st.fixed_dictionaries({}, optional={"index": JSON, "embedding": JSON})),
        "usage": JSON,
        "model": JSON,
    },
)


def assert_sound(answer: Completion) -> None:
    assert isinstance(answer.content, str)
    assert all(call.id and call.name for call in answer.tool_calls)
    assert all(isinstance(call.arguments, str) for call in answer.tool_calls)
    usage = answer.usage
    assert 0 <= usage.cached_tokens + usage.cache_write_tokens <= usage.input_tokens
    assert 0 <= usage.reasoning_tokens <= usage.output_tokens
    assert json.dumps(answer.to_dict())


@given(BODIES)
def test_answers_are_read_or_refused(body: dict[str, Any]) -> None:
    with suppress(InvalidAnswerError):
        assert_sound(read_completion(body, provider="p", model="m", request=ASKED))


@given(st.lists(BODIES, max_size=4))
def test_chunks_are_read_or_refused(bodies: list[dict[str, Any]]) -> None:
    reader, assembler = ChunkReader("p", "m"), StreamAssembler("p", ASKED)
    with suppress(InvalidAnswerError):
        for body in bodies:
            for event in reader.feed(body):
                assembler.feed(event)
        for event in reader.end():
            assembler.feed(event)
        assert assembler.is_finished
        assert_sound(assembler.completion())


@given(LISTS)
def test_embeddings_are_read_or_refused(body: dict[str, Any]) -> None:
    with suppress(InvalidAnswerError):
        answer = read_embeddings(body, provider="p", model="m", request=TEXTS)
        assert answer.vectors.shape[0] == 2


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_bodies_are_objects_or_refused(data: bytes) -> None:
    with suppress(InvalidAnswerError):
        assert isinstance(decode_object("p", data), dict)


@given(BODIES, st.lists(st.integers(0, 400)))
def test_a_stream_means_the_same_however_it_is_cut(body: dict[str, Any], cuts: list[int]) -> None:
    data = b"data: " + json.dumps(body).encode() + b"\r\n\r\n"
    borders = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parser = ServerEventParser("p")
    events = []
    for place, border in enumerate(borders[1:]):
        events += parser.feed(data[borders[place] : border])
    with suppress(ProviderError):
        assert decode_object("p", events[0].data) == body
