"""Wishes to be left alone, in all their forms, and the waits that follow."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.policies.backoff import Backoff, attempt_timeout_s
from stratarouter_runtime.policies.retry_after import DEFAULT_MAX_WAIT_S, retry_after_s
from stratarouter_runtime.policies.retry_budget import RetryBudget

NOW_S = 1_768_473_045.0  # 2026-01-15T10:30:45Z


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3.0),
        ({"RETRY-AFTER": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-7"}, 0.0),
        ({"retry-after": "999999999"}, DEFAULT_MAX_WAIT_S),
        ({"retry-after": "9" * 400}, DEFAULT_MAX_WAIT_S),
        ({"retry-after": "1e400"}, DEFAULT_MAX_WAIT_S),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "2s"}, 2.0),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after-ms": "-1"}, 0.0),
        ({"retry-after-ms": "x", "retry-after": "3"}, 3.0),
        ({"retry-after": "Thu, 15 Jan 2026 10:31:00 GMT"}, 15.0),
        ({"retry-after": "Thursday, 15-Jan-26 10:31:00 GMT"}, 15.0),
        ({"retry-after": "Thu Jan 15 10:31:00 2026"}, 15.0),
        ({"retry-after": "Thu, 15 Jan 2026 10:30:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, DEFAULT_MAX_WAIT_S),
        ({"retry-after": "2026-01-15T10:30:55Z"}, 10.0),
        ({"retry-after": "1768473050"}, 5.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2s"}, 62.0),
        ({"x-ratelimit-remaining-requests": "4", "x-ratelimit-reset-requests": "1m2s"}, None),
        ({"x-ratelimit-remaining-requests": "0"}, None),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "20ms",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            360.0,
        ),
        (
            {
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2026-01-15T10:31:45Z",
            },
            60.0,
        ),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1768473055"}, 10.0),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "12"}, 12.0),
    ],
)
def test_every_form_is_read(headers: dict[str, str], wait_s: float | None) -> None:
    assert retry_after_s(headers, NOW_S) == wait_s


@given(
    st.dictionaries(
        st.sampled_from(["Retry-After", "retry-after-ms", "x-ratelimit-reset"]),
        st.text() | st.floats().map(str) | st.integers().map(str),
    )
)
def test_no_header_leads_out_of_bounds(headers: dict[str, str]) -> None:
    wait_s = retry_after_s({**headers, "x-ratelimit-remaining": "0"}, NOW_S)

    assert wait_s is None or 0.0 <= wait_s <= DEFAULT_MAX_WAIT_S


@given(
    failures=st.integers(1, 10**6),
    fraction=st.floats(0.0, 1.0, exclude_max=True),
    base_s=st.floats(0.0, 100.0),
    cap_s=st.floats(0.0, 1000.0),
    wish_s=st.none() | st.floats(0.0, 3600.0),
)
def test_the_wait_is_jitter_upon_the_wish(
    failures: int, fraction: float, base_s: float, cap_s: float, wish_s: float | None
) -> None:
    backoff = Backoff(base_s=base_s, cap_s=cap_s)
    delay_s = backoff.delay_s(failures, fraction, retry_after_s=wish_s)
    floor_s = 0.0 if wish_s is None else wish_s

    assert floor_s <= delay_s <= floor_s + cap_s
    assert backoff.bound_s(failures) <= backoff.bound_s(failures + 1) <= cap_s


def test_the_bound_doubles_up_to_its_cap() -> None:
    backoff = Backoff(base_s=0.1, cap_s=1.0)

    assert [round(backoff.bound_s(n), 3) for n in range(1, 7)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert backoff.delay_s(4, 0.0) == 0.0


@pytest.mark.parametrize("bad", [{"base_s": -1.0}, {"cap_s": math.inf}, {"factor": 0.5}])
def test_impossible_backoffs_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(bad))):
        Backoff(**bad)


@given(
    limit_s=st.floats(0.001, 100.0),
    own_s=st.none() | st.floats(0.001, 100.0),
    targets=st.integers(1, 10),
)
def test_targets_that_hang_end_with_the_deadline(
    limit_s: float, own_s: float | None, targets: int
) -> None:
    spent_s = 0.0
    for left in range(targets, 0, -1):
        share_s = attempt_timeout_s(own_s, limit_s - spent_s, left)
        assert share_s >= 0.0
        assert own_s is None or share_s <= own_s
        spent_s += share_s

    assert spent_s <= limit_s * (1 + 1e-9)
    if own_s is None:
        assert spent_s == pytest.approx(limit_s)


@pytest.mark.parametrize(
    "bad",
    [
        {"share": -0.1},
        {"share": 1.1},
        {"floor": -1},
        {"window_s": 0.0},
        {"window_s": math.inf},
        {"window_s": math.nan},
    ],
    ids=str,
)
def test_impossible_budgets_of_repetitions_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(bad))):
        RetryBudget(**bad)


def test_a_budget_of_repetitions_may_be_none_or_all() -> None:
    none, all_of_them = RetryBudget(share=0.0, floor=0), RetryBudget(share=1.0, floor=0)
    for budget in (none, all_of_them):
        budget.deposit(0.0)

    assert (none.balance(0.0), all_of_them.balance(0.0)) == (0, 1)
