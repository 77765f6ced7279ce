"""What clients do with connections, keys and settings."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest

import stratarouter_runtime
from stratarouter.errors import InvalidInputError
from stratarouter_runtime.conversation import CompletionRequest, Message, ResponseFormat
from stratarouter_runtime.embeddings import EmbeddingRequest
from stratarouter_runtime.provider_errors import (
    ConnectionFailedError,
    InvalidAnswerError,
    RateLimitedError,
)
from stratarouter_runtime.provider_protocol import Capabilities
from stratarouter_runtime.providers.local import LocalClient
from stratarouter_runtime.stream_events import StreamWarning, TextDelta
from stratarouter_runtime.testing import FakeUpstream, ManualClock
from tests.integration.providers.clients import asked, make_client, texts

KINDS = ("local", "openai", "azure")
HELLO = (Message("user", "Hello there"),)


@pytest.fixture
def upstream() -> Any:
    """Return a server."""
    with FakeUpstream(time_scale=0.001) as running:
        yield running


# -------------------------------------------------------------------------------- connections


@pytest.mark.parametrize("kind", KINDS)
async def test_connections_are_used_again(upstream: FakeUpstream, kind: str) -> None:
    async with make_client(kind, upstream.url) as client:  # type: ignore[attr-defined]
        for _ in range(3):
            await client.complete(asked("ok"))
            await client.embed(texts("e"))
            assert [event async for event in client.stream(asked("ok"))]

    assert len(upstream.connections) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_second_answer_that_nobody_asked_for_is_not_the_next_one(
    upstream: FakeUpstream, kind: str
) -> None:
    client = make_client(kind, upstream.url)
    failures = 0
    for number in range(10):
        await client.complete(asked("fault-answers-twice", "once"))
        text = f"question {number}"
        try:
            assert (await client.complete(asked("echo", text))).content == text
        except ConnectionFailedError:
            failures += 1
        assert (await client.complete(asked("echo", text))).content == text
    await client.aclose()

    # The SDK finds out only when it uses the connection again.
    assert failures == 0 or kind != "local"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_connection_that_went_stale_is_one_failure_and_no_second_call(kind: str) -> None:
    seen: list[bytes] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Answers the first request, takes the second one and hangs up.
        body = b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}'
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        try:
            for answer in (head % len(body) + body, b""):
                text = await reader.readuntil(b"\r\n\r\n")
                length = int(text.lower().partition(b"content-length:")[2].split(b"\r")[0])
                await reader.readexactly(length)
                seen.append(text)
                writer.write(answer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    client = make_client(kind, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        assert (await client.complete(asked("m"))).content == "Hi"
        with pytest.raises(ConnectionFailedError):
            await client.complete(asked("m"))
        assert len(seen) == 2
    await client.aclose()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_redirection_does_not_take_the_key_along(upstream: FakeUpstream, kind: str) -> None:
    client = make_client(kind, upstream.url)
    with pytest.raises(stratarouter_runtime.NotFoundError, match="not followed"):
        await client.complete(asked("fault-302"))
    await client.aclose()

    assert upstream.calls == 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_event_loop_has_connections_of_its_own(upstream: FakeUpstream, kind: str) -> None:
    client = make_client(kind, upstream.url)

    async def ask() -> None:
        assert (await client.complete(asked("echo", "Hi"))).content == "Hi"
        await client.aclose()
        await client.aclose()

    for _ in range(3):
        asyncio.run(ask())
    assert len(upstream.connections) == 3


async def test_closing_and_going_on(upstream: FakeUpstream) -> None:
    client = LocalClient(upstream.openai_url, model="ok")
    await client.complete(CompletionRequest(messages=HELLO))
    await client.aclose()
    assert await upstream.until(lambda it: it.open_connections == 0)
    await client.complete(CompletionRequest(messages=HELLO))
    await client.aclose()


async def test_no_more_connections_than_allowed(upstream: FakeUpstream) -> None:
    async with LocalClient(upstream.openai_url, max_connections=3) as client:
        await asyncio.gather(*(client.complete(asked("ok+slow-5")) for _ in range(20)))

    assert len(upstream.connections) == 3


# ----------------------------------------------------------------------------------- requests


@pytest.mark.parametrize("kind", KINDS)
async def test_a_model_has_to_be_named_somewhere(upstream: FakeUpstream, kind: str) -> None:
    client = make_client(kind, upstream.url)
    nameless = CompletionRequest(messages=HELLO)
    with pytest.raises(InvalidInputError, match="which model"):
        await client.complete(nameless)
    with pytest.raises(InvalidInputError, match="which model"):
        await anext(client.stream(nameless))
    with pytest.raises(InvalidInputError, match="which model"):
        await client.embed(EmbeddingRequest(texts=("a",)))
    await client.aclose()
    with_model = make_client(kind, upstream.url, model="ok")
    assert with_model.capabilities().default_model == "ok"
    assert (await with_model.complete(nameless)).model == "ok"
    await with_model.aclose()

    assert upstream.calls == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("nan")])
async def test_a_timeout_is_longer_than_nothing(
    upstream: FakeUpstream, kind: str, timeout_s: float
) -> None:
    client = make_client(kind, upstream.url)
    with pytest.raises(InvalidInputError, match="timeout_s"):
        await client.complete(asked("ok"), timeout_s=timeout_s)

    assert upstream.calls == 0


async def test_what_a_server_cannot_do_is_left_out_and_said(upstream: FakeUpstream) -> None:
    plain = Capabilities(default_model="ok", params=frozenset({"seed"}))
    wanted = CompletionRequest(
        messages=HELLO,
        params={"seed": 1, "top_k": 3},
        response_format=ResponseFormat("json"),
    )
    async with LocalClient(upstream.openai_url, capabilities=plain) as client:
        answer = await client.complete(wanted)
        events = [event async for event in client.stream(wanted)]

    warned = [event.text for event in events if isinstance(event, StreamWarning)]
    assert len(answer.warnings) == 2
    assert warned == list(answer.warnings)
    assert b"top_k" not in upstream.requests[0].body
    assert b"response_format" not in upstream.requests[0].body


async def test_streams_need_not_be_asked_for_their_usage(upstream: FakeUpstream) -> None:
    async with LocalClient(upstream.openai_url, stream_usage=False) as client:
        assert [event async for event in client.stream(asked("ok"))]

    assert b"stream_options" not in upstream.requests[0].body


async def test_a_server_that_does_not_stream(upstream: FakeUpstream) -> None:
    # The scripted answer of a completion, whatever was asked for.
    async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
            b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}'
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(whole, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, LocalClient(url) as client:
        events = [event async for event in client.stream(asked("m"))]

    assert TextDelta("Hi") in events
    assert "one piece" in repr(events)


async def test_headers_are_sent_and_dates_are_read(upstream: FakeUpstream) -> None:
    clock = ManualClock()
    async with LocalClient(upstream.openai_url, headers={"X-Team": "blue"}, clock=clock) as client:
        with pytest.raises(RateLimitedError) as caught:
            await client.complete(asked("fault-429-date"))

    assert upstream.requests[0].headers["x-team"] == "blue"
    assert "authorization" not in upstream.requests[0].headers
    # Far in the future of this clock, so the longest wait there is.
    assert caught.value.retry_after_s == 3600.0


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_that_is_packed_small_is_measured_unpacked(kind: str) -> None:
    body = gzip.compress(b'{"padding":"' + b" " * 5_000_000 + b'"}')

    async def packed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
            b"content-length: %d\r\n\r\n" % len(body) + body
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(packed, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = make_client(kind, url, max_answer_bytes=1_000_000)
    async with server:
        with pytest.raises(InvalidAnswerError, match="exceeds 1000000 bytes"):
            await client.complete(asked("m"))
    await client.aclose()
