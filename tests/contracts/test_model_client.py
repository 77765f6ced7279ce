"""What every client of language models has to do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from stratarouter_runtime.conversation import Completion, CompletionRequest, Message
from stratarouter_runtime.embeddings import EmbeddingRequest
from stratarouter_runtime.policies.stream_assembly import StreamAssembler
from stratarouter_runtime.provider_errors import UnsupportedOperationError
from stratarouter_runtime.provider_protocol import Capabilities
from stratarouter_runtime.providers.adapters import model_client
from stratarouter_runtime.providers.local import LocalClient
from stratarouter_runtime.providers.openai import AzureOpenAIClient, OpenAIClient
from stratarouter_runtime.stream_events import Finish, StreamStart
from stratarouter_runtime.testing import EchoClient, FakeUpstream, ScriptedClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from stratarouter_runtime.provider_protocol import ModelClient

TEXT = "Where is my parcel, please? ☕"
ASKED = CompletionRequest(messages=(Message("user", TEXT),), model="echo")
EMBEDDED = EmbeddingRequest(texts=("a", "b", "c"), model="embed")


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """Return a server for those that need one."""
    with FakeUpstream() as running:
        yield running


@pytest.fixture(params=["echo", "scripted", "local", "openai", "azure"])
async def client(
    request: pytest.FixtureRequest, upstream: FakeUpstream
) -> AsyncIterator[ModelClient]:
    """Return a client that answers with `TEXT`."""
    made: ModelClient
    if request.param == "echo":
        made = model_client(EchoClient())
    elif request.param == "scripted":
        made = model_client(ScriptedClient([TEXT]))
    elif request.param == "local":
        made = LocalClient(upstream.openai_url)
    elif request.param == "openai":
        made = OpenAIClient("any", base_url=upstream.openai_url)
    else:
        made = AzureOpenAIClient(upstream.url, api_version="2024-10-21", api_key="any")
    yield made
    await made.aclose()


def test_it_says_who_it_is_and_what_it_can(client: ModelClient) -> None:
    assert client.name
    assert isinstance(client.capabilities(), Capabilities)
    assert client.capabilities("any").max_output_tokens >= 1


async def test_it_answers(client: ModelClient) -> None:
    answer = await client.complete(ASKED, timeout_s=30)

    assert isinstance(answer, Completion)
    assert (answer.content, answer.finish_reason) == (TEXT, "stop")
    assert answer.provider in (client.name, None)
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0


async def test_a_stream_makes_up_the_same_answer(client: ModelClient) -> None:
    answer = await client.complete(ASKED)
    events = [event async for event in client.stream(ASKED, timeout_s=30)]
    assembler = StreamAssembler(client.name, ASKED)
    for event in events:
        assembler.feed(event)
    streamed = assembler.completion()

    assert isinstance(events[0], StreamStart)
    assert [event for event in events if isinstance(event, Finish)] == [events[-1]]
    assert (streamed.content, streamed.finish_reason) == (answer.content, answer.finish_reason)
    assert streamed.usage == answer.usage


async def test_embeddings_or_a_clear_no(client: ModelClient) -> None:
    if not client.capabilities().embeddings:
        with pytest.raises(UnsupportedOperationError):
            await client.embed(EMBEDDED)
        return
    answer = await client.embed(EMBEDDED, timeout_s=30)

    assert answer.vectors.shape[0] == 3
    assert answer.vectors.dtype.name == "float32"


async def test_a_stream_that_nobody_reads_can_be_closed(client: ModelClient) -> None:
    unread = client.stream(ASKED)
    await unread.aclose()
    begun = client.stream(ASKED)
    await anext(begun)
    await begun.aclose()

    assert (await client.complete(ASKED)).content == TEXT


async def test_it_can_be_cancelled_and_closed_again(client: ModelClient) -> None:
    task = asyncio.create_task(client.complete(ASKED))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    # One that answers at once has nothing left to be cancelled.
    assert task.cancelled() or task.result().content == TEXT

    await client.aclose()
    await client.aclose()
