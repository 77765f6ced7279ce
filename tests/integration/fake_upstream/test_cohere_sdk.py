"""The SDK of Cohere takes the fake upstream for the real service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cohere
import pytest

from stratarouter_runtime.testing import FakeUpstream

if TYPE_CHECKING:
    from collections.abc import Iterator

SAID = "Where is my parcel, please?"
OK = "Everything is in order: the café ☕ is open, 3 € a cup."
CHAT: Any = [{"role": "user", "content": SAID}]
SCHEMA: Any = {"type": "object", "properties": {"place": {"type": "string"}}}
TOOLS: Any = [{"type": "function", "function": {"name": "find", "parameters": SCHEMA}}]
ARGUMENTS = {"place": SAID}


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """Return a server whose waits are short."""
    with FakeUpstream(time_scale=0.001) as running:
        yield running


@pytest.fixture(scope="module")
def client(upstream: FakeUpstream) -> Iterator[Any]:
    """Return a client of Cohere."""
    with cohere.ClientV2(api_key="k", base_url=upstream.url) as client:
        yield client


def test_chat(client: Any) -> None:
    answer = client.chat(model="command-x", messages=CHAT)

    assert (answer.message.content[0].text, answer.finish_reason) == (SAID, "COMPLETE")
    assert answer.usage.billed_units.output_tokens == 7


def test_tools(client: Any) -> None:
    (call,) = client.chat(model="tool-call", messages=CHAT, tools=TOOLS).message.tool_calls

    assert (call.function.name, json.loads(call.function.arguments)) == ("find", ARGUMENTS)


def test_stream(client: Any) -> None:
    events = list(client.chat_stream(model="ok", messages=CHAT))
    texts = [event.delta.message.content.text for event in events if event.type == "content-delta"]

    assert "".join(texts) == OK
    assert events[-1].delta.usage.billed_units.output_tokens == 14


def test_stream_of_tools(client: Any) -> None:
    events = list(client.chat_stream(model="fault-arguments-split", messages=CHAT, tools=TOOLS))
    pieces = [
        event.delta.message.tool_calls.function.arguments
        for event in events
        if event.type == "tool-call-delta"
    ]

    assert json.loads("".join(pieces)) == ARGUMENTS


def test_embeddings(client: Any) -> None:
    answer = client.embed(
        model="x", texts=["a", "b"], input_type="search_query", embedding_types=["float"]
    )

    assert [len(vector) for vector in answer.embeddings.float_] == [8, 8]


def test_errors(client: Any) -> None:
    with pytest.raises(cohere.TooManyRequestsError):
        client.chat(model="fault-429", messages=CHAT, request_options={"max_retries": 0})
