"""Simple clients become whole ones, and only our errors come out of any."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.conversation import (
    Completion,
    CompletionRequest,
    Message,
    ToolCall,
    Usage,
)
from stratarouter_runtime.embeddings import EmbeddingAnswer, EmbeddingRequest
from stratarouter_runtime.errors import ProviderError
from stratarouter_runtime.policies.stream_assembly import StreamAssembler
from stratarouter_runtime.provider_errors import (
    InvalidAnswerError,
    ProviderTimeoutError,
    RateLimitedError,
    UnsupportedOperationError,
)
from stratarouter_runtime.provider_protocol import Capabilities
from stratarouter_runtime.providers.adapters import (
    SimpleClient,
    completion_events,
    model_client,
)
from stratarouter_runtime.providers.base import complete_within, embed_within, events_within
from stratarouter_runtime.stream_events import Finish, StreamStart, TextDelta, UsageDelta
from stratarouter_runtime.testing import EchoClient, GatedClient, ScriptedClient

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from stratarouter_runtime.stream_events import StreamEvent

HI = CompletionRequest(messages=(Message("user", "hi"),), model="m")
TEXTS = EmbeddingRequest(texts=("a", "b"))
ANSWER = Completion(
    content="hello",
    model="m",
    provider="p",
    request_id="r",
    usage=Usage(input_tokens=2, output_tokens=1),
    cost_usd=0.25,
    tool_calls=(ToolCall(id="c", name="f"), ToolCall(id="d", name="g", arguments="[1]")),
    finish_reason="tool_calls",
    warnings=("seed was left out",),
)


class WholeClient:
    """Does what its script says."""

    name = "whole"

    def __init__(self, *events: object, rows: Any = None, answer: object = ANSWER) -> None:
        self.events = events
        self.rows = rows
        self.answer = answer
        self.closed = 0

    def capabilities(self, model: str | None = None) -> Capabilities:
        return Capabilities(embeddings=True)

    async def complete(self, request: CompletionRequest, *, timeout_s: float | None = None) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    async def stream(
        self, request: CompletionRequest, *, timeout_s: float | None = None
    ) -> AsyncGenerator[Any, None]:
        try:
            for event in self.events:
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            self.closed += 1

    async def embed(self, request: EmbeddingRequest, *, timeout_s: float | None = None) -> Any:
        return EmbeddingAnswer(vectors=np.asarray(self.rows, dtype=np.float32))

    async def aclose(self) -> None:
        return


async def collected(client: Any, timeout_s: float | None = None) -> list[StreamEvent]:
    """Return all events of a stream."""
    return [event async for event in events_within(client, "p", HI, timeout_s)]


def test_a_whole_client_stays_itself() -> None:
    client: Any = WholeClient()

    assert model_client(client) is client


@pytest.mark.parametrize(
    ("client", "name", "expected"),
    [
        (EchoClient(), None, "echo"),
        (EchoClient(), "mine", "mine"),
        (type("Anonymous", (), {"complete": EchoClient().complete})(), None, "Anonymous"),
    ],
)
def test_a_simple_client_has_a_name(client: Any, name: str | None, expected: str) -> None:
    assert model_client(client, name).name == expected


@pytest.mark.parametrize("client", [None, "openai", EchoClient, object()])
def test_what_cannot_complete_is_no_client(client: object) -> None:
    with pytest.raises(InvalidInputError, match="async def complete"):
        model_client(client)


async def test_a_simple_client_streams_its_answer_in_one_piece() -> None:
    client = model_client(ScriptedClient([ANSWER]), "p")
    assembler = StreamAssembler("p")
    for event in await collected(client, 5.0):
        assembler.feed(event)

    assert assembler.completion() == ANSWER
    assert not client.capabilities().streaming


def test_an_answer_as_events_is_the_same_answer() -> None:
    empty = Completion(content="", finish_reason="unknown", provider="p")
    assert [type(event) for event in completion_events(empty)] == [StreamStart, UsageDelta, Finish]


async def test_a_simple_client_has_no_embeddings() -> None:
    client = model_client(EchoClient())
    with pytest.raises(UnsupportedOperationError, match="'echo' has no embeddings"):
        await client.embed(TEXTS)
    await client.aclose()


async def test_what_a_simple_client_has_is_used() -> None:
    class Half:
        name = "half"
        complete = WholeClient().complete
        stream = WholeClient(TextDelta("a"), Finish()).stream
        embed = WholeClient(rows=[[1.0], [2.0]]).embed

    client = model_client(Half())

    assert isinstance(client, SimpleClient)
    assert client.capabilities() == Capabilities(
        streaming=True,
        embeddings=True,
        images=True,
        tools=True,
        tool_choice=True,
        json=True,
        json_schema=True,
    )
    assert await collected(client) == [TextDelta("a"), Finish()]
    assert (await client.embed(TEXTS)).vectors.shape == (2, 1)


async def test_a_simple_client_is_stopped_in_time() -> None:
    gated = GatedClient()
    client = model_client(gated)
    with pytest.raises(ProviderTimeoutError, match=r"within 0\.001 s"):
        await client.complete(HI, timeout_s=0.001)

    assert gated.cancelled == 1


async def test_a_simple_clients_own_timeout_is_its_error() -> None:
    client = model_client(ScriptedClient([TimeoutError("slow")]))
    with pytest.raises(ProviderError, match="TimeoutError: slow"):
        await client.complete(HI, timeout_s=5.0)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (ValueError("no"), "provider 'p': ValueError: no"),
        (asyncio.CancelledError(), "cancelled itself"),
        ("text", "expected a Completion, got a str"),
    ],
)
async def test_answers_are_answers_or_errors_of_ours(answer: object, problem: str) -> None:
    with pytest.raises(ProviderError, match=problem):
        await complete_within(WholeClient(answer=answer), "p", HI, 1.0)


async def test_our_own_errors_pass_as_they_are() -> None:
    for error in (RateLimitedError("p", "x"), InvalidInputError("x")):
        with pytest.raises(type(error)) as caught:
            await complete_within(WholeClient(answer=error), "p", HI, None)
        assert caught.value is error


@pytest.mark.parametrize("rows", [[[1.0, 0.0]], [1.0, 0.0], [[[1.0], [2.0]]]])
async def test_embeddings_have_a_row_for_each_text(rows: Any) -> None:
    with pytest.raises(InvalidAnswerError, match="expected 2 embeddings"):
        await embed_within(WholeClient(rows=rows), "p", TEXTS, None)


async def test_embeddings_come_through() -> None:
    answer = await embed_within(WholeClient(rows=[[1.0], [2.0]]), "p", TEXTS, None)

    assert answer.vectors.tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("last", "kind", "problem"),
    [
        (OSError("reset"), ProviderError, "OSError: reset"),
        (RateLimitedError("p", "x"), RateLimitedError, "x"),
        ("text", InvalidAnswerError, "expected a stream event, got a str"),
    ],
)
async def test_a_stream_ends_in_an_error_of_ours_and_is_closed(
    last: object, kind: type[Exception], problem: str
) -> None:
    client = WholeClient(TextDelta("a"), last)
    seen: list[StreamEvent] = []

    async def read() -> None:
        async for event in events_within(client, "p", HI, None):
            seen.append(event)  # noqa: PERF401

    with pytest.raises(kind, match=problem):
        await read()
    assert seen == [TextDelta("a")]
    assert client.closed == 1


async def test_who_stops_reading_ends_the_call() -> None:
    client = WholeClient(TextDelta("a"), TextDelta("b"))
    stream = events_within(client, "p", HI, None)
    assert await anext(stream) == TextDelta("a")
    await stream.aclose()

    assert client.closed == 1
