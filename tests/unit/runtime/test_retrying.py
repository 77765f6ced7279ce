"""A call is repeated only if that helps, in time, and not too often."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter_runtime.errors import ExecutionTimeoutError, ProviderError
from stratarouter_runtime.policies.backoff import Backoff
from stratarouter_runtime.policies.retry_budget import RetryBudget
from stratarouter_runtime.policies.retrying import RetryDecision, decide_retry
from stratarouter_runtime.provider_errors import (
    AuthenticationError,
    CircuitOpenError,
    QuotaExhaustedError,
    RateLimitedError,
    StreamInterruptedError,
)

DOWN = ProviderError("p", "down")


def decided(error: BaseException = DOWN, failures: int = 1, **changes: Any) -> RetryDecision:
    """Decide, with ten seconds left and three repetitions allowed."""
    settings: dict[str, Any] = {
        "max_retries": 3,
        "remaining_s": 10.0,
        "backoff": Backoff(base_s=1.0),
        "fraction": 0.5,
        "budget": RetryBudget(),
        "now_s": 0.0,
    }
    return decide_retry(error, failures, **{**settings, **changes})


def test_it_waits_longer_each_time_and_then_gives_up() -> None:
    assert [decided(failures=n) for n in range(1, 5)] == [
        RetryDecision("retry", 0.5),
        RetryDecision("retry", 1.0),
        RetryDecision("retry", 2.0),
        RetryDecision("attempts"),
    ]
    assert not decided(max_retries=0).is_retry


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("p", "x"),
        QuotaExhaustedError("p", "x"),
        CircuitOpenError("p", 1.0),
        StreamInterruptedError("p", "x", "so far"),
        ValueError("x"),
    ],
    ids=repr,
)
def test_what_does_not_get_better_is_final(error: BaseException) -> None:
    budget = RetryBudget(floor=1)

    assert decided(error, budget=budget).verdict == "final"
    assert budget.balance(0.0) == 1


def test_the_wish_of_the_provider_is_waited_in_full_or_not_at_all() -> None:
    error = RateLimitedError("p", "x", retry_after_s=9.0)

    assert decided(error) == RetryDecision("retry", 9.5)
    assert decided(error, remaining_s=9.5).verdict == "deadline"


def test_an_error_without_a_wish_may_be_repeated_too() -> None:
    assert decided(ExecutionTimeoutError("x", 1.0)).is_retry


def test_an_empty_budget_is_a_fact_on_the_error() -> None:
    error = ProviderError("p", "down")

    assert decided(error, budget=RetryBudget(share=0.0, floor=0)).verdict == "budget"
    assert error.retry_budget_exhausted


@given(
    failures=st.integers(1, 9),
    max_retries=st.integers(0, 9),
    remaining_s=st.floats(0.0, 20.0),
    wish_s=st.none() | st.floats(0.0, 20.0),
    floor=st.integers(0, 2),
)
def test_the_budget_pays_for_repetitions_only(
    failures: int, max_retries: int, remaining_s: float, wish_s: float | None, floor: int
) -> None:
    budget = RetryBudget(share=0.0, floor=floor)
    decision = decided(
        RateLimitedError("p", "x", retry_after_s=wish_s),
        failures,
        max_retries=max_retries,
        remaining_s=remaining_s,
        budget=budget,
    )

    assert floor - budget.balance(0.0) == int(decision.is_retry)
    if decision.is_retry:
        assert failures <= max_retries
        assert decision.delay_s < remaining_s
        assert decision.delay_s >= (wish_s or 0.0)
