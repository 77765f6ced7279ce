"""Exact bounds, and thresholds that are tested in a fixed order."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stratarouter.algorithms.conformal import (
    binomial_tail,
    clopper_pearson_upper,
    labels_needed,
    lowest_safe_threshold,
    starting_counts,
)
from stratarouter.errors import InvalidInputError


def scores_of(n: int) -> np.ndarray:
    """Return n distinct confidences, highest first."""
    return np.linspace(0.99, 0.01, n)


def wrong_at(n: int, *positions: int) -> np.ndarray:
    """Return n outcomes that are wrong at some positions only."""
    wrong = np.zeros(n, dtype=int)
    wrong[list(positions)] = 1
    return wrong


def test_the_tail_is_the_sum_of_the_binomial_terms() -> None:
    expected = sum(math.comb(20, k) * 0.3**k * 0.7 ** (20 - k) for k in range(5))
    assert binomial_tail(4, 20, 0.3) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("n_wrong", "n", "risk", "tail"),
    [(0, 0, 0.5, 1.0), (5, 5, 0.9, 1.0), (0, 5, 0.0, 1.0), (4, 5, 1.0, 0.0), (0, 10, 0.5, 2**-10)],
)
def test_the_tail_at_its_ends(n_wrong: int, n: int, risk: float, tail: float) -> None:
    assert binomial_tail(n_wrong, n, risk) == pytest.approx(tail)


def test_the_tail_neither_overflows_nor_vanishes_for_large_counts() -> None:
    assert binomial_tail(50_000, 1_000_000, 0.05) == pytest.approx(0.5, abs=0.01)
    assert 0.0 < binomial_tail(49_000, 1_000_000, 0.05) < 1e-5
    assert binomial_tail(0, 10**9, 0.05) == 0.0


def test_without_an_error_the_bound_has_a_closed_form() -> None:
    assert clopper_pearson_upper(0, 59, 0.05) == pytest.approx(1.0 - 0.05 ** (1 / 59), rel=1e-12)


def test_the_bound_knows_nothing_without_trials_or_successes() -> None:
    assert clopper_pearson_upper(0, 0, 0.05) == 1.0
    assert clopper_pearson_upper(7, 7, 0.05) == 1.0


@pytest.mark.parametrize(("n_wrong", "n"), [(-1, 5), (6, 5)])
def test_the_bound_refuses_impossible_counts(n_wrong: int, n: int) -> None:
    with pytest.raises(InvalidInputError, match=f"got {n_wrong} of {n}"):
        clopper_pearson_upper(n_wrong, n, 0.05)


@pytest.mark.parametrize(("alpha", "n"), [(0.05, 59), (0.01, 299), (0.001, 2995)])
def test_labels_needed_without_an_error(alpha: float, n: int) -> None:
    assert labels_needed(alpha, 0.05) == n


def test_labels_needed_with_errors() -> None:
    assert [labels_needed(0.05, 0.05, k) for k in (1, 2, 3)] == [93, 124, 153]


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_shares_outside_the_open_unit_interval_are_refused(value: float) -> None:
    with pytest.raises(InvalidInputError, match="alpha must be strictly between 0 and 1"):
        labels_needed(value, 0.05)
    with pytest.raises(InvalidInputError, match="delta must be strictly between 0 and 1"):
        labels_needed(0.05, value)
    with pytest.raises(InvalidInputError, match="delta must be strictly between 0 and 1"):
        clopper_pearson_upper(0, 5, value)


def test_a_negative_number_of_errors_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="n_errors"):
        labels_needed(0.05, 0.05, -1)


def test_a_risk_that_no_count_proves_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="too small"):
        labels_needed(1e-17, 0.05)


def test_one_label_short_nothing_can_start() -> None:
    assert starting_counts(58, 0.05, 0.05) == []
    assert starting_counts(59, 0.05, 0.05) == [59]


@pytest.mark.parametrize("n", [59, 200, 480, 1_500, 100_000])
def test_every_start_can_pass_with_its_own_share(n: int) -> None:
    starts = starting_counts(n, 0.05, 0.05)
    share = 0.05 / len(starts)
    assert all(binomial_tail(0, count, 0.05) <= share for count in starts)
    assert starts[-1] <= n


def test_59_right_answers_are_accepted_whole_and_58_are_not() -> None:
    safe = lowest_safe_threshold(scores_of(59), wrong_at(59), alpha=0.05, delta=0.05)
    assert safe is not None
    assert (safe.threshold, safe.n_accepted, safe.n_wrong) == (0.0, 59, 0)
    assert lowest_safe_threshold(scores_of(58), wrong_at(58), alpha=0.05, delta=0.05) is None


def test_one_error_among_59_refutes() -> None:
    assert lowest_safe_threshold(scores_of(59), wrong_at(59, 58), alpha=0.05, delta=0.05) is None


def test_no_labels_give_no_threshold() -> None:
    nothing = np.zeros(0)
    assert lowest_safe_threshold(nothing, nothing.astype(int), alpha=0.05, delta=0.05) is None


def test_the_threshold_separates_the_accepted_from_the_next() -> None:
    scores = scores_of(500)
    safe = lowest_safe_threshold(
        scores, (np.arange(500) >= 300).astype(int), alpha=0.05, delta=0.05
    )
    assert safe is not None
    assert int((scores >= safe.threshold).sum()) == safe.n_accepted
    assert safe.threshold == np.nextafter(scores[safe.n_accepted], 1.0)
    # Tests lie 45 labels apart.
    assert 300 - 45 < safe.n_accepted < 300 + 45


def test_the_order_of_the_labels_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(400)
    wrong = (rng.random(400) > scores**0.1).astype(int)
    shuffle = rng.permutation(400)
    assert lowest_safe_threshold(scores, wrong, alpha=0.1, delta=0.1) == lowest_safe_threshold(
        scores[shuffle], wrong[shuffle], alpha=0.1, delta=0.1
    )


def test_a_mislabelled_leader_ends_only_the_first_start() -> None:
    safe = lowest_safe_threshold(scores_of(1_500), wrong_at(1_500, 0), alpha=0.05, delta=0.05)
    assert safe is not None
    assert (safe.n_accepted, safe.n_wrong) == (1_500, 1)
    # Of the four starts the first has lost its share.
    assert safe.level == pytest.approx(0.05 * 3 / 4)


def test_the_whole_of_delta_reaches_the_end_where_every_start_passes() -> None:
    safe = lowest_safe_threshold(scores_of(1_500), wrong_at(1_500), alpha=0.05, delta=0.05)
    assert safe is not None
    assert safe.level == pytest.approx(0.05)


def test_what_lies_beyond_a_failure_is_not_believed() -> None:
    # Over all labels the share of wrong ones is proved to be below alpha, but among the 5,300
    # highest it is not, and no start comes so late.
    n = 8_000
    assert clopper_pearson_upper(300, n, 0.05) < 0.05 < 300 / 5_300
    safe = lowest_safe_threshold(
        scores_of(n), wrong_at(n, *range(5_000, 5_300)), alpha=0.05, delta=0.05
    )
    assert safe is not None
    assert safe.n_accepted < 5_300


def test_equal_scores_are_accepted_together() -> None:
    scores = np.repeat([0.9, 0.5], [100, 100])
    wrong = wrong_at(200, *range(100, 140))
    safe = lowest_safe_threshold(scores, wrong, alpha=0.05, delta=0.05)
    assert safe is not None
    assert (safe.n_accepted, safe.n_wrong) == (100, 0)
    assert 0.5 < safe.threshold <= 0.9


def test_if_all_scores_are_equal_all_are_accepted_or_none() -> None:
    same = np.full(300, 0.7)
    safe = lowest_safe_threshold(same, wrong_at(300), alpha=0.05, delta=0.05)
    assert safe is not None
    assert (safe.threshold, safe.n_accepted) == (0.0, 300)
    assert lowest_safe_threshold(same, wrong_at(300, *range(20)), alpha=0.05, delta=0.05) is None
