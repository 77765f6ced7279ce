"""The metrics against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, roc_auc_score, roc_curve

from stratarouter.algorithms.metrics import (
    auroc,
    brier,
    coverage_risk,
    expected_calibration_error,
    rejection_recall,
)

SEEDS = range(20)


def sample(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 500))
    # Rounding to one digit in every other sample makes ties.
    confidence = rng.beta(2.0, 1.0, size=n).round(1 if seed % 2 else 12)
    correct = rng.random(n) < confidence**1.5
    # Both outcomes are present, as roc_auc_score requires.
    correct[:2] = [True, False]
    return confidence, correct


@pytest.mark.parametrize("seed", SEEDS)
def test_auroc_equals_roc_auc_score(seed: int) -> None:
    confidence, correct = sample(seed)
    ours = auroc(confidence[correct], confidence[~correct])
    assert ours == pytest.approx(roc_auc_score(correct, confidence), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_brier_equals_brier_score_loss(seed: int) -> None:
    confidence, correct = sample(seed)
    assert brier(confidence, correct) == pytest.approx(brier_score_loss(correct, confidence))


@pytest.mark.parametrize("seed", [seed for seed in SEEDS if seed % 2 == 0])
def test_calibration_error_equals_the_weighted_gaps_of_calibration_curve(seed: int) -> None:
    # Without ties, so that no confidence lies on the edge of a bin, where the two differ.
    confidence, correct = sample(seed)
    accuracy, mean_confidence = calibration_curve(correct, confidence, n_bins=15)
    sizes = np.histogram(confidence, bins=15, range=(0.0, 1.0))[0]
    expected = np.sum(sizes[sizes > 0] * np.abs(accuracy - mean_confidence)) / len(confidence)
    assert expected_calibration_error(confidence, correct, 15) == pytest.approx(expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_rejection_recall_is_a_point_of_roc_curve(seed: int) -> None:
    confidence, correct = sample(seed)
    false_positive, true_positive, _ = roc_curve(correct, confidence, drop_intermediate=False)
    first = int(np.argmax(true_positive >= 0.9 - 1e-12))
    ours = rejection_recall(confidence[correct], confidence[~correct], acceptance=0.9)
    assert ours == pytest.approx(1.0 - false_positive[first])


@pytest.mark.parametrize("seed", SEEDS)
def test_coverage_and_risk_follow_roc_curve(seed: int) -> None:
    confidence, correct = sample(seed)
    false_positive, true_positive, cuts = roc_curve(correct, confidence, drop_intermediate=False)
    thresholds, coverage, risk = coverage_risk(confidence, correct)
    # The first point of roc_curve accepts nothing.
    wrong = false_positive[1:] * np.sum(~correct)
    accepted = wrong + true_positive[1:] * np.sum(correct)
    assert thresholds == pytest.approx(cuts[1:])
    assert coverage == pytest.approx(accepted / len(confidence))
    assert risk == pytest.approx(wrong / accepted)
