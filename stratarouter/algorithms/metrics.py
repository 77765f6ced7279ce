"""How good confidences are: calibration error, separation, and coverage against risk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stratarouter.errors import InvalidInputError

if TYPE_CHECKING:
    from stratarouter.types import FloatArray, IntArray

__all__ = [
    "Outcomes",
    "auroc",
    "brier",
    "calibrated_ece_quantiles",
    "coverage_risk",
    "expected_calibration_error",
    "rejection_recall",
]

Outcomes: TypeAlias = NDArray[np.bool_] | NDArray[np.floating[Any]] | NDArray[np.integer[Any]]
"""Array of truths, or of the numbers 0 and 1."""

# Numbers drawn at once, so that the memory of a bootstrap does not grow with the sample.
_DRAW_BUDGET = 2_000_000
# Keeps 0.07 * 100 = 7.000000000000001 from asking for an eighth query.
_ROUNDING = 1e-9


def expected_calibration_error(
    confidence: FloatArray, correct: Outcomes, n_bins: int = 15
) -> float:
    """Measure how far confidences are from the shares that come true [1]_.

    The confidences fall into `n_bins` bins of equal width, each open on its left. With ``acc`` the
    share of right answers and ``conf`` the mean confidence in a bin of ``m`` out of ``n``, the
    error is the sum over the bins of ``m / n * |acc - conf|``. On a finite sample it is above zero
    for a perfect model too; `calibrated_ece_quantiles` says by how much.

    Parameters
    ----------
    confidence : FloatArray, shape (n,), in [0, 1]
        Stated probabilities of being right.
    correct : Outcomes, shape (n,)
        Whether each answer was right.
    n_bins : int, >= 1
        Number of bins.

    Returns
    -------
    float, in [0, 1]
        The error; 0.02 is two percentage points.

    Raises
    ------
    InvalidInputError
        If the arrays are empty or differ in length, a confidence is outside [0, 1], or an
        outcome is neither true nor false.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks",
       ICML 2017, equations 2, 3 and 5.

    Examples
    --------
    >>> confidence = np.array([0.9, 0.9, 0.9, 0.9])
    >>> round(expected_calibration_error(confidence, np.array([True, True, True, False])), 3)
    0.15
    """
    outcomes = _paired(confidence, correct)
    bins = _bin_numbers(confidence, n_bins)
    excess = np.bincount(bins, weights=confidence - outcomes, minlength=n_bins)
    return float(np.abs(excess).sum() / len(confidence))


def calibrated_ece_quantiles(
    confidence: FloatArray,
    *,
    rng: np.random.Generator,
    n_bins: int = 15,
    n_draws: int = 1000,
) -> tuple[float, float]:
    """Measure the calibration error that a perfect model shows at these confidences.

    A parametric bootstrap [1]_: outcomes are drawn with exactly the stated probabilities, and the
    calibration error of each draw is noted. An observed error below the second number gives no
    reason to doubt the confidences.

    Parameters
    ----------
    confidence : FloatArray, shape (n,), in [0, 1]
        Stated probabilities of being right.
    rng : numpy.random.Generator
        Source of the draws.
    n_bins : int, >= 1
        Number of bins.
    n_draws : int, >= 1
        Number of samples drawn.

    Returns
    -------
    mean : float, in [0, 1]
        Mean error over the draws.
    upper : float, in [0, 1]
        Error that 95 % of the draws stay below.

    Raises
    ------
    InvalidInputError
        If there is no confidence, or one is outside [0, 1].

    References
    ----------
    .. [1] J. Vaicenavicius, D. Widmann, C. Andersson, F. Lindsten, J. Roll, T. B. Schön,
       "Evaluating model calibration in classification", AISTATS 2019, section 4 (consistency
       resampling).

    Examples
    --------
    >>> mean, upper = calibrated_ece_quantiles(np.full(100, 0.5), rng=np.random.default_rng(0))
    >>> 0.03 < mean < 0.05 and 0.08 < upper < 0.11
    True
    """
    _require_confidences(confidence)
    if n_draws < 1:
        raise InvalidInputError(f"n_draws must be at least 1, got {n_draws}")
    bins = _bin_numbers(confidence, n_bins)
    # Sorted by bin, the sums of all bins of all draws are differences of running totals.
    order = np.argsort(bins, kind="stable")
    stated = np.asarray(confidence, dtype=float)[order]
    _, starts = np.unique(bins[order], return_index=True)
    expected = np.add.reduceat(stated, starts)
    chunk = max(1, _DRAW_BUDGET // len(stated))
    errors = np.empty(n_draws)
    for start in range(0, n_draws, chunk):
        stop = min(start + chunk, n_draws)
        right = rng.random((stop - start, len(stated))) < stated
        observed = np.add.reduceat(right, starts, axis=1, dtype=float)
        errors[start:stop] = np.abs(observed - expected).sum(axis=1) / len(stated)
    return float(errors.mean()), float(np.quantile(errors, 0.95))


def auroc(positive_scores: FloatArray, negative_scores: FloatArray) -> float:
    """Return the probability that a positive scores above a negative, a tie counting half [1]_.

    Parameters
    ----------
    positive_scores : FloatArray, shape (n,)
        Scores that ought to be high.
    negative_scores : FloatArray, shape (m,)
        Scores that ought to be low.

    Returns
    -------
    float, in [0, 1]
        Area under the receiver operating characteristic; 0.5 is chance.

    Raises
    ------
    InvalidInputError
        If either array is empty or holds NaN.

    References
    ----------
    .. [1] J. A. Hanley, B. J. McNeil, "The meaning and use of the area under a receiver operating
       characteristic (ROC) curve", Radiology 143(1), 1982.

    Examples
    --------
    >>> auroc(np.array([0.9, 0.5]), np.array([0.5, 0.1]))
    0.875
    """
    _require_numbers("positive_scores", positive_scores)
    _require_numbers("negative_scores", negative_scores)
    scores = np.concatenate([positive_scores, negative_scores])
    _, group, counts = np.unique(scores, return_inverse=True, return_counts=True)
    # Equal scores share the mean of the ranks that they take up.
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    n, m = len(positive_scores), len(negative_scores)
    rank_sum = float(mean_rank[group[:n]].sum())
    return (rank_sum - n * (n + 1) / 2) / (n * m)


def brier(confidence: FloatArray, correct: Outcomes) -> float:
    """Return the mean squared distance between confidence and outcome [1]_.

    Parameters
    ----------
    confidence : FloatArray, shape (n,), in [0, 1]
        Stated probabilities of being right.
    correct : Outcomes, shape (n,)
        Whether each answer was right.

    Returns
    -------
    float, in [0, 1]
        The score; lower is better, always saying 0.5 gives 0.25.

    Raises
    ------
    InvalidInputError
        If the arrays are empty or differ in length, a confidence is outside [0, 1], or an
        outcome is neither true nor false.

    References
    ----------
    .. [1] G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly
       Weather Review 78(1), 1950.

    Examples
    --------
    >>> brier(np.array([0.5, 1.0]), np.array([True, True]))
    0.125
    """
    return float(np.mean((confidence - _paired(confidence, correct)) ** 2))


def rejection_recall(
    in_scope: FloatArray, out_of_scope: FloatArray, acceptance: float = 0.95
) -> float:
    """Return the share of out-of-scope queries that a usable threshold rejects.

    The threshold is the highest that still accepts the share `acceptance` of the in-scope queries;
    a query is accepted if its confidence is at least the threshold.

    Parameters
    ----------
    in_scope : FloatArray, shape (n,)
        Confidences of the queries that belong to some route.
    out_of_scope : FloatArray, shape (m,)
        Confidences of those that belong to none.
    acceptance : float, in (0, 1]
        Share of the in-scope queries to accept.

    Returns
    -------
    float, in [0, 1]
        Share of `out_of_scope` below the threshold.

    Raises
    ------
    InvalidInputError
        If either array is empty or holds NaN, or `acceptance` is outside (0, 1].

    Examples
    --------
    >>> rejection_recall(np.array([0.9, 0.8, 0.7, 0.2]), np.array([0.75, 0.3]), acceptance=0.75)
    0.5
    """
    _require_numbers("in_scope", in_scope)
    _require_numbers("out_of_scope", out_of_scope)
    if not 0.0 < acceptance <= 1.0:
        raise InvalidInputError(f"acceptance must be in (0, 1], got {acceptance!r}")
    n_accepted = int(np.ceil(acceptance * len(in_scope) - _ROUNDING))
    threshold = np.sort(in_scope)[len(in_scope) - max(1, n_accepted)]
    return float(np.mean(out_of_scope < threshold))


def coverage_risk(
    confidence: FloatArray, correct: Outcomes
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Trace the share of wrong answers over the share of accepted ones [1]_.

    Parameters
    ----------
    confidence : FloatArray, shape (n,), in [0, 1]
        Stated probabilities of being right.
    correct : Outcomes, shape (n,)
        Whether each answer was right.

    Returns
    -------
    thresholds : FloatArray, shape (m,), descending
        The distinct confidences; a query is accepted if its confidence is at least the threshold.
    coverage : FloatArray, shape (m,), in (0, 1], ascending
        Share of queries accepted at each threshold.
    risk : FloatArray, shape (m,), in [0, 1]
        Share of wrong answers among the accepted.

    Raises
    ------
    InvalidInputError
        If the arrays are empty or differ in length, a confidence is outside [0, 1], or an
        outcome is neither true nor false.

    References
    ----------
    .. [1] R. El-Yaniv, Y. Wiener, "On the Foundations of Noise-free Selective Classification",
       JMLR 11, 2010.

    Examples
    --------
    >>> thresholds, coverage, risk = coverage_risk(
    ...     np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False])
    ... )
    >>> thresholds.tolist(), coverage.tolist(), risk.round(2).tolist()
    ([0.9, 0.5, 0.1], [0.25, 0.75, 1.0], [0.0, 0.33, 0.5])
    """
    outcomes = _paired(confidence, correct)
    thresholds, group, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    wrong = np.bincount(group, weights=1.0 - outcomes, minlength=len(thresholds))
    n_accepted = np.cumsum(counts[::-1])
    return thresholds[::-1], n_accepted / len(confidence), np.cumsum(wrong[::-1]) / n_accepted


