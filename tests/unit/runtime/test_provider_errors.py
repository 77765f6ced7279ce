"""Errors of providers and accounts: drawn as they are, and what may be done about each."""

from __future__ import annotations

import inspect
import re
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from stratarouter.errors import InvalidInputError, StrataError
from stratarouter_runtime import accounting_errors, context_errors, errors, provider_errors
from stratarouter_runtime.errors import ProviderError
from stratarouter_runtime.provider_errors import (
    AllTargetsFailedError,
    AttemptFailure,
    CircuitOpenError,
    ProviderTimeoutError,
    RateLimitedError,
    StreamInterruptedError,
    UnsupportedOperationError,
)

if TYPE_CHECKING:
    from types import ModuleType

MODULES = [provider_errors, accounting_errors, context_errors]


def classes(module: ModuleType) -> dict[str, type[StrataError]]:
    """Return the errors that a module defines."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, StrataError)
        and value.__module__ == module.__name__
    }


FAMILY = classes(provider_errors)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_drawing_names_every_class(module: ModuleType) -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", module.__doc__ or ""))

    assert drawn - {"InvalidInputError", "InvalidContextError"} == set(classes(module))


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [value.code for module in [errors, *MODULES] for value in classes(module).values()]

    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[A-Z_]+", code) for code in codes)


def test_what_may_succeed_later_at_the_same_target() -> None:
    assert {name for name, value in FAMILY.items() if value.retryable} == {
        "AllTargetsFailedError",
        "ConnectionFailedError",
        "InvalidAnswerError",
        "OverloadedError",
        "ProviderTimeoutError",
        "RateLimitedError",
        "ServerError",
    }


def test_what_no_other_target_is_asked_for() -> None:
    final = {
        name
        for name, value in FAMILY.items()
        if issubclass(value, ProviderError) and not value.failover
    }

    assert final == {"BadRequestError", "ContentPolicyError", "StreamInterruptedError"}


def test_they_carry_what_is_known_of_the_call() -> None:
    error = RateLimitedError(
        "openai", "slow down", model="m", status=429, request_id="req_1", retry_after_s=2.0
    )

    assert str(error) == "provider 'openai': slow down"
    assert (error.provider, error.model, error.status) == ("openai", "m", 429)
    assert (error.request_id, error.retry_after_s) == ("req_1", 2.0)
    assert (error.retry_budget_exhausted, error.origin) == (False, "provider")


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        ("connect", "could not be connected to within 2 s"),
        ("first_byte", "did not begin to answer within 2 s"),
        ("idle", "said nothing more within 2 s"),
        ("total", "did not answer within 2 s"),
    ],
)
def test_a_timeout_says_what_took_too_long(phase: provider_errors.TimeoutPhase, words: str) -> None:
    error = ProviderTimeoutError("p", 2.0, phase)

    assert words in str(error)
    assert (error.timeout_s, error.phase) == (2.0, phase)


def test_an_interrupted_stream_keeps_what_was_delivered_out_of_its_message() -> None:
    error = StreamInterruptedError("p", "the connection closed", "private text")

    assert error.delivered == "private text"
    assert "private" not in str(error)
    assert "after 12 characters" in str(error)


def test_an_open_circuit_is_our_own_decision() -> None:
    error = CircuitOpenError("p", 12.5, model="m")

    assert (error.origin, error.retry_after_s, error.model) == ("ours", 12.5, "m")
    assert "12.5 s" in str(error)


def test_all_targets_failed_lists_them() -> None:
    failures = [
        AttemptFailure(provider="a", model="m", error=RateLimitedError("a", "slow down")),
        AttemptFailure(provider="b", model=None, error=CircuitOpenError("b", 1.0)),
    ]
    error = AllTargetsFailedError(failures)

    assert error.attempts == tuple(failures)
    assert "a/m: PROVIDER_RATE_LIMITED; b/default: CIRCUIT_OPEN" in str(error)


def test_money_is_refused_with_the_figures() -> None:
    budget = accounting_errors.BudgetExceededError(
        "daily", limit_usd=Decimal(1), used_usd=Decimal("0.75"), asked_usd=Decimal("0.5")
    )
    unpriced = accounting_errors.BudgetExceededError(
        "daily", limit_usd=Decimal(1), used_usd=Decimal(0), asked_usd=None
    )
    cap = accounting_errors.CostCapExceededError(Decimal(1), Decimal("0.9"), Decimal("0.2"))

    assert "has $0.25 of $1 left, and the call may cost $0.5" in str(budget)
    assert "price of the call is not known" in str(unpriced)
    assert "$0.9 of $1 are used" in str(cap)
    assert "an unknown sum" in str(
        accounting_errors.CostCapExceededError(Decimal(1), Decimal(0), None)
    )


def test_what_a_provider_cannot_do_is_the_callers_input() -> None:
    error = UnsupportedOperationError("anthropic", "embeddings")

    assert isinstance(error, InvalidInputError)
    assert "has no embeddings" in str(error)
