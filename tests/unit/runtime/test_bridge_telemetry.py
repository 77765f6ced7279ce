"""What the bridge tells its sinks, and what it never tells."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from stratarouter_runtime.bridge import CoreRuntimeBridge
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.conversation import Completion, CompletionRequest, Usage
from stratarouter_runtime.errors import ProviderError
from stratarouter_runtime.telemetry.logs import LOGGER_NAME
from stratarouter_runtime.telemetry.null import NullSink
from stratarouter_runtime.testing import (
    EchoClient,
    EchoHandler,
    FixedRouter,
    ManualClock,
    RecordingSink,
    ScriptedClient,
    make_decision,
)
from stratarouter_runtime.types import ExecutionRecord

if TYPE_CHECKING:
    from stratarouter.types import RouteResult
    from stratarouter_runtime.types import Event

CONTEXT = {"user_id": "ann", "tenant_id": "acme", "api_key": "sk-canary"}


class SlowClient:
    """Takes two seconds by the clock."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    async def complete(self, request: CompletionRequest) -> Completion:
        self._clock.advance(2.0)
        return Completion(
            content="canary answer",
            model="m",
            usage=Usage(input_tokens=4, output_tokens=5),
            cost_usd=0.25,
        )


async def test_an_execution_is_told_from_decision_to_summary() -> None:
    clock, sink = ManualClock(wall_s=100.0), RecordingSink()
    async with CoreRuntimeBridge(
        FixedRouter("billing"), clock=clock, events=[sink], new_id=lambda: "exec-1"
    ) as bridge:
        bridge.bind("billing", client=SlowClient(clock), provider="slow")
        result = await bridge.execute("canary query", CONTEXT)

    assert sink.names == ["router.decide", "provider.request_start", "provider.request_stop"]
    assert [event.execution_id for event in sink.events] == ["exec-1"] * 3
    assert sink.events[0].fields == {"route_id": "billing", "confidence": 0.9, "reason": "accepted"}
    assert sink.events[2].fields == {
        "provider": "slow",
        "model": None,
        "attempt": 1,
        "duration_ms": 2000.0,
        "tokens": 9,
        "cost_usd": 0.25,
    }
    assert sink.records == [
        ExecutionRecord(
            at_s=102.0,
            execution_id="exec-1",
            duration_ms=2000.0,
            route_id="billing",
            provider="slow",
            model="m",
            tokens=9,
            cost_usd=0.25,
            tenant_id="acme",
            user_id="ann",
        )
    ]
    assert result.latency_ms == 2000.0


async def test_a_hit_is_told_without_calls_or_cost() -> None:
    sink = RecordingSink()
    async with CoreRuntimeBridge(events=[sink]) as bridge:
        bridge.bind("billing", client=EchoClient())
        for _ in range(2):
            await bridge.execute(make_decision())

    assert sink.names == ["provider.request_start", "provider.request_stop"]
    assert [record.cache_hit for record in sink.records] == [False, True]
    assert (sink.records[1].tokens, sink.records[1].provider) == (0, "echo")


async def test_failures_are_told_with_their_code() -> None:
    sink = RecordingSink()
    async with CoreRuntimeBridge(RuntimeConfig(max_retries=0), events=[sink]) as bridge:
        bridge.bind("billing", client=ScriptedClient([ConnectionError("canary")]))
        with pytest.raises(ProviderError):
            await bridge.execute(make_decision())

    assert sink.names == [
        "provider.request_start",
        "provider.request_error",
        "failover.attempt_failed",
    ]
    assert sink.events[1].fields["error"] == "PROVIDER_ERROR"
    (record,) = sink.records
    assert (record.route_id, record.provider) == ("billing", "scripted")
    assert record.error == "PROVIDER_ERROR"


async def test_an_error_of_the_router_is_told() -> None:
    class Broken(FixedRouter):
        def route(self, query: str, embedding: object = None, k: int | None = None) -> RouteResult:
            raise ArithmeticError("canary")

    sink = RecordingSink()
    async with CoreRuntimeBridge(Broken("billing"), events=[sink]) as bridge:
        with pytest.raises(ArithmeticError):
            await bridge.execute("q")

    assert sink.names == ["router.route_error"]
    assert sink.events[0].fields == {"error": "INTERNAL_ERROR"}
    assert [record.error for record in sink.records] == ["INTERNAL_ERROR"]


async def test_a_session_is_no_user() -> None:
    sink = RecordingSink()
    async with CoreRuntimeBridge(events=[sink]) as bridge:
        bridge.bind("billing", EchoHandler())
        await bridge.execute(make_decision(), {"session_id": "s1"})

    assert sink.records[0].user_id is None


async def test_neither_texts_nor_secrets_are_told(caplog: pytest.LogCaptureFixture) -> None:
    sink = RecordingSink()
    with caplog.at_level(logging.DEBUG, LOGGER_NAME):
        async with CoreRuntimeBridge(FixedRouter("billing"), events=[sink]) as bridge:
            bridge.bind("billing", client=ScriptedClient(["canary answer"]))
            await bridge.execute("canary query", CONTEXT)
            bridge.bind("billing", client=ScriptedClient([ValueError("canary")]), replace=True)
            with pytest.raises(ProviderError):
                await bridge.execute("canary query", CONTEXT)

    told = f"{sink.events}{sink.records}{caplog.text}"
    assert len(caplog.messages) == 2
    assert "canary" not in told


async def test_a_failing_sink_does_not_fail_an_execution() -> None:
    class Broken(NullSink):
        def emit(self, event: Event) -> None:
            raise ValueError("broken")

        def complete(self, record: ExecutionRecord) -> None:
            raise ValueError("broken")

    good = RecordingSink()
    async with CoreRuntimeBridge(events=[Broken(), good]) as bridge:
        bridge.bind("billing", client=EchoClient())

        assert (await bridge.execute(make_decision())).response
    assert len(good.records) == 1
