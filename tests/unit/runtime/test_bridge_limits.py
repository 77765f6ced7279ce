"""Deadlines, cancellation and saturation, with handlers that never return."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter_runtime.bridge import CoreRuntimeBridge
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.errors import ExecutionTimeoutError, SaturatedError
from stratarouter_runtime.testing import (
    EchoHandler,
    FixedRouter,
    GatedClient,
    RecordingSink,
    TinyEncoder,
    make_decision,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORT_S = 0.03


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Return an event that blocked threads wait for; it is set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


class Waiting:
    """An async handler that never returns, and knows how it ended."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.cancelled = 0

    async def __call__(self, query: str) -> None:
        self.entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


@pytest.mark.parametrize("cacheable", [True, False])
async def test_an_async_handler_that_never_returns_is_cancelled(cacheable: bool) -> None:
    handler = Waiting()
    async with CoreRuntimeBridge(RuntimeConfig(execution_timeout=SHORT_S)) as bridge:
        bridge.bind("billing", handler, cacheable=cacheable)
        with pytest.raises(ExecutionTimeoutError, match="the handler of route 'billing'") as caught:
            await bridge.execute(make_decision())
        await asyncio.sleep(0)

    assert caught.value.timeout_s == SHORT_S
    assert handler.cancelled == 1


@pytest.mark.parametrize("cacheable", [True, False])
async def test_a_blocking_handler_that_never_returns_keeps_its_thread_only(
    gate: threading.Event, cacheable: bool
) -> None:
    config = RuntimeConfig(handler_threads=1, handler_queue=0)
    async with CoreRuntimeBridge(config) as bridge:
        bridge.bind("stuck", lambda query: gate.wait(), cacheable=cacheable)
        bridge.bind("async", EchoHandler())
        with pytest.raises(ExecutionTimeoutError):
            await bridge.execute(make_decision("stuck"), timeout_s=SHORT_S)
        await asyncio.sleep(0)
        with pytest.raises(SaturatedError, match="1 of them abandoned"):
            await bridge.execute(make_decision("stuck"), timeout_s=SHORT_S)

        assert (await bridge.execute(make_decision("async"))).response
        gate.set()


async def test_an_async_handler_that_ignores_its_cancellation_holds_nobody_up() -> None:
    release = asyncio.Event()

    async def stubborn(query: str) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", stubborn)
        with pytest.raises(ExecutionTimeoutError):
            await bridge.execute(make_decision(), timeout_s=SHORT_S)
        release.set()


async def test_a_provider_that_never_answers_is_cancelled() -> None:
    client = GatedClient()
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", client=client)
        with pytest.raises(ExecutionTimeoutError, match="provider 'gated'"):
            await bridge.execute(make_decision(), timeout_s=SHORT_S)
        await asyncio.sleep(0)

    assert client.cancelled == 1


async def test_an_encoder_that_never_returns_is_given_up(gate: threading.Event) -> None:
    class Stuck(TinyEncoder):
        def encode(self, texts: Any) -> Any:
            gate.wait()
            return super().encode(texts)

    sink = RecordingSink()
    router = FixedRouter("billing", encoder=Stuck())
    async with CoreRuntimeBridge(router, events=[sink]) as bridge:
        bridge.bind("billing", EchoHandler())
        with pytest.raises(ExecutionTimeoutError, match="routing the query"):
            await bridge.execute("q", timeout_s=SHORT_S)
        gate.set()

    assert sink.names == ["router.route_error"]


async def test_a_call_may_have_more_time_than_the_settings_give() -> None:
    client = GatedClient()
    async with CoreRuntimeBridge(RuntimeConfig(execution_timeout=SHORT_S)) as bridge:
        bridge.bind("billing", client=client)
        call = asyncio.create_task(bridge.execute(make_decision(), timeout_s=30.0))
        await asyncio.sleep(2 * SHORT_S)
        client.gate.set()

        assert (await call).response == "done"


async def test_of_two_callers_each_has_its_own_deadline() -> None:
    client = GatedClient()
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", client=client)
        hasty = asyncio.create_task(bridge.execute(make_decision(), timeout_s=SHORT_S))
        await client.entered.wait()
        patient = asyncio.create_task(bridge.execute(make_decision(), timeout_s=30.0))
        with pytest.raises(ExecutionTimeoutError):
            await hasty
        client.gate.set()

        assert (await patient).response == "done"
    # The shared call ended with the time of the one who began it.
    assert (client.calls, client.cancelled) == (2, 1)


@pytest.mark.parametrize("who", [0, 1], ids=["first", "second"])
async def test_a_cancelled_caller_does_not_disturb_the_others(who: int) -> None:
    client = GatedClient()
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", client=client)
        calls = [asyncio.create_task(bridge.execute(make_decision())) for _ in range(2)]
        await client.entered.wait()
        calls[who].cancel()
        with pytest.raises(asyncio.CancelledError):
            await calls[who]
        client.gate.set()

        assert (await calls[1 - who]).response == "done"
        assert (await bridge.execute(make_decision())).cache_hit
    assert (client.calls, client.cancelled) == (1, 0)


async def test_when_the_last_caller_is_cancelled_so_is_the_call() -> None:
    client = GatedClient()
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", client=client)
        calls = [asyncio.create_task(bridge.execute(make_decision())) for _ in range(2)]
        await client.entered.wait()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await asyncio.sleep(0)

        assert client.cancelled == 1
        client.gate.set()
        assert not (await bridge.execute(make_decision())).cache_hit


async def test_a_cancelled_caller_takes_its_handler_with_it() -> None:
    handler = Waiting()
    sink = RecordingSink()
    async with CoreRuntimeBridge(events=[sink]) as bridge:
        bridge.bind("billing", handler)
        call = asyncio.create_task(bridge.execute(make_decision()))
        await handler.entered.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert handler.cancelled == 1
    assert [record.error for record in sink.records] == ["CANCELLED"]


async def test_cancelling_at_every_step_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    for step in range(12):
        client = GatedClient()
        async with CoreRuntimeBridge(FixedRouter("billing")) as bridge:
            bridge.bind("billing", client=client)
            call = asyncio.create_task(bridge.execute("q"))
            for _ in range(step):
                await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await asyncio.sleep(0)

            assert client.calls == client.cancelled
            client.gate.set()
            assert (await bridge.execute("q")).response == "done"

    assert asyncio.all_tasks() == before


async def test_blocking_handlers_do_not_hold_up_the_event_loop(gate: threading.Event) -> None:
    async with CoreRuntimeBridge(RuntimeConfig(handler_threads=2)) as bridge:
        bridge.bind("slow", lambda query: gate.wait())
        bridge.bind("quick", EchoHandler())
        slow = asyncio.create_task(bridge.execute(make_decision("slow")))
        quick = await bridge.execute(make_decision("quick"))

        assert quick.response
        assert not slow.done()
        gate.set()
        assert (await slow).response is True
