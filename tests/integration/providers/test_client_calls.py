"""What clients do with connections, keys and settings."""

from __future__ import annotations

import asyncio
import logging
import pickle  # noqa: TID251 -- to see that a key refuses it
import sys
from typing import Any

import openai
import pytest

import stratarouter_runtime
from stratarouter.errors import ConfigurationError, InvalidInputError, MissingExtraError
from stratarouter_runtime.conversation import CompletionRequest, Message, ResponseFormat
from stratarouter_runtime.embeddings import EmbeddingRequest
from stratarouter_runtime.provider_errors import (
    AuthenticationError,
    ConnectionFailedError,
    InvalidAnswerError,
    RateLimitedError,
)
from stratarouter_runtime.provider_protocol import Capabilities
from stratarouter_runtime.providers.adapters import model_client
from stratarouter_runtime.providers.local import LocalClient
from stratarouter_runtime.providers.openai import AzureOpenAIClient, OpenAIClient
from stratarouter_runtime.stream_events import StreamWarning, TextDelta
from stratarouter_runtime.testing import FakeUpstream, ManualClock
from tests.integration.providers.clients import KEY, asked, make_client, texts

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


async def test_a_second_answer_that_nobody_asked_for_is_not_the_next_one(
    upstream: FakeUpstream,
) -> None:
    async with LocalClient(upstream.openai_url) as client:
        for number in range(5):
            await client.complete(asked("fault-answers-twice", "once"))
            text = f"question {number}"
            assert (await client.complete(asked("echo", text))).content == text


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


# ---------------------------------------------------------------------------- keys, settings


@pytest.mark.parametrize("kind", KINDS)
async def test_keys_show_nowhere(
    upstream: FakeUpstream, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = make_client(kind, upstream.url)
    await client.complete(asked("ok"))
    shown = f"{client!r} {client} {vars(client)!r} {vars(vars(client)['_transport'])!r}"
    with pytest.raises(AuthenticationError) as caught:
        await client.complete(asked("fault-401"))
    await client.aclose()

    assert KEY in upstream.requests[0].head.decode()
    assert KEY not in shown
    assert KEY not in f"{caught.value!r}{caught.value.__cause__!r}{caught.value.__context__!r}"
    assert KEY not in caplog.text


def test_a_key_is_not_pickled() -> None:
    client = LocalClient("http://localhost/v1", api_key=KEY)
    with pytest.raises(InvalidInputError, match="cannot be copied"):
        pickle.dumps(vars(client)["_transport"]._key)


@pytest.mark.parametrize("key", ["", "  ", "a\nb", " a", "schlüssel"])
def test_keys_that_no_header_can_carry(key: str) -> None:
    for make in (OpenAIClient, lambda key: LocalClient("http://localhost/v1", api_key=key)):
        with pytest.raises(InvalidInputError, match="API key"):
            make(key)


def test_a_missing_key_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        OpenAIClient()
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_API_KEY"):
        AzureOpenAIClient("http://localhost", api_version="2024-10-21")
    with pytest.raises(ConfigurationError, match="api_version"):
        AzureOpenAIClient("http://localhost", api_key=KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert repr(OpenAIClient()) == "OpenAIClient(name='openai', model=None)"


@pytest.mark.parametrize(("package", "extra"), [("aiohttp", "local"), ("openai", "openai")])
def test_a_missing_package_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"stratarouter\[{extra}\]"):
        make_client(extra, "http://localhost")


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "localhost:11434",
        "ftp://localhost",
        "http://",
        "http://[::1",
        "http://host:99999",
        "http://me:hush@host/v1",
        "http://host/v1?key=hush",
    ],
)
def test_addresses_that_are_none(endpoint: str) -> None:
    with pytest.raises(InvalidInputError, match="endpoint") as caught:
        LocalClient(endpoint)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"name": ""},
        {"max_connections": 0},
        {"max_answer_bytes": 0},
        {"connect_timeout_s": 0},
        {"idle_timeout_s": -1},
        {"first_byte_timeout_s": float("nan")},
        {"headers": {"": "x"}},
        {"headers": {"x": "a\r\nb"}},
        {"headers": {"Content-Type": "text/plain"}},
        {"headers": {"authorization": "x"}, "api_key": KEY},
    ],
)
def test_settings_that_mean_nothing(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        LocalClient("http://localhost/v1", **settings)


def test_they_are_whole_clients_and_lazy_names() -> None:
    client = stratarouter_runtime.LocalClient("http://localhost/v1/")
    assert model_client(client) is client
    assert client.capabilities("any").params is None
    capable = OpenAIClient(KEY).capabilities()
    assert capable.embeddings
    assert capable.params is not None
    assert "top_k" not in capable.params


# -------------------------------------------------------------------------- a caller's object


async def test_the_callers_own_object(upstream: FakeUpstream) -> None:
    async with openai.AsyncOpenAI(
        base_url=upstream.openai_url,
        api_key=KEY,
        max_retries=5,
        default_headers={"x-team": "blue"},
    ) as sdk:
        client = OpenAIClient(client=sdk)
        with pytest.raises(stratarouter_runtime.OverloadedError):
            await client.complete(asked("fault-503"))
        await client.aclose()
        assert (await client.complete(asked("echo", "Hi"))).content == "Hi"
        assert sdk.max_retries == 5

    assert upstream.calls == 2
    assert upstream.requests[0].headers["x-team"] == "blue"


async def test_the_callers_own_azure_object(upstream: FakeUpstream) -> None:
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=upstream.url, api_key=KEY, api_version="2024-10-21"
    ) as sdk:
        client = AzureOpenAIClient(client=sdk, model="ok")
        assert (await client.complete(CompletionRequest(messages=HELLO))).provider == "azure"

    assert upstream.requests[0].path.startswith("/openai/deployments/ok/")


async def test_tokens_of_the_directory(upstream: FakeUpstream) -> None:
    async def token() -> str:
        return "token-of-the-directory"

    client = AzureOpenAIClient(
        upstream.url, api_version="2024-10-21", azure_ad_token_provider=token
    )
    await client.complete(asked("ok"))
    await client.aclose()

    assert upstream.requests[0].headers["authorization"] == "Bearer token-of-the-directory"


def test_objects_that_are_none() -> None:
    with pytest.raises(InvalidInputError, match="AsyncOpenAI, got a OpenAI"):
        OpenAIClient(client=openai.OpenAI(api_key=KEY))
    with pytest.raises(InvalidInputError, match="leave out api_key"):
        OpenAIClient(KEY, client=openai.AsyncOpenAI(api_key=KEY))
    with pytest.raises(InvalidInputError, match="must be an openai"):
        AzureOpenAIClient(client=object())


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_that_is_packed_small_is_measured_unpacked(kind: str) -> None:
    import gzip

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
