"""Breakers open, look whether it is better, and close again; and never get stuck."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.errors import HandlerError, ProviderError
from stratarouter_runtime.policies.circuit import (
    CircuitBreaker,
    CircuitOutcome,
    CircuitPermit,
    CircuitRules,
    CircuitTable,
    circuit_outcome,
)
from stratarouter_runtime.provider_errors import (
    BadRequestError,
    CircuitOpenError,
    ContextWindowExceededError,
    RateLimitedError,
)

RULES = CircuitRules(
    failures_in_row=3,
    min_calls=10,
    window_s=10.0,
    open_s=30.0,
    probes=2,
    successes_to_close=2,
    probe_lease_s=5.0,
    max_half_open_s=20.0,
)


def permit(breaker: CircuitBreaker, now_s: float) -> CircuitPermit:
    """Return a permit that has to be there."""
    found = breaker.acquire(now_s)
    assert found is not None
    return found


def call(breaker: CircuitBreaker, outcome: CircuitOutcome, now_s: float, took_s: float = 0) -> None:
    """Make a call that is over at once."""
    breaker.record(permit(breaker, now_s), outcome, now_s, took_s)


def opened(rules: CircuitRules = RULES) -> CircuitBreaker:
    """Return a breaker that opened at 0."""
    breaker = CircuitBreaker(rules)
    for _ in range(rules.failures_in_row):
        call(breaker, "failure", 0.0)
    return breaker


def test_failures_in_a_row_open_it() -> None:
    breaker = CircuitBreaker(RULES)
    for outcome in ("failure", "failure", "success", "failure", "failure"):
        call(breaker, outcome, 0.0)
    assert breaker.state(0.0) == "closed"

    call(breaker, "ignored", 0.0)
    call(breaker, "failure", 0.0)

    assert breaker.state(0.0) == "open"
    assert breaker.acquire(29.9) is None
    assert breaker.retry_after_s(10.0) == 20.0


def test_a_share_of_failures_opens_it_once_there_are_enough_calls() -> None:
    breaker = CircuitBreaker(RULES)
    for _ in range(4):
        call(breaker, "failure", 0.0)
        call(breaker, "success", 0.0)
    assert breaker.state(0.0) == "closed"

    call(breaker, "success", 0.0)
    call(breaker, "failure", 0.0)

    assert breaker.state(0.0) == "open"


def test_what_happened_long_ago_is_forgotten() -> None:
    breaker = CircuitBreaker(RULES)
    for _ in range(4):
        call(breaker, "failure", 0.0)
        call(breaker, "success", 0.0)

    for _ in range(9):
        call(breaker, "success", 20.0)
    call(breaker, "failure", 20.0)

    assert breaker.state(20.0) == "closed"


def test_slow_calls_open_it() -> None:
    rules = CircuitRules(min_calls=4, slow_call_s=2.0, slow_share=0.5)
    breaker = CircuitBreaker(rules)
    for took_s in (1.9, 2.0, 0.1):
        call(breaker, "success", 0.0, took_s)
    assert breaker.state(0.0) == "closed"

    call(breaker, "success", 0.0, 9.0)

    assert breaker.state(0.0) == "open"


def test_successful_probes_close_it() -> None:
    breaker = opened()
    call(breaker, "success", 30.0)
    assert breaker.state(30.0) == "half_open"
    call(breaker, "success", 30.0)

    assert breaker.state(30.0) == "closed"
    assert breaker.drain_changes() == ("open", "half_open", "closed")
    assert breaker.drain_changes() == ()


def test_one_failed_probe_opens_it_for_the_whole_time() -> None:
    breaker = opened()
    call(breaker, "success", 30.0)
    call(breaker, "failure", 31.0)

    assert breaker.retry_after_s(31.0) == 30.0


def test_a_slow_probe_has_failed() -> None:
    breaker = opened(CircuitRules(failures_in_row=1, slow_call_s=1.0))
    call(breaker, "success", 30.0, 1.0)

    assert breaker.state(30.0) == "open"


def test_only_so_many_probes_pass_at_a_time() -> None:
    breaker = opened()
    first, _ = permit(breaker, 30.0), permit(breaker, 31.0)
    assert breaker.acquire(31.0) is None
    assert breaker.retry_after_s(31.0) == 4.0

    breaker.record(first, "ignored", 31.0)

    assert permit(breaker, 31.0).is_probe


def test_probes_that_never_come_back_lose_their_place() -> None:
    breaker = opened()
    lost = [permit(breaker, 30.0) for _ in range(2)]
    assert breaker.acquire(34.9) is None

    again = permit(breaker, 35.0)
    for late in lost:
        breaker.record(late, "failure", 36.0)

    assert breaker.state(36.0) == "half_open"
    breaker.record(again, "success", 36.0)
    call(breaker, "success", 36.0)
    assert breaker.state(36.0) == "closed"


def test_it_does_not_stay_half_open_for_ever() -> None:
    breaker = opened()
    permit(breaker, 30.0)

    assert breaker.state(50.0) == "open"
    assert breaker.retry_after_s(50.0) == 30.0
    assert breaker.state(80.0) == "half_open"


def test_calls_of_an_earlier_state_change_nothing() -> None:
    breaker = CircuitBreaker(RULES)
    late = [permit(breaker, 0.0) for _ in range(5)]
    for entry in late[:3]:
        breaker.record(entry, "failure", 1.0)
    probe = permit(breaker, 31.0)
    for entry in late[3:]:
        breaker.record(entry, "failure", 31.0)
    assert breaker.state(31.0) == "half_open"

    # Twice the same permit counts once.
    breaker.record(probe, "success", 31.0)
    breaker.record(probe, "success", 31.0)
    assert breaker.state(31.0) == "half_open"


@pytest.mark.parametrize(
    "bad",
    [
        {"failures_in_row": 0},
        {"probes": 0},
        {"failure_share": 0.0},
        {"slow_share": 1.1},
        {"open_s": 0.0},
        {"window_s": float("inf")},
        {"slow_call_s": float("nan")},
    ],
    ids=str,
)
def test_impossible_rules_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(bad))):
        CircuitRules(**bad)


def test_a_table_forgets_closed_breakers_first() -> None:
    table = CircuitTable(CircuitRules(failures_in_row=1), max_keys=2)
    call(table.get("bad", 0.0), "failure", 0.0)
    good = table.get("good", 0.0)
    assert table.get("good", 0.0) is good

    table.get("new", 0.0)

    assert len(table) == 2
    assert table.get("bad", 0.0).state(0.0) == "open"
    assert table.get("good", 0.0) is not good


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "success"),
        (BadRequestError("p", "x"), "success"),
        (ContextWindowExceededError("p", "x"), "success"),
        (RateLimitedError("p", "x"), "failure"),
        (ProviderError("p", "x"), "failure"),
        (CircuitOpenError("p", 1.0), "ignored"),
        (asyncio.CancelledError(), "ignored"),
        (HandlerError("r", ValueError()), "ignored"),
    ],
    ids=repr,
)
def test_what_a_call_says_about_its_target(error: BaseException | None, outcome: str) -> None:
    assert circuit_outcome(error) == outcome
