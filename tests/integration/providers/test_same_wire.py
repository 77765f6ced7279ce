"""All clients put the same request on the wire and read the same answer from it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
from stratarouter_runtime.policies.request_checks import check_request
from stratarouter_runtime.stream_events import StreamStart
from stratarouter_runtime.testing import FakeUpstream, FunctionCall, Reply
from tests.integration.providers.clients import KEY, asked, make_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from stratarouter_runtime.provider_protocol import ModelClient
    from stratarouter_runtime.stream_events import StreamEvent

KINDS = ("local", "openai", "azure")
SCHEMA = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
TOOLS = (
    ToolSpec(name="find", description="Finds a parcel", parameters=SCHEMA, strict=True),
    ToolSpec(name="stop"),
)
CALL = ToolCall(id="call_1", name="find", arguments='{"place": "Köln ☕"}')
PIXEL = ImagePart(data="iVBORw0KGgo=", mime="image/png", detail="low")
HELLO = Message("user", 'Héllo \u2028 "there" \\ \n\t\x7f 😀')

REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "system": {"messages": (Message("system", "Be brief."), HELLO)},
    "image": {
        "messages": (
            Message("user", (TextPart("What?"), ImagePart(url="https://example.com/a.png"), PIXEL)),
        )
    },
    "tools": {"tools": TOOLS, "tool_choice": ToolChoice("tool", "find")},
    "any-tool": {"tools": TOOLS, "tool_choice": ToolChoice("required")},
    "tool-results": {
        "messages": (
            HELLO,
            Message("assistant", "", (CALL,)),
            Message("tool", "In Leipzig", tool_call_id="call_1", name="find"),
            Message("tool", (TextPart("a"), PIXEL), tool_call_id="call_1"),
        ),
        "tools": TOOLS,
    },
    "json": {"response_format": ResponseFormat("json")},
    "schema": {"response_format": ResponseFormat("json_schema", SCHEMA, "where", strict=False)},
    "params": {
        "params": {
            "temperature": 0.0,
            "top_p": 1,
            "max_tokens": 5,
            "stop": ["\n"],
            "seed": 2**40,
            "logit_bias": {"50256": -100},
            "metadata": {"a": "b"},
            "parallel_tool_calls": False,
            "user": None,
        }
    },
}
COMMON = frozenset({"content-type", "authorization"})


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """Return a server."""
    with FakeUpstream(time_scale=0.001) as running:
        yield running


@pytest.fixture
async def clients(upstream: FakeUpstream) -> AsyncIterator[dict[str, ModelClient]]:
    """Return one client of each kind."""
    made = {kind: make_client(kind, upstream.url) for kind in KINDS}
    yield made
    for client in made.values():
        await client.aclose()


def request(name: str, model: str) -> CompletionRequest:
    fields = {"messages": (HELLO,), **REQUESTS[name]}
    built = CompletionRequest(model=model, **fields)
    check_request(built)
    return built


async def events_of(client: ModelClient, asked_for: CompletionRequest) -> list[StreamEvent]:
    return [event async for event in client.stream(asked_for)]


def without_names(value: Any) -> str:
    """Return an answer's text without what differs between calls: numbers and providers."""
    text = repr(value)
    for kind in KINDS:
        text = text.replace(f"provider={kind!r}", "provider=…")
    head, *rest = text.split("req_")
    text = head + "".join(f"req_…{part[8:]}" for part in rest)
    head, *rest = text.split("call_0")
    return head + "".join(f"call_…{part[7:]}" for part in rest)


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("model", ["echo", "ok", "tool-call"])
async def test_the_same_request_and_the_same_answer(
    upstream: FakeUpstream, clients: dict[str, ModelClient], name: str, model: str
) -> None:
    upstream.reset()
    answers = [await client.complete(request(name, model)) for client in clients.values()]
    streams = [await events_of(client, request(name, model)) for client in clients.values()]

    bodies = [json.loads(record.body) for record in upstream.requests]
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[3] == bodies[4] == bodies[5]
    assert bodies[3] == {**bodies[0], "stream": True, "stream_options": {"include_usage": True}}
    assert len({without_names(answer) for answer in answers}) == 1
    assert len({without_names(events) for events in streams}) == 1


