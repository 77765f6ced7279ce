"""Deadlines, repetitions and money against a real server, which keeps the truth."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from random import Random
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from stratarouter.errors import StrataError
from stratarouter_runtime.accounting_errors import BudgetExceededError
from stratarouter_runtime.errors import ExecutionTimeoutError
from stratarouter_runtime.execution.engine import ExecutionEngine
from stratarouter_runtime.execution.rules import EngineRules
from stratarouter_runtime.ledger.budgets import Budget
from stratarouter_runtime.ledger.memory import MemoryLedger
from stratarouter_runtime.policies.circuit import CircuitRules
from stratarouter_runtime.providers.registry import LLMClientRegistry
from stratarouter_runtime.stream_events import TextDelta
from stratarouter_runtime.telemetry.clock import SystemClock
from stratarouter_runtime.testing import FakeUpstream
from tests.integration.providers.clients import KINDS, make_client

if TYPE_CHECKING:
    from collections.abc import Iterator

CAP = Decimal("1.00")
# So dear that a dollar does not last for all the calls.
PRICE = {"input_usd": 2, "output_usd": 4}
NEVER_OPENS = CircuitRules(failure_share=1.0, min_calls=10**9)


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream(retry_after_s=0.0, keep_requests=20_000) as running:
        yield running


@pytest.mark.parametrize("kind", KINDS)
async def test_three_providers_that_hang_end_with_the_deadline(
    upstream: FakeUpstream, kind: str
) -> None:
    clients = [make_client(kind, upstream.url) for _ in range(3)]
    async with LLMClientRegistry() as registry:
        for name, client in zip("abc", clients, strict=True):
            registry.register(name, client)
        started_s = monotonic()
        with pytest.raises(ExecutionTimeoutError):
            await registry.complete(
                "a/fault-slow-headers", ["b/slow-60000", "c/fault-slow-headers"], "hi", timeout_s=2
            )
        took_s = monotonic() - started_s

        assert await upstream.until(lambda it: it.open_connections == 0)
        assert 2.0 <= took_s <= 2.2
        assert upstream.calls == 3


async def test_a_thousand_calls_on_a_dead_upstream_are_at_most_1200(
    upstream: FakeUpstream,
) -> None:
    engine = ExecutionEngine(
        retry_delay_ms=1.0,
        circuit_breaker_threshold=10**9,
        rules=EngineRules(circuit=NEVER_OPENS),
    )
    async with LLMClientRegistry(engine) as registry:
        registry.register("a", make_client("local", upstream.url, max_connections=100))
        failed = await asyncio.gather(
            *(registry.complete("a/fault-status-503", messages="hi") for _ in range(1000)),
            return_exceptions=True,
        )

    assert all(isinstance(error, StrataError) for error in failed)
    # As many as a fifth of the traffic allows: the budget is used, and kept.
    assert 1100 < upstream.calls <= 1200


async def test_leaving_a_stream_closes_its_socket(upstream: FakeUpstream) -> None:
    async with LLMClientRegistry() as registry:
        registry.register("a", make_client("local", upstream.url))
        stream = registry.stream("a/ok+pace-20", messages="hi")
        async for event in stream:
            if isinstance(event, TextDelta):
                break
        await stream.aclose()

        assert await upstream.until(lambda it: it.open_connections == 0)
        assert registry.ledger is not None
        assert registry.ledger.totals().open_attempts == 0


async def test_accounts_agree_with_the_bill_to_the_microdollar(upstream: FakeUpstream) -> None:
    ledger = MemoryLedger(SystemClock(), [Budget(name="all", limit_usd=CAP)])
    engine = ExecutionEngine(
        retry_delay_ms=1.0,
        circuit_breaker_threshold=10**9,
        rules=EngineRules(circuit=NEVER_OPENS),
        journal=ledger,
    )
    random, refused = Random(4), 0
    scripts = ["fault-status-500", "fault-status-429", "fault-status-400"]

    async def caller(registry: LLMClientRegistry, calls: int) -> None:
        nonlocal refused
        for _ in range(calls):
            if random.random() < 0.1:
                model = random.choice(scripts)
            else:
                model = f"tokens-{random.randrange(1, 25)}-{random.randrange(1, 40)}"
            try:
                await registry.complete(f"a/{model}", messages="hello", params={"max_tokens": 40})
            except BudgetExceededError:
                refused += 1
            except StrataError:
                pass
            totals = ledger.totals()
            assert totals.spent_usd + totals.reserved_usd + totals.unknown_usd <= CAP

    registry = LLMClientRegistry(engine, prices={"a/*": PRICE})
    async with registry:
        registry.register("a", make_client("local", upstream.url))
        async with asyncio.timeout(50):
            await asyncio.gather(*(caller(registry, 200) for _ in range(64)))

    totals, billed = ledger.totals(), upstream.billed()
    bill_usd = (2 * billed.input_tokens + 4 * billed.output_tokens) / Decimal(1_000_000)
    assert totals.spent_usd == bill_usd
    assert (totals.open_attempts, totals.unknown_attempts) == (0, 0)
    assert refused > 0
    assert totals.spent_usd > CAP - Decimal("0.01")
