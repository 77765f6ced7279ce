"""The SDK of OpenAI takes the fake upstream for OpenAI, and for Azure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
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


@pytest.fixture(scope="module", params=["openai", "azure", "azure-v1"])
def openai_client(upstream: FakeUpstream, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return a client of OpenAI, and of Azure by both of its paths."""
    urls = {"openai": upstream.openai_url, "azure-v1": f"{upstream.url}/openai/v1"}
    client: openai.OpenAI
    if request.param == "azure":
        client = openai.AzureOpenAI(
            azure_endpoint=upstream.url, api_key="k", api_version="2024-10-21", max_retries=0
        )
    else:
        client = openai.OpenAI(base_url=urls[request.param], api_key="k", max_retries=0)
    with client:
        yield client


def test_chat(openai_client: Any) -> None:
    answer = openai_client.chat.completions.create(model="gpt-4o", messages=CHAT)

    assert answer.choices[0].message.content == SAID
    assert (answer.choices[0].finish_reason, answer.usage.total_tokens) == ("stop", 14)


def test_tools(openai_client: Any) -> None:
    answer = openai_client.chat.completions.create(model="tool-call", messages=CHAT, tools=TOOLS)
    (call,) = answer.choices[0].message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": "In Leipzig"}
    turn = [*CHAT, answer.choices[0].message, result]
    after = openai_client.chat.completions.create(model="tool-call", messages=turn, tools=TOOLS)

    assert (call.function.name, json.loads(call.function.arguments)) == ("find", ARGUMENTS)
    assert after.choices[0].message.content == "In Leipzig"


def test_stream(openai_client: Any) -> None:
    chunks = list(
        openai_client.chat.completions.create(
            model="ok", messages=CHAT, stream=True, stream_options={"include_usage": True}
        )
    )

    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == OK
    assert chunks[-1].usage.completion_tokens == 14


def test_stream_of_tools(openai_client: Any) -> None:
    for model in ("tool-call", "fault-arguments-split", "fault-tool-name-split"):
        with openai_client.chat.completions.stream(
            model=model, messages=CHAT, tools=TOOLS
        ) as stream:
            (call,) = stream.get_final_completion().choices[0].message.tool_calls

        assert (call.function.name, json.loads(call.function.arguments)) == ("find", ARGUMENTS)


def test_structured_answer(openai_client: Any) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    answer = openai_client.chat.completions.create(
        model="gpt-4o", messages=CHAT, response_format=wanted
    )

    assert json.loads(answer.choices[0].message.content) == ARGUMENTS


def test_legacy_completions(openai_client: Any) -> None:
    whole = openai_client.completions.create(model="x", prompt="Once upon a time")
    stream = openai_client.completions.create(model="x", prompt="Once upon a time", stream=True)

    assert whole.choices[0].text == "Once upon a time"
    assert "".join(chunk.choices[0].text for chunk in stream) == "Once upon a time"


def test_embeddings(openai_client: Any) -> None:
    # By default the SDK asks for base64.
    packed = openai_client.embeddings.create(model="x", input=["a", "b"], dimensions=16)
    plain = openai_client.embeddings.create(
        model="x", input=["a", "b"], dimensions=16, encoding_format="float"
    )

    assert len(packed.data[1].embedding) == 16
    assert packed.data[1].embedding == pytest.approx(plain.data[1].embedding, abs=1e-6)
    assert packed.usage.prompt_tokens == 2


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("fault-400", openai.BadRequestError),
        ("fault-401", openai.AuthenticationError),
        ("fault-403", openai.PermissionDeniedError),
        ("fault-404", openai.NotFoundError),
        ("fault-409", openai.ConflictError),
        ("fault-422", openai.UnprocessableEntityError),
        ("fault-429-ms", openai.RateLimitError),
        ("fault-503", openai.InternalServerError),
        ("fault-529", openai.InternalServerError),
    ],
)
def test_errors(openai_client: Any, model: str, error: type[Exception]) -> None:
    for stream in (False, True):
        with pytest.raises(error):
            openai_client.chat.completions.create(model=model, messages=CHAT, stream=stream)


def test_errors_say_why(openai_client: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.chat.completions.create(model="fault-400-context", messages=CHAT)

    assert caught.value.code == "context_length_exceeded"
    assert str(caught.value.request_id).startswith("req_")


def test_a_stream_that_fails(openai_client: Any) -> None:
    for model in ("fault-error-first", "fault-error-mid", "fault-cut"):
        with pytest.raises(openai.APIError):
            list(openai_client.chat.completions.create(model=model, messages=CHAT, stream=True))


def test_a_timeout_closes_the_connection(openai_client: Any, upstream: FakeUpstream) -> None:
    with pytest.raises(openai.APITimeoutError):
        openai_client.with_options(timeout=0.05).chat.completions.create(
            model="slow-60000", messages=CHAT
        )

    assert upstream.wait_until(lambda it: it.requests[-1].outcome == "client_left")


def test_models(openai_client: Any, upstream: FakeUpstream) -> None:
    if not isinstance(openai_client, openai.AzureOpenAI):
        assert "echo" in [model.id for model in openai_client.models.list()]


async def test_openai_async(upstream: FakeUpstream) -> None:
    url = upstream.openai_url
    async with openai.AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:
        stream = await client.chat.completions.create(model="ok", messages=CHAT, stream=True)
        texts = [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert "".join(texts) == OK


async def test_the_retries_of_an_sdk_are_counted(upstream: FakeUpstream) -> None:
    upstream.reset()
    url = upstream.openai_url
    upstream.script("gpt-4o", ["fault-503", "fault-503", "ok"])
    async with openai.AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="gpt-4o", messages=CHAT)

    assert (upstream.calls, upstream.billed().calls) == (1, 0)
