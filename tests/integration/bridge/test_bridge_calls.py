"""The bridge over real HTTP: repetitions, fallbacks, limits, accounts."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter.errors import ConfigurationError, InvalidInputError
from stratarouter_runtime.accounting_errors import BudgetExceededError, CostCapExceededError
from stratarouter_runtime.bridge import CoreRuntimeBridge
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.conversation import ResponseFormat, ToolSpec
from stratarouter_runtime.errors import BridgeClosedError, ExecutionTimeoutError, HandlerError
from stratarouter_runtime.ledger.budgets import Budget
from stratarouter_runtime.ledger.memory import MemoryLedger
from stratarouter_runtime.provider_errors import (
    AllTargetsFailedError,
    CircuitOpenError,
    ServerError,
)
from stratarouter_runtime.providers.local import LocalClient
from stratarouter_runtime.providers.registry import LLMClientRegistry
from stratarouter_runtime.telemetry.clock import SystemClock
from stratarouter_runtime.testing import FakeUpstream, RecordingSink, make_decision
from stratarouter_runtime.types import Partition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

PRICES = {"main/*": {"input_usd": 1, "output_usd": 1}, "spare/*": {"input_usd": 2, "output_usd": 2}}
WHO = {"tenant_id": "acme", "user_id": "ann"}
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


def make_bridge(
    client: LocalClient, config: RuntimeConfig = QUICK, **settings: Any
) -> CoreRuntimeBridge:
    bridge = CoreRuntimeBridge(config, prices=PRICES, **settings)
    bridge.register_client("main", client)
    bridge.register_client("spare", client)
    return bridge


async def test_a_call_that_fails_is_repeated_and_accounted(
    upstream: FakeUpstream, client: LocalClient
) -> None:
    ledger = MemoryLedger(SystemClock())
    async with make_bridge(client, ledger=ledger) as bridge:
        bridge.bind("billing", provider="main", model="flaky-2-503", params={"max_tokens": 50})
        result = await bridge.execute(make_decision("billing", "my invoice?"), WHO)

    bill = upstream.billed()
    assert (result.response, result.provider, result.attempts) == ("my invoice?", "main", 3)
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens) == (
        bill.input_tokens,
        bill.output_tokens,
    )
    assert result.cost_usd == pytest.approx((bill.input_tokens + bill.output_tokens) / 1e6)
    assert [request.status for request in upstream.requests] == [503, 503, 200]
    rows = ledger.rows(result.execution_id)
    assert [row.state for row in rows] == ["settled"] * 3
    assert {(row.reservation.partition, row.reservation.route_id) for row in rows} == {
        (Partition("acme", "ann"), "billing")
    }


async def test_a_fallback_answers_and_is_named(client: LocalClient) -> None:
    sink = RecordingSink()
    async with make_bridge(client, RuntimeConfig(max_retries=0), events=[sink]) as bridge:
        bridge.bind("billing", provider="main", model="fault-status-500", fallback=["spare/echo"])
        result = await bridge.execute(make_decision())

    assert (result.provider, result.attempts, result.reason) == ("spare", 2, "executed")
    assert result.model == "echo"
    assert "failover.success" in sink.names
    assert sink.records[0].provider == "spare"


async def test_when_nobody_answers_everybody_is_named(client: LocalClient) -> None:
    async with make_bridge(client, RuntimeConfig(max_retries=0)) as bridge:
        bridge.bind("billing", provider="main/fault-status-500", fallback="spare/fault-status-503")
        with pytest.raises(AllTargetsFailedError) as caught:
            await bridge.execute(make_decision())

    assert [failure.provider for failure in caught.value.attempts] == ["main", "spare"]


async def test_a_provider_that_keeps_failing_is_left_alone(
    upstream: FakeUpstream, client: LocalClient
) -> None:
    config = RuntimeConfig(max_retries=0, circuit_breaker_threshold=2)
    async with make_bridge(client, config) as bridge:
        bridge.bind("billing", provider="main", model="fault-status-500")
        for kind in (ServerError, ServerError, CircuitOpenError):
            with pytest.raises(kind):
                await bridge.execute(make_decision())
        (health,) = [entry for entry in bridge.registry.health() if entry.calls]

    assert upstream.calls == 2
    assert (health.circuit, health.score) == ("open", 0.0)


@pytest.mark.parametrize("cacheable", [True, False])
async def test_one_deadline_holds_over_all_who_hang(
    upstream: FakeUpstream, client: LocalClient, cacheable: bool
) -> None:
    async with make_bridge(client) as bridge:
        bridge.bind(
            "billing",
            provider="main/slow-60000",
            fallback=["spare/slow-60000", "spare/slow-60001"],
            cacheable=cacheable,
        )
        started_s = monotonic()
        with pytest.raises(ExecutionTimeoutError, match="'main/slow-60000', 'spare/slow-60000'"):
            await bridge.execute(make_decision(), timeout_s=0.6)
        elapsed_s = monotonic() - started_s
        assert await upstream.until(lambda it: it.open_connections == 0)

    assert 0.59 <= elapsed_s <= 1.0
    assert upstream.calls == 3


async def test_a_route_may_have_less_time_than_the_execution(client: LocalClient) -> None:
    async with make_bridge(client) as bridge:
        bridge.bind("billing", provider="main", model="slow-60000", timeout_s=0.1)
        with pytest.raises(ExecutionTimeoutError, match=r"within 0\.1 s"):
            await bridge.execute(make_decision())


async def test_what_could_cost_too_much_is_not_asked(
    upstream: FakeUpstream, client: LocalClient
) -> None:
    budget = Budget(name="ann", limit_usd=Decimal("0.000001"), per=("user",))
    ledger = MemoryLedger(SystemClock(), [budget])
    params = {"max_tokens": 1000}
    async with make_bridge(client, ledger=ledger) as bridge:
        bridge.bind("a", provider="main/echo", params=params, max_cost_usd="0.0001")
        bridge.bind("b", provider="main/echo", params=params)
        with pytest.raises(CostCapExceededError):
            await bridge.execute(make_decision("a"), WHO)
        with pytest.raises(BudgetExceededError):
            await bridge.execute(make_decision("b"), WHO)

    assert upstream.calls == 0


@pytest.mark.parametrize("cacheable", [True, False])
async def test_closing_the_bridge_ends_calls(
    upstream: FakeUpstream, client: LocalClient, cacheable: bool
) -> None:
    ledger = MemoryLedger(SystemClock())
    bridge = make_bridge(client, ledger=ledger)
    bridge.bind("billing", provider="main/slow-60000", cacheable=cacheable)
    call = asyncio.create_task(bridge.execute(make_decision()))
    assert await upstream.until(lambda it: it.calls == 1)
    await bridge.aclose(grace_s=0.01)
    with pytest.raises(BridgeClosedError):
        await call

    assert await upstream.until(lambda it: it.requests[0].outcome == "client_left")
    assert ledger.totals().open_attempts == 0


@pytest.mark.parametrize("cacheable", [True, False])
async def test_a_caller_who_is_cancelled_ends_the_call(
    upstream: FakeUpstream, client: LocalClient, cacheable: bool
) -> None:
    before = asyncio.all_tasks()
    async with make_bridge(client) as bridge:
        bridge.bind("billing", provider="main/slow-60000", cacheable=cacheable)
        call = asyncio.create_task(bridge.execute(make_decision()))
        assert await upstream.until(lambda it: it.calls == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await upstream.until(lambda it: it.requests[0].outcome == "client_left")

    assert asyncio.all_tasks() == before


async def test_a_price_that_nobody_knows_is_said(client: LocalClient) -> None:
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", client=client, model="echo")
        result = await bridge.execute(make_decision())

    assert result.cost_usd is None
    assert any("price" in warning for warning in result.warnings)


async def test_tools_and_forms_reach_the_provider(
    upstream: FakeUpstream, client: LocalClient
) -> None:
    tool = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
    async with make_bridge(client) as bridge:
        bridge.bind("a", provider="main", model="tool", tools=[tool], tool_choice="required")
        bridge.bind("b", provider="main", model="echo", response_format={"type": "json_object"})
        asked = await bridge.execute(make_decision("a"))
        again = await bridge.execute(make_decision("a"))
        await bridge.execute(make_decision("b"))

    assert [call.name for call in asked.tool_calls] == ["find"]
    assert asked.to_dict()["tool_calls"][0]["function"]["name"] == "find"
    # An answer that asks for a tool is a part of a conversation, and not the end of one.
    assert not again.cache_hit
    assert any("asks for tools" in warning for warning in asked.warnings)
    assert b'"tool_choice":"required"' in upstream.requests[0].body.replace(b": ", b":")
    assert b'"json_object"' in upstream.requests[2].body


async def test_the_bridges_registry_is_everybodys(client: LocalClient) -> None:
    registry = LLMClientRegistry(aliases={"fast": ["main/echo", "spare/echo"]})
    async with CoreRuntimeBridge(registry=registry, default_provider="fast") as bridge:
        bridge.registry.register("main", client)
        bridge.registry.register("spare", client)
        result = await bridge.execute(make_decision("unbound"))

        assert (bridge.registry, bridge.providers) == (registry, ("main", "spare"))
        assert (result.provider, result.fallback) == ("main", True)
    with pytest.raises(ConfigurationError, match="ledger="):
        CoreRuntimeBridge(registry=registry, ledger=MemoryLedger(SystemClock()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"provider": "main", "fallback": ["spare", "main"]}, "its own fallback"),
        ({"provider": "main", "fallback": [7]}, "fallback= holds names"),
        ({"provider": "main", "timeout_s": 0}, "timeout_s"),
        ({"provider": "main", "max_cost_usd": -1}, "cap"),
        ({"provider": "main", "max_cost_usd": "much"}, "max_cost_usd"),
        ({"provider": "main", "prompt": "Hello"}, r"prompt= has no \{query\}"),
        ({"provider": "main", "system": "{user.name}"}, "system= has the field"),
        ({"provider": "main", "tools": [{"name": "find"}]}, "function"),
        ({"provider": "main", "tool_choice": "required"}, "there are none"),
        ({"provider": "main", "response_format": {"type": "xml"}}, "response_format"),
        ({"provider": "main", "params": {"temperature": 9}}, "temperature"),
        ({"handler": str.upper, "fallback": "spare"}, "fallback= is for providers"),
        ({"handler": str.upper, "max_cost_usd": 1}, "max_cost_usd= is for providers"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_when_it_is_bound(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        CoreRuntimeBridge().bind("billing", **options)


def test_finished_forms_can_be_bound() -> None:
    bridge = CoreRuntimeBridge()
    bridge.bind(
        "billing",
        provider="main",
        tools=[ToolSpec(name="find")],
        response_format=ResponseFormat("json"),
    )

    assert bridge.bound_routes == ("billing",)


# Handlers ---------------------------------------------------------------------------------------


class Flaky:
    def __init__(self, failures: int) -> None:
        self.left = failures
        self.calls = 0

    def __call__(self, query: str) -> str:
        self.calls += 1
        self.left -= 1
        if self.left >= 0:
            raise ConnectionError("not yet")
        return query


@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
async def test_only_idempotent_handlers_are_repeated(is_async: bool) -> None:
    once, often = Flaky(2), Flaky(2)

    def adapted(handler: Flaky) -> Any:
        async def call(query: str) -> str:
            await asyncio.sleep(0)
            return handler(query)

        return call if is_async else handler

    async with CoreRuntimeBridge(QUICK) as bridge:
        bridge.bind("once", adapted(once))
        bridge.bind("often", adapted(often), idempotent=True)
        with pytest.raises(HandlerError, match="not yet"):
            await bridge.execute(make_decision("once"))
        result = await bridge.execute(make_decision("often", "q"))

    assert (once.calls, often.calls) == (1, 3)
    assert (result.response, result.attempts, result.usage) == ("q", 3, None)


async def test_a_handler_is_given_up_in_the_end() -> None:
    handler = Flaky(99)
    async with CoreRuntimeBridge(QUICK.replace(max_retries=2)) as bridge:
        bridge.bind("often", handler, idempotent=True)
        with pytest.raises(HandlerError, match="the handler of 'often' raised ConnectionError"):
            await bridge.execute(make_decision("often"))

    assert handler.calls == 3


async def test_repetitions_of_a_handler_end_with_the_time() -> None:
    async def never(query: str) -> None:
        await asyncio.Event().wait()

    async with CoreRuntimeBridge(QUICK) as bridge:
        bridge.bind("never", never, idempotent=True, timeout_s=0.05)
        with pytest.raises(ExecutionTimeoutError, match=r"the handler of route 'never' .* 0\.05 s"):
            await bridge.execute(make_decision("never"))
