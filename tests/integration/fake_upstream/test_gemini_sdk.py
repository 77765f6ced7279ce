"""The SDK of Google takes the fake upstream for Gemini."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from google.genai import errors as gemini_errors

from stratarouter_runtime.testing import FakeUpstream

if TYPE_CHECKING:
    from collections.abc import Iterator

SAID = "Where is my parcel, please?"
OK = "Everything is in order: the café ☕ is open, 3 € a cup."
SCHEMA: Any = {"type": "object", "properties": {"place": {"type": "string"}}}
TOOLS: Any = [{"function_declarations": [{"name": "find", "parameters_json_schema": SCHEMA}]}]
ARGUMENTS = {"place": SAID}


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """Return a server whose waits are short."""
    with FakeUpstream(time_scale=0.001) as running:
        yield running


@pytest.fixture(scope="module", params=["v1", "v1beta"])
def client(upstream: FakeUpstream, request: pytest.FixtureRequest) -> Iterator[Any]:
    options: Any = {"base_url": upstream.url, "api_version": request.param}
    client = genai.Client(api_key="k", http_options=options)
    yield client
    client.close()


def test_generate(client: Any) -> None:
    answer = client.models.generate_content(model="gemini-x", contents=SAID)

    assert (answer.text, answer.usage_metadata.total_token_count) == (SAID, 14)
    assert answer.candidates[0].finish_reason == "STOP"


@pytest.mark.parametrize("model", ["ok", "fault-crlf-mix", "fault-split-utf8"])
def test_stream(client: Any, model: str) -> None:
    chunks = list(client.models.generate_content_stream(model=model, contents=SAID))

    assert "".join(chunk.text or "" for chunk in chunks) == OK
    assert chunks[-1].usage_metadata.candidates_token_count == 14


def test_tools(client: Any) -> None:
    answer = client.models.generate_content(
        model="tool-call", contents=SAID, config={"tools": list(TOOLS)}
    )

    assert answer.function_calls[0].args == ARGUMENTS


def test_structured_answer(client: Any) -> None:
    config = {"response_mime_type": "application/json", "response_json_schema": SCHEMA}
    answer = client.models.generate_content(model="x", contents=SAID, config=config)

    assert json.loads(answer.text) == ARGUMENTS


def test_embeddings(client: Any) -> None:
    one = client.models.embed_content(model="x", contents="a")
    two = client.models.embed_content(
        model="x", contents=["a", "b"], config={"output_dimensionality": 16}
    )

    assert [len(entry.values) for entry in one.embeddings] == [8]
    assert [len(entry.values) for entry in two.embeddings] == [16, 16]


def test_errors(client: Any) -> None:
    with pytest.raises(gemini_errors.ClientError) as refused:
        client.models.generate_content(model="fault-429", contents=SAID)
    with pytest.raises(gemini_errors.ServerError):
        client.models.generate_content(model="fault-503", contents=SAID)

    assert (refused.value.code, refused.value.status) == (429, "RESOURCE_EXHAUSTED")


def test_models(client: Any) -> None:
    assert "models/echo" in [model.name for model in client.models.list()]