async def test_the_request_is_the_documented_one(
    upstream: FakeUpstream, clients: dict[str, ModelClient]
) -> None:
    upstream.reset()
    for client in clients.values():
        await client.complete(request("tool-results", "ok"))

    assert json.loads(upstream.requests[0].body) == {
        "model": "ok",
        "messages": [
            {"role": "user", "content": HELLO.content},
            {"role": "assistant", "content": None, "tool_calls": [CALL.to_dict()]},
            {
                "role": "tool",
                "content": "In Leipzig",
                "tool_call_id": "call_1",
                "name": "find",
            },
            {
                "role": "tool",
                "content": [{"type": "text", "text": "a"}],
                "tool_call_id": "call_1",
            },
        ],
        "tools": [tool.to_dict() for tool in TOOLS],
    }
    local, openai, azure = (record.headers for record in upstream.requests)
    assert {name: local[name] for name in COMMON} == {name: openai[name] for name in COMMON}
    assert azure["api-key"] == KEY
    assert [record.path for record in upstream.requests] == [
        "/v1/chat/completions",
        "/v1/chat/completions",
        "/openai/deployments/ok/chat/completions",
    ]


async def test_what_cannot_be_carried_is_a_warning(clients: dict[str, ModelClient]) -> None:
    for client in clients.values():
        answer = await client.complete(request("tool-results", "ok"))
        start, second, *_ = await events_of(client, request("tool-results", "ok"))

        assert "cannot show images" in answer.warnings[0]
        assert isinstance(start, StreamStart)
        assert "cannot show images" in repr(second)


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_the_same_embeddings(
    upstream: FakeUpstream, clients: dict[str, ModelClient], encoding: str
) -> None:
    upstream.reset()
    wanted = EmbeddingRequest(
        texts=("Hello", "😀 there"),
        model="embed",
        dimensions=5,
        params={"encoding_format": encoding, "user": "u"},
    )
    answers = [await client.embed(wanted) for client in clients.values()]

    bodies = [json.loads(record.body) for record in upstream.requests]
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0]["encoding_format"] == encoding
    assert answers[0].vectors.shape == (2, 5)
    for answer in answers[1:]:
        assert np.array_equal(answer.vectors, answers[0].vectors)
        assert (answer.usage, answer.model) == (answers[0].usage, answers[0].model)


@pytest.mark.parametrize(
    "model",
    [
        "fault-split-utf8",
        "fault-arguments-split",
        "fault-tool-name-split",
        "fault-crlf-mix",
        "fault-comments",
        "fault-two-choices",
        "fault-duplicate-keys",
        "fault-usage-in-choices",
        "fault-done-then-more",
    ],
)
async def test_the_same_events_of_a_strange_stream(
    clients: dict[str, ModelClient], model: str
) -> None:
    streams = [await events_of(client, asked(model)) for client in clients.values()]

    assert len({without_names(events) for events in streams}) == 1


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    turns=st.lists(TEXTS, min_size=1, max_size=4),
    reply=TEXTS,
    call=st.tuples(NAMES, st.dictionaries(NAMES, TEXTS, max_size=3)) | st.none(),
    temperature=st.floats(0, 2),
)
def test_whatever_is_said_arrives_and_comes_back(
    upstream: FakeUpstream,
    turns: list[str],
    reply: str,
    call: tuple[str, dict[str, str]] | None,
    temperature: float,
) -> None:
    calls = () if call is None else (FunctionCall(call[0], json.dumps(call[1])),)
    upstream.reset()
    upstream.script("scripted", [Reply(text=reply, tool_calls=calls)])
    wanted = CompletionRequest(
        messages=tuple(Message("user", text) for text in turns),
        model="scripted",
        params={"temperature": temperature},
    )

    async def ask() -> None:
        for kind in ("local", "openai"):
            client = make_client(kind, upstream.url)
            answer = await client.complete(wanted)
            events = await events_of(client, wanted)
            await client.aclose()
            assert answer.content == reply
            assert [(entry.name, entry.arguments) for entry in answer.tool_calls] == [
                (entry.name, entry.arguments) for entry in calls
            ]
            assert "".join(getattr(event, "text", "") for event in events) == reply

    asyncio.run(ask())
    bodies = [json.loads(record.body) for record in upstream.requests]
    assert bodies[0] == bodies[2]
    assert bodies[1] == bodies[3]
    assert [entry["content"] for entry in bodies[0]["messages"]] == turns
    assert bodies[0]["temperature"] == temperature
