"""Repetitions, fallbacks and limits of one call."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.accounting_errors import BudgetExceededError, CostCapExceededError
from stratarouter_runtime.errors import ExecutionTimeoutError, FeatureNotBuiltWarning
from stratarouter_runtime.execution.engine import ExecutionEngine
from stratarouter_runtime.execution.rules import EngineRules
from stratarouter_runtime.ledger.budgets import Budget
from stratarouter_runtime.policies.circuit import CircuitRules
from stratarouter_runtime.policies.targets import FallbackChains, Target
from stratarouter_runtime.provider_errors import (
    AllTargetsFailedError,
    AuthenticationError,
    BadRequestError,
    CircuitOpenError,
    ContentPolicyError,
    ContextWindowExceededError,
    ProviderTimeoutError,
    RateLimitedError,
    ServerError,
)
from tests.engine_setting import Setting
from tests.planned_client import HANG_S, PlannedClient
from tests.virtual_time import virtual

if TYPE_CHECKING:
    from stratarouter_runtime.testing import ManualClock

DOWN = ServerError("x", "down", status=503)
WRONG_KEY = AuthenticationError("x", "wrong key", status=401)
BAD = BadRequestError("x", "what?", status=400)


def limited(retry_after_s: float | None = None) -> RateLimitedError:
    """Return a refusal that says when to return."""
    return RateLimitedError("x", "slow down", status=429, retry_after_s=retry_after_s)


@virtual
async def test_a_call_that_succeeds_is_made_once(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient("yes"))

    assert await setting.ask() == "yes"
    assert setting.calls == [1]
    assert setting.states() == ["settled"]
    assert setting.sink.names == ["provider.request_start", "provider.request_stop"]
    assert clock.now_s() == 0.0


@virtual
async def test_failures_are_repeated_with_growing_random_waits(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient(DOWN, DOWN, DOWN, "yes"))

    assert await setting.ask() == "yes"
    assert setting.calls == [4]
    # Half of 100, 200 and 400 ms.
    assert clock.now_s() == pytest.approx(0.35)
    assert setting.sink.names.count("retry.attempt") == 3


@virtual
async def test_repetitions_end(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient(DOWN), max_retries=2)

    with pytest.raises(ServerError) as caught:
        await setting.ask()

    assert caught.value is DOWN
    assert setting.calls == [3]
    assert "retry.exhausted" in setting.sink.names
    assert setting.states() == ["settled"] * 3
    assert setting.ledger.totals().spent_usd == 0


@virtual
async def test_without_retries_a_call_is_made_once(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient(DOWN), max_retries=0)

    with pytest.raises(ServerError):
        await setting.ask()

    assert setting.calls == [1]


@virtual
async def test_what_waiting_does_not_cure_is_not_repeated(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient(WRONG_KEY))

    with pytest.raises(AuthenticationError):
        await setting.ask()

    assert setting.calls == [1]


@virtual
async def test_a_provider_is_left_alone_as_long_as_it_asks(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient(limited(7.0), "yes"), random=0.0)

    assert await setting.ask() == "yes"
    assert clock.now_s() == pytest.approx(7.0)


@virtual
async def test_nobody_waits_beyond_the_deadline(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient(limited(100.0), "never"))

    with pytest.raises(RateLimitedError):
        await setting.ask(timeout_s=60.0)

    assert clock.now_s() == 0.0


@virtual
async def test_a_wait_that_would_eat_the_share_of_others_goes_to_them(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient(limited(7.0)), PlannedClient("b"))

    assert await setting.ask("a", ["b"], timeout_s=10.0) == "b"
    assert clock.now_s() == 0.0
    assert setting.calls == [1, 1]
    assert "failover.success" in setting.sink.names


@virtual
async def test_a_deadline_covers_everything(clock: ManualClock) -> None:
    clients = [PlannedClient(HANG_S) for _ in range(3)]
    setting = Setting(clock, *clients)

    with pytest.raises(ExecutionTimeoutError) as caught:
        await setting.ask("a", ["b", "c"], timeout_s=2.0)

    assert 2.0 <= clock.now_s() <= 2.1
    assert setting.calls == [1, 1, 1]
    assert all(client.open == 0 for client in clients)
    assert isinstance(caught.value.__cause__, AllTargetsFailedError)
    assert [type(entry.error) for entry in caught.value.__cause__.attempts] == [
        ProviderTimeoutError
    ] * 3
    # Nobody knows what the providers made of it.
    assert setting.states() == ["unknown"] * 3


@virtual
async def test_the_first_of_several_targets_leaves_time_for_the_others(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient(HANG_S), PlannedClient([0.9, "b"]))

    assert await setting.ask("a", ["b"], timeout_s=2.0) == "b"
    assert clock.now_s() == pytest.approx(1.92, abs=0.01)


@virtual
async def test_a_target_has_its_own_limit(clock: ManualClock) -> None:
    client = PlannedClient(HANG_S, "yes")
    setting = Setting(clock, client, random=0.0, rules=EngineRules(attempt_timeout_s=9.0))
    target = Target(provider="a", timeout_s=0.5)

    assert await setting.ask(target) == "yes"
    assert client.limits == [0.5, 0.5]
    assert clock.now_s() == pytest.approx(0.52)

    await setting.ask("a")
    assert client.limits[-1] == 9.0


@virtual
async def test_several_failures_are_told_together(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient(WRONG_KEY), PlannedClient(DOWN), max_retries=1)

    with pytest.raises(AllTargetsFailedError) as caught:
        await setting.ask("a", ["b"])

    assert [entry.provider for entry in caught.value.attempts] == ["a", "b", "b"]
    assert caught.value.__cause__ is DOWN
    assert setting.sink.names[-1] == "failover.all_attempts_failed"


@virtual
async def test_a_request_that_nobody_understands_ends_there(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient(DOWN), PlannedClient(BAD), PlannedClient("c"))

    with pytest.raises(BadRequestError):
        await setting.ask("a", ["b", "c"])

    assert setting.calls == [4, 1, 0]


@virtual
async def test_special_failures_have_their_own_targets(clock: ManualClock) -> None:
    too_long = ContextWindowExceededError("x", "too long", status=400)
    refused = ContentPolicyError("x", "no", status=400)
    long = FallbackChains(context_window=(Target(provider="c"),))
    open_minded = FallbackChains(content_policy=(Target(provider="c"),))

    setting = Setting(clock, PlannedClient(too_long), PlannedClient("b"), PlannedClient("c"))
    assert await setting.ask("a", ["b"], chains=long) == "c"
    assert await setting.ask("a", ["b"]) == "b"

    setting = Setting(clock, PlannedClient(refused), PlannedClient("b"), PlannedClient("c"))
    assert await setting.ask("a", ["b"], chains=open_minded) == "c"
    with pytest.raises(ContentPolicyError):
        await setting.ask("a", ["b"])
    assert setting.calls[1] == 0


@virtual
async def test_a_chain_does_not_lead_back_to_who_was_asked(clock: ManualClock) -> None:
    too_long = ContextWindowExceededError("x", "too long", status=400)
    chains = FallbackChains(context_window=(Target(provider="a"), Target(provider="b")))
    setting = Setting(clock, PlannedClient(too_long), PlannedClient(too_long))

    with pytest.raises(AllTargetsFailedError):
        await setting.ask("a", chains=chains)

    assert setting.calls == [1, 1]


@virtual
async def test_a_target_that_fails_again_and_again_is_left_alone(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient(DOWN, DOWN, DOWN, "well"), max_retries=0)
    for _ in range(3):
        with pytest.raises(ServerError):
            await setting.ask()
    assert setting.registry.health()[0].circuit == "closed"

    failing = Setting(
        clock, PlannedClient(DOWN, DOWN, "well"), max_retries=0, circuit_breaker_threshold=2
    )
    for _ in range(2):
        with pytest.raises(ServerError):
            await failing.ask()
    with pytest.raises(CircuitOpenError) as caught:
        await failing.ask()

    assert failing.calls == [2]
    assert caught.value.retry_after_s == pytest.approx(30.0)
    assert failing.registry.health()[0].circuit == "open"
    await asyncio.sleep(30.0)
    assert [await failing.ask() for _ in range(2)] == ["well", "well"]
    assert failing.registry.health()[0].circuit == "closed"
    circuit = [name for name in failing.sink.names if name.startswith("circuit.")]
    assert circuit == ["circuit.open", "circuit.half_open", "circuit.close"]


@virtual
async def test_a_breaker_that_opens_ends_the_repetitions(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient(DOWN), max_retries=9, circuit_breaker_threshold=2)

    with pytest.raises(ServerError):
        await setting.ask()

    assert setting.calls == [2]


@virtual
async def test_a_group_that_is_left_alone_is_asked_now_and_then(clock: ManualClock) -> None:
    rules = EngineRules(retry_share=0.0, retry_floor=1)
    setting = Setting(
        clock,
        PlannedClient(DOWN, "well"),
        PlannedClient(DOWN),
        max_retries=0,
        circuit_breaker_threshold=1,
        rules=rules,
    )
    with pytest.raises(AllTargetsFailedError):
        await setting.ask("a", ["b"])

    # One call a minute goes through although both breakers are open.
    assert await setting.ask("a", ["b"]) == "well"
    with pytest.raises(AllTargetsFailedError) as caught:
        await setting.ask("a", ["b"])
    assert all(isinstance(entry.error, CircuitOpenError) for entry in caught.value.attempts)


@virtual
async def test_a_cost_cap_covers_all_attempts(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient(ProviderTimeoutError("a", 1.0)), PlannedClient("b"))
    client = setting.clients[0]

    # Enough for one attempt whose cost stays unknown, and not for two.
    with pytest.raises(AllTargetsFailedError) as caught:
        await setting.ask("a", ["b"], max_cost_usd="0.0002")

    assert client.calls == 1
    assert isinstance(caught.value.__cause__, CostCapExceededError)
    assert setting.states() == ["unknown"]


@virtual
async def test_a_cap_without_prices_is_refused_before_any_call(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient(), PlannedClient(), PlannedClient("c"))

    with pytest.raises(CostCapExceededError, match="give the model a price"):
        await setting.ask("c", max_cost_usd=1.0)

    assert setting.calls == [0, 0, 0]
    assert setting.ledger.totals().attempts == 0


@virtual
async def test_a_budget_refuses_before_any_call(clock: ManualClock) -> None:
    budget = Budget(name="tiny", limit_usd=Decimal("0.00001"))
    setting = Setting(clock, PlannedClient(), budgets=(budget,))

    with pytest.raises(BudgetExceededError):
        await setting.ask()

    assert setting.calls == [0]
    assert setting.ledger.totals().open_attempts == 0
    assert setting.engine.stats.load_s(("a", None)) == setting.engine.stats.latency_s(("a", None))


@virtual
async def test_answers_carry_their_price(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient("yes"), PlannedClient(), PlannedClient("c"))

    found = await setting.registry.complete("a", (), "hello")
    assert (found.cost_usd, found.provider) == (0.000015, "a")
    unpriced = await setting.registry.complete("c", (), "hello")
    assert unpriced.cost_usd is None
    assert "price" in unpriced.warnings[0]
    assert setting.ledger.totals().spent_usd == Decimal("0.000015")


@virtual
async def test_retries_are_a_share_of_traffic(clock: ManualClock) -> None:
    client = PlannedClient(DOWN)
    never_opens = CircuitRules(failure_share=1.0, min_calls=10**6)
    setting = Setting(
        clock,
        client,
        circuit_breaker_threshold=10**6,
        rules=EngineRules(circuit=never_opens),
    )

    failed = await asyncio.gather(*(setting.ask() for _ in range(1000)), return_exceptions=True)

    assert all(isinstance(error, ServerError) for error in failed)
    assert 1000 <= client.calls <= 1200
    assert setting.ledger.totals().open_attempts == 0


@virtual
async def test_a_dead_upstream_is_soon_left_alone(clock: ManualClock) -> None:
    client = PlannedClient([0.01, DOWN])
    setting = Setting(clock, client)

    failed = await asyncio.gather(*(setting.ask() for _ in range(1000)), return_exceptions=True)

    assert all(isinstance(error, (ServerError, CircuitOpenError)) for error in failed)
    assert client.calls <= 1200


@virtual
async def test_limits_that_make_no_sense_are_refused(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient())
    for options in (
        {"timeout_s": -1.0},
        {"timeout_s": 0.0},
        {"max_cost_usd": -1},
        {"max_cost_usd": "much"},
        {"timeout": 3.0},
    ):
        with pytest.raises(InvalidInputError):
            await setting.ask(**options)
    assert setting.calls == [0]


def test_an_engine_refuses_figures_that_make_no_sense() -> None:
    for settings in (
        {"timeout": 0.0},
        {"max_retries": -1},
        {"retry_delay_ms": -1.0},
        {"circuit_breaker_threshold": 0},
    ):
        with pytest.raises(InvalidInputError):
            ExecutionEngine(**settings)
    with pytest.warns(FeatureNotBuiltWarning, match="isolated"):
        ExecutionEngine(max_memory_mb=64)
