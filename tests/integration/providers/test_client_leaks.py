"""A call that is given up leaves nothing behind, wherever that happens."""

from __future__ import annotations

import asyncio
import gc
import resource
import types
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter_runtime.provider_errors import ProviderTimeoutError
from stratarouter_runtime.stream_events import TextDelta
from stratarouter_runtime.testing import FakeUpstream
from tests.integration.providers.clients import all_but, asked, make_client, texts

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Iterator

    from stratarouter_runtime.provider_protocol import ModelClient

KINDS = ("local", "openai", "azure")
MIB = 2**20


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """Return a server."""
    with FakeUpstream() as running:
        yield running


@types.coroutine
def cancelled_at(
    step: int, coroutine: Coroutine[Any, None, None], steps: list[int]
) -> Generator[Any, Any, None]:
    """Run a coroutine, and cancel the task when it waits for the so-and-so-many-th time."""
    task = asyncio.current_task()
    assert task is not None
    thrown: BaseException | None = None
    while True:
        try:
            waited_for = coroutine.send(None) if thrown is None else coroutine.throw(thrown)
        except StopIteration:
            return
        steps[0] += 1
        if steps[0] == step:
            task.cancel()
        try:
            yield waited_for
        except asyncio.CancelledError as error:
            thrown = error
        else:
            thrown = None


async def act(client: ModelClient, operation: str, model: str, *, timeout_s: float = 20) -> None:
    if operation == "complete":
        await client.complete(asked(model), timeout_s=timeout_s)
    elif operation == "embed":
        await client.embed(texts(model), timeout_s=timeout_s)
    else:
        async with aclosing(client.stream(asked(model), timeout_s=timeout_s)) as events:
            async for _ in events:
                pass


@pytest.mark.parametrize("operation", ["complete", "stream", "embed"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
async def test_cancelled_at_every_await(
    upstream: FakeUpstream, kind: str, operation: str, is_warm: bool
) -> None:
    model = "ok+slow-1+pace-1" if operation == "stream" else "ok+slow-1"
    before = asyncio.all_tasks()
    for step in range(1, 400):
        upstream.reset()
        client, steps = make_client(kind, upstream.url), [0]
        if is_warm:
            await act(client, operation, "ok")
        task = asyncio.create_task(run_until(step, act(client, operation, model), steps))
        await asyncio.wait([task])
        if steps[0] < step:
            assert not task.cancelled()
            assert task.exception() is None
            await client.aclose()
            break
        assert task.cancelled()
        # What is still at work would be seen here: only idle connections may be open.
        assert await upstream.until(lambda it: all(r.outcome != "open" for r in it.requests))
        await client.complete(asked("ok"), timeout_s=20)
        await client.aclose()
        assert await upstream.until(lambda it: it.open_connections == 0)
        assert await all_but(before) == set()
    else:
        pytest.fail("the call never came to its end")
    assert step >= 2


async def run_until(step: int, coroutine: Coroutine[Any, None, None], steps: list[int]) -> None:
    await cancelled_at(step, coroutine, steps)


@pytest.mark.parametrize("kind", KINDS)
async def test_closing_a_stream_hangs_up(upstream: FakeUpstream, kind: str) -> None:
    upstream.reset()
    client = make_client(kind, upstream.url)
    async with aclosing(client.stream(asked("ok+pace-30"))) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break

    assert await upstream.until(lambda it: it.requests[0].outcome == "client_left")
    assert await upstream.until(lambda it: it.open_connections == 0)
    assert upstream.connections[-1].closed_by == "client"
    await client.aclose()


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_happens_before_the_first_event_is_asked_for(
    upstream: FakeUpstream, kind: str
) -> None:
    upstream.reset()
    client = make_client(kind, upstream.url)
    stream = client.stream(asked("ok"))
    await stream.aclose()
    await client.aclose()

    assert upstream.calls == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operation", ["complete", "stream", "embed"])
async def test_a_timeout_hangs_up(upstream: FakeUpstream, kind: str, operation: str) -> None:
    upstream.reset()
    client = make_client(kind, upstream.url)
    with pytest.raises(ProviderTimeoutError) as caught:
        await act(client, operation, "slow-60000", timeout_s=0.1)

    assert (caught.value.phase, caught.value.timeout_s) == ("total", 0.1)
    assert await upstream.until(lambda it: it.requests[0].outcome == "client_left")
    assert await upstream.until(lambda it: it.open_connections == 0)
    await client.aclose()


@pytest.mark.parametrize("kind", ["local", "openai"])
async def test_a_slow_reader_holds_the_provider_back(kind: str) -> None:
    event = b'data: {"choices":[{"index":0,"delta":{"content":"tok "}}]}\n\n' * 1000
    stuck: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        sent = 0
        try:
            async with asyncio.timeout(None) as limit:
                while True:
                    limit.reschedule(asyncio.get_running_loop().time() + 0.3)
                    writer.write(event)
                    await writer.drain()
                    sent += len(event)
        except TimeoutError:
            stuck.set_result(sent)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    client = make_client(kind, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server, aclosing(client.stream(asked("m"))) as events:
        await anext(events)
        # Only the buffers of the system are filled while nobody reads.
        assert await stuck < 64 * MIB
    await client.aclose()


@pytest.mark.parametrize("kind", ["local", "openai"])
async def test_memory_stays_flat(kind: str, request: pytest.FixtureRequest) -> None:
    is_proof = request.config.getoption("--hypothesis-profile") == "prove"
    count = {"local": 2_000, "openai": 300}[kind] * (10 if is_proof else 1)
    with FakeUpstream(process=True, keep_requests=100) as upstream:
        client = make_client(kind, upstream.url)
        await calls(client, count)
        gc.collect()
        start_bytes = resident_bytes()
        await calls(client, count)
        gc.collect()
        grown_bytes = resident_bytes() - start_bytes
        await client.aclose()

    assert grown_bytes < 4 * MIB


async def calls(client: ModelClient, count: int) -> None:
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            if number % 10:
                await client.complete(asked("ok"))
            else:
                async for _ in client.stream(asked("ok")):
                    pass

    await asyncio.gather(*(work() for _ in range(16)))


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 -- no file of ours
        return int(file.read().split()[1]) * resource.getpagesize()
