"""Answers of the bridge piece by piece."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.bridge import CoreRuntimeBridge
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.errors import BridgeClosedError, ExecutionTimeoutError, HandlerError
from stratarouter_runtime.provider_errors import StreamInterruptedError
from stratarouter_runtime.providers.local import LocalClient
from stratarouter_runtime.stream_events import (
    ExecutionFinished,
    ExecutionStarted,
    StreamStart,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)
from stratarouter_runtime.testing import (
    EchoHandler,
    FakeUpstream,
    FixedRouter,
    RecordingSink,
    make_decision,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from stratarouter_runtime.bridge_stream import ExecutionStream
    from stratarouter_runtime.types import ExecutionResult

QUICK = RuntimeConfig(retry_delay_ms=1)


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as started:
        yield started


@pytest.fixture
async def client(upstream: FakeUpstream) -> AsyncIterator[LocalClient]:
    made = LocalClient(upstream.openai_url)
    yield made
    await made.aclose()


def make_bridge(client: LocalClient, **settings: Any) -> CoreRuntimeBridge:
    bridge = CoreRuntimeBridge(QUICK, **settings)
    bridge.register_client("main", client)
    return bridge


async def read(
    stream: ExecutionStream, seen: list[Any] | None = None
) -> tuple[list[Any], ExecutionResult]:
    events = [] if seen is None else seen
    async for event in stream:
        events.append(event)
    assert isinstance(events[-1], ExecutionFinished)
    assert stream.result is events[-1].result
    return events, events[-1].result


def text_of(events: list[Any]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_an_answer_comes_in_pieces_and_is_kept_whole(
    upstream: FakeUpstream, client: LocalClient
) -> None:
    question = "where is my invoice of last April please"
    async with make_bridge(client, core_router=FixedRouter("billing")) as bridge:
        bridge.bind("billing", provider="main", model="echo")
        stream = bridge.stream(question, {"user_id": "ann"})
        events, result = await read(stream)
        hit_events, hit = await read(bridge.stream(question, {"user_id": "ann"}))
        executed = await bridge.execute(question, {"user_id": "ann"})

    assert events[0] == ExecutionStarted(
        execution_id=stream.execution_id, route_id="billing", confidence=0.9
    )
    pieces = [event for event in events if isinstance(event, TextDelta)]
    assert len(pieces) > 1
    assert text_of(events) == result.response == question
    assert any(isinstance(event, UsageDelta) for event in events)
    assert (result.provider, result.attempts, result.cache_hit) == ("main", 1, False)
    assert [type(event) for event in hit_events][:3] == [ExecutionStarted, StreamStart, TextDelta]
    assert text_of(hit_events) == hit.response == executed.response == question
    assert hit.cache_hit
    assert executed.cache_hit
    assert upstream.calls == 1


async def test_others_are_asked_before_the_first_piece(client: LocalClient) -> None:
    async with make_bridge(client) as bridge:
        bridge.bind("billing", provider="main", model="fault-error-first", fallback="main/echo")
        events, result = await read(bridge.stream(make_decision("billing", "hello you")))

    assert text_of(events) == "hello you"
    assert (result.model, result.attempts > 1) == ("echo", True)


async def test_nobody_else_is_asked_after_it(upstream: FakeUpstream, client: LocalClient) -> None:
    sink = RecordingSink()
    async with make_bridge(client, events=[sink]) as bridge:
        bridge.bind("billing", provider="main", model="fault-cut", fallback="main/echo")
        seen: list[Any] = []
        stream = bridge.stream(make_decision("billing", "a b c d e f g h i j k l"))
        with pytest.raises(StreamInterruptedError) as caught:
            await read(stream, seen)

    assert caught.value.delivered == text_of(seen) != ""
    assert stream.result is None
    assert upstream.calls == 1
    assert [record.error for record in sink.records] == [caught.value.code]
    # What was cut is not kept.
    async with make_bridge(client) as bridge:
        bridge.bind("billing", provider="main", model="fault-cut")
        assert bridge.cache is not None
        assert (await bridge.cache.stats())["entries"] == 0


async def test_tool_calls_come_in_pieces_too(client: LocalClient) -> None:
    tool = {"type": "function", "function": {"name": "find"}}
    async with make_bridge(client) as bridge:
        bridge.bind("billing", provider="main", model="tool", tools=[tool])
        events, result = await read(bridge.stream(make_decision()))

    assert any(isinstance(event, ToolCallDelta) for event in events)
    assert [call.name for call in result.tool_calls] == ["find"]


async def test_what_handlers_return_is_one_piece() -> None:
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", EchoHandler())
        bridge.bind("data", lambda query: {"n": 1})
        events, result = await read(bridge.stream(make_decision("billing", "hello")))
        data_events, data = await read(bridge.stream(make_decision("data")))

    assert (text_of(events), result.response) == ("hello", "hello")
    assert len(data_events) == 2
    assert data.response == {"n": 1}


async def test_without_a_route_there_is_a_result_that_says_so() -> None:
    async with CoreRuntimeBridge(FixedRouter("billing", finds_nothing=True)) as bridge:
        bridge.bind("billing", EchoHandler())
        events, result = await read(bridge.stream("the weather?"))

    assert len(events) == 2
    assert (result.route_id, result.reason) == (None, "no_route")


async def test_a_reader_who_leaves_ends_the_call(
    upstream: FakeUpstream, client: LocalClient
) -> None:
    sink = RecordingSink()
    async with make_bridge(client, events=[sink]) as bridge:
        bridge.bind("billing", provider="main", model="fault-never-ends")
        async with bridge.stream(make_decision()) as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    break
        assert await upstream.until(lambda it: it.requests[0].outcome == "client_left")

    assert [record.error for record in sink.records] == ["CANCELLED"]


async def test_a_stream_that_is_dropped_ends_the_call(
    upstream: FakeUpstream, client: LocalClient
) -> None:
    async with make_bridge(client) as bridge:
        bridge.bind("billing", provider="main", model="fault-never-ends")

        async def first_piece() -> None:
            async for event in bridge.stream(make_decision()):
                if isinstance(event, TextDelta):
                    return

        await first_piece()
        gc.collect()
        assert await upstream.until(lambda it: it.requests[0].outcome == "client_left")
        await bridge.aclose(grace_s=5.0)


async def test_a_reader_who_is_cancelled_ends_the_call(
    upstream: FakeUpstream, client: LocalClient
) -> None:
    before = asyncio.all_tasks()
    async with make_bridge(client) as bridge:
        bridge.bind("billing", provider="main", model="fault-idle-gap")
        pieces = asyncio.Event()

        async def reader() -> None:
            async for event in bridge.stream(make_decision("billing", "a b c d e f")):
                if isinstance(event, TextDelta):
                    pieces.set()

        task = asyncio.create_task(reader())
        await pieces.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await upstream.until(lambda it: it.requests[0].outcome == "client_left")

    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("is_reading", [True, False])
async def test_closing_the_bridge_ends_streams(
    upstream: FakeUpstream, client: LocalClient, is_reading: bool
) -> None:
    bridge = make_bridge(client)
    bridge.bind("billing", provider="main", model="fault-idle-gap")
    stream = bridge.stream(make_decision("billing", "a b c d e f"))
    async for event in stream:
        if isinstance(event, TextDelta):
            break

    async def rest() -> None:
        async for _ in stream:
            pass

    if is_reading:
        task = asyncio.create_task(rest())
        # Lets it wait for the next piece.
        await asyncio.sleep(0)
        await bridge.aclose(grace_s=0.01)
        with pytest.raises(BridgeClosedError):
            await task
    else:
        await bridge.aclose(grace_s=0.01)
    with pytest.raises(BridgeClosedError):
        await rest()
    assert await upstream.until(lambda it: it.requests[0].outcome == "client_left")


async def test_nothing_is_read_ahead_of_the_reader(
    upstream: FakeUpstream, client: LocalClient
) -> None:
    async with make_bridge(client) as bridge:
        bridge.bind("billing", provider="main", model="echo")
        stream = bridge.stream(make_decision())
        assert isinstance(await anext(stream), ExecutionStarted)
        assert upstream.calls == 0
        await stream.aclose()

    assert upstream.calls == 0


async def test_a_stream_has_until_the_deadline(client: LocalClient) -> None:
    async with make_bridge(client) as bridge:
        bridge.bind("billing", provider="main", model="slow-60000")
        with pytest.raises(ExecutionTimeoutError, match=r"provider 'main' .* 0\.1 s"):
            await read(bridge.stream(make_decision(), timeout_s=0.1))


async def test_mistakes_are_told_at_once_and_errors_when_it_is_read() -> None:
    def fail(query: str) -> None:
        raise LookupError("no such order")

    bridge = CoreRuntimeBridge()
    bridge.bind("billing", fail)
    with pytest.raises(InvalidInputError, match="no query text"):
        bridge.stream()
    with pytest.raises(HandlerError, match="no such order"):
        await read(bridge.stream(make_decision()))
    await bridge.aclose()
    with pytest.raises(BridgeClosedError):
        await read(bridge.stream(make_decision()))


async def test_closing_twice_or_after_the_end_is_harmless(client: LocalClient) -> None:
    bridge = make_bridge(client)
    bridge.bind("billing", provider="main", model="echo")
    stream = bridge.stream(make_decision())
    _, result = await read(stream)
    await bridge.aclose()

    assert [event async for event in stream] == []
    await stream.aclose()
    assert stream.result is result


async def test_a_close_that_is_cancelled_still_ends_streams(
    upstream: FakeUpstream, client: LocalClient
) -> None:
    bridge = make_bridge(client)
    bridge.bind("billing", provider="main", model="fault-idle-gap")
    stream = bridge.stream(make_decision("billing", "a b c d e f"))
    async for event in stream:
        if isinstance(event, TextDelta):
            break
    closing = asyncio.create_task(bridge.aclose(grace_s=60.0))
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing

    assert await upstream.until(lambda it: it.requests[0].outcome == "client_left")
    with pytest.raises(BridgeClosedError):
        await anext(stream)
