"""The metrics on cases that can be worked out by hand, and their laws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter.algorithms.metrics import (
    auroc,
    brier,
    calibrated_ece_quantiles,
    coverage_risk,
    expected_calibration_error,
    rejection_recall,
)
from stratarouter.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

confidences = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60).map(np.array)


@st.composite
def judged(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    confidence = draw(confidences)
    n = len(confidence)
    return confidence, np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))


def test_error_is_the_distance_of_each_bin_weighted_by_its_size() -> None:
    confidence = np.array([0.05, 0.05, 0.95, 0.95, 0.95, 0.95])
    correct = np.array([False, True, True, True, True, False])
    # Bins of 2 and 4: |0.5 - 0.05| and |0.75 - 0.95|.
    expected = 2 / 6 * 0.45 + 4 / 6 * 0.2
    assert expected_calibration_error(confidence, correct, n_bins=10) == pytest.approx(expected)


def test_opposite_faults_in_one_bin_cancel_and_in_two_bins_do_not() -> None:
    confidence = np.array([0.2, 0.4])
    correct = np.array([False, True])
    assert expected_calibration_error(confidence, correct, n_bins=1) == pytest.approx(0.2)
    assert expected_calibration_error(confidence, correct, n_bins=4) == pytest.approx(0.4)


def test_edges_belong_to_the_bin_below_and_zero_to_the_first() -> None:
    # 0.5 shares a bin with 0.1 of which the mean is judged; 0.6 is alone.
    confidence = np.array([0.0, 0.5, 0.6, 1.0])
    correct = np.array([True, False, True, True])
    expected = (abs(1.0 - 0.5) + abs(2.0 - 1.6)) / 4
    assert expected_calibration_error(confidence, correct, n_bins=2) == pytest.approx(expected)


@given(judged(), st.integers(1, 40))
def test_error_is_in_the_unit_interval_and_ignores_order(
    pair: tuple[np.ndarray, np.ndarray], n_bins: int
) -> None:
    confidence, correct = pair
    error = expected_calibration_error(confidence, correct, n_bins)
    assert -1e-12 <= error <= 1.0 + 1e-12
    backwards = expected_calibration_error(confidence[::-1], correct[::-1], n_bins)
    assert backwards == pytest.approx(error)


def test_perfect_model_falls_below_the_upper_quantile_in_95_of_100_samples() -> None:
    rng = np.random.default_rng(3)
    confidence = rng.beta(4.0, 1.5, size=400)
    mean, upper = calibrated_ece_quantiles(confidence, rng=rng, n_draws=4000)
    errors = np.array(
        [expected_calibration_error(confidence, rng.random(400) < confidence) for _ in range(1000)]
    )
    assert errors.mean() == pytest.approx(mean, rel=0.03)
    assert 0.93 <= np.mean(errors <= upper) <= 0.97


def test_overconfident_model_lies_above_the_upper_quantile() -> None:
    rng = np.random.default_rng(4)
    truth = rng.uniform(0.3, 0.8, size=2000)
    correct = rng.random(2000) < truth
    _, upper = calibrated_ece_quantiles(truth + 0.1, rng=rng, n_draws=500)
    assert expected_calibration_error(truth + 0.1, correct) > upper


def test_certain_confidences_leave_a_perfect_model_no_error() -> None:
    certain = np.array([0.0, 1.0, 1.0])
    assert calibrated_ece_quantiles(certain, rng=np.random.default_rng(0)) == (0.0, 0.0)


def test_draws_in_chunks_have_the_same_law_as_draws_at_once() -> None:
    # 2,000,000 numbers are drawn at once: 300,000 confidences are drawn 6 samples at a time.
    confidence = np.full(300_000, 0.5)
    mean, upper = calibrated_ece_quantiles(confidence, rng=np.random.default_rng(0), n_draws=20)
    # One bin: the mean absolute deviation of a binomial share is sqrt(2 / pi) standard deviations.
    assert mean == pytest.approx(np.sqrt(2 / np.pi) * 0.5 / np.sqrt(300_000), rel=0.5)
    assert upper > mean


def test_equal_seeds_give_equal_quantiles() -> None:
    confidence = np.linspace(0.1, 0.9, 50)
    first = calibrated_ece_quantiles(confidence, rng=np.random.default_rng(7))
    assert first == calibrated_ece_quantiles(confidence, rng=np.random.default_rng(7))


def test_separation_is_one_for_perfect_zero_for_reversed_and_half_for_equal() -> None:
    high, low = np.array([0.8, 0.9]), np.array([0.1, 0.2, 0.3])
    assert auroc(high, low) == 1.0
    assert auroc(low, high) == 0.0
    assert auroc(np.full(4, 0.5), np.full(3, 0.5)) == 0.5


@given(confidences, confidences)
def test_separation_is_the_share_of_pairs_in_order(
    positive: np.ndarray, negative: np.ndarray
) -> None:
    pairs = positive[:, None] - negative[None, :]
    share = np.mean((pairs > 0) + 0.5 * (pairs == 0))
    assert auroc(positive, negative) == pytest.approx(share)


def test_brier_rewards_the_truth() -> None:
    correct = np.array([True, False])
    assert brier(np.array([1.0, 0.0]), correct) == 0.0
    assert brier(np.array([0.0, 1.0]), correct) == 1.0


def test_rejection_counts_out_of_scope_strictly_below_the_threshold() -> None:
    in_scope = np.array([0.4, 0.6, 0.8, 1.0])
    # Three quarters are accepted at 0.6, where a tie is accepted too.
    assert rejection_recall(in_scope, np.array([0.6, 0.59, 0.1, 0.99]), acceptance=0.75) == 0.5
    assert rejection_recall(in_scope, np.array([0.6, 0.59, 0.1, 0.99]), acceptance=1.0) == 0.25


def test_rejection_threshold_is_not_moved_by_rounding() -> None:
    # 0.07 * 100 is 7.000000000000001; seven accepted queries are enough.
    in_scope = np.linspace(0.01, 1.0, 100)
    assert rejection_recall(in_scope, np.array([0.935]), acceptance=0.07) == 1.0
    assert rejection_recall(in_scope, np.array([0.945]), acceptance=0.07) == 0.0


@given(judged())
def test_risk_at_full_coverage_is_the_error_rate(pair: tuple[np.ndarray, np.ndarray]) -> None:
    confidence, correct = pair
    thresholds, coverage, risk = coverage_risk(confidence, correct)
    assert np.all(np.diff(thresholds) < 0)
    assert np.all(np.diff(coverage) > 0)
    assert coverage[-1] == 1.0
    assert risk[-1] == pytest.approx(1.0 - correct.mean())
    for threshold, share, wrong in zip(thresholds, coverage, risk, strict=True):
        accepted = confidence >= threshold
        assert share == pytest.approx(accepted.mean())
        assert wrong == pytest.approx(1.0 - correct[accepted].mean())


@pytest.mark.parametrize(
    ("confidence", "correct", "problem"),
    [
        (np.array([]), np.array([], dtype=bool), "non-empty"),
        (np.array([0.5]), np.array([True, False]), "one outcome for each"),
        (np.array([0.5, 1.5]), np.array([True, False]), r"in \[0, 1\], got 0.5 to 1.5"),
        (np.array([0.5, np.nan]), np.array([True, False]), "NaN at position 1"),
        (np.array([[0.5]]), np.array([[True]]), "one dimension"),
        (np.array([0.5]), np.array([0.7]), "true or false"),
    ],
)
@pytest.mark.parametrize("metric", [expected_calibration_error, brier, coverage_risk])
def test_unusable_pairs_are_refused(
    metric: Callable[..., object], confidence: np.ndarray, correct: np.ndarray, problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        metric(confidence, correct)


def test_outcomes_may_be_numbers() -> None:
    confidence = np.array([0.3, 0.6, 0.9])
    correct = np.array([False, True, True])
    for outcomes in (correct.astype(float), correct.astype(int)):
        assert expected_calibration_error(confidence, outcomes) == pytest.approx(
            expected_calibration_error(confidence, correct)
        )
        assert brier(confidence, outcomes) == brier(confidence, correct)
        assert coverage_risk(confidence, outcomes)[2].tolist() == [0.0, 0.0, pytest.approx(1 / 3)]


def test_empty_sides_and_impossible_settings_are_refused() -> None:
    one, none = np.array([0.5]), np.array([])
    with pytest.raises(InvalidInputError, match="negative_scores"):
        auroc(one, none)
    with pytest.raises(InvalidInputError, match="out_of_scope"):
        rejection_recall(one, none)
    with pytest.raises(InvalidInputError, match="acceptance"):
        rejection_recall(one, one, acceptance=0.0)
    with pytest.raises(InvalidInputError, match="n_bins"):
        expected_calibration_error(one, np.array([True]), n_bins=0)
    with pytest.raises(InvalidInputError, match="n_draws"):
        calibrated_ece_quantiles(one, rng=np.random.default_rng(0), n_draws=0)