def _bin_numbers(confidence: FloatArray, n_bins: int) -> IntArray:
    if n_bins < 1:
        raise InvalidInputError(f"n_bins must be at least 1, got {n_bins}")
    # Bins are open on the left; the first takes 0.0 as well.
    return np.clip(np.ceil(confidence * n_bins).astype(np.intp) - 1, 0, n_bins - 1)


def _paired(confidence: FloatArray, correct: Outcomes) -> FloatArray:
    """Return the outcomes as the numbers 0.0 and 1.0, one for each confidence."""
    _require_confidences(confidence)
    outcomes = np.asarray(correct, dtype=float)
    if outcomes.shape != confidence.shape:
        raise InvalidInputError(
            f"need one outcome for each confidence, got {len(confidence)} confidences "
            f"and outcomes of shape {outcomes.shape}"
        )
    if not np.isin(outcomes, (0.0, 1.0)).all():
        raise InvalidInputError("an outcome must be true or false, or 1 or 0")
    return outcomes


def _require_confidences(confidence: FloatArray) -> None:
    _require_numbers("confidence", confidence)
    if confidence.min() < 0.0 or confidence.max() > 1.0:
        raise InvalidInputError(
            f"confidences must be in [0, 1], got {confidence.min():g} to {confidence.max():g}"
        )


def _require_numbers(name: str, values: FloatArray) -> None:
    if np.ndim(values) != 1 or len(values) == 0:
        raise InvalidInputError(
            f"{name} must be a non-empty array of one dimension, got shape {np.shape(values)}"
        )
    if np.isnan(values).any():
        raise InvalidInputError(f"{name} holds NaN at position {int(np.isnan(values).argmax())}")
