"""How far single groups differ from what holds for all: random intercepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratarouter.algorithms.logistic import sigmoid
from stratarouter.errors import InvalidInputError

if TYPE_CHECKING:
    from stratarouter.types import FloatArray, IntArray

__all__ = ["fit_offsets"]

# Standard deviations of the groups' log-odds that are tried.
_SPREADS = (0.25, 0.5, 1.0)
# Groups are told apart, and further apart, only if that makes the outcomes e^3, about twenty, times
# more probable: what is usually called strong evidence.
_LEAST_EVIDENCE = 3.0
_STEPS = 30
_LONGEST_STEP = 1.0


def fit_offsets(
    log_odds: FloatArray, outcomes: FloatArray, groups: IntArray, *, n_groups: int, least: int
) -> FloatArray:
    """Find by how much the log-odds of each group differ, where groups differ at all.

    The offsets are draws from a normal distribution around 0. Its spread is the one under which
    the outcomes are the most probable (empirical Bayes, the integrals by Laplace's method [1]_),
    and 0 or a narrower one unless a wider is clearly more probable; so groups that are alike get no
    offset for their luck. The offsets are the most probable ones given that spread.

    Parameters
    ----------
    log_odds : FloatArray, shape (n,)
        Log-odds that hold for all groups together.
    outcomes : FloatArray, shape (n,), in [0, 1]
        What happened.
    groups : IntArray, shape (n,), in [0, n_groups)
        Group of each outcome.
    n_groups : int, >= 0
        Number of groups.
    least : int, >= 1
        Outcomes that a group needs for an offset of its own.

    Returns
    -------
    FloatArray, shape (n_groups,)
        Offsets; 0 for groups with too few outcomes, and for all if they do not differ.

    Raises
    ------
    InvalidInputError
        If the arrays differ in length.

    References
    ----------
    .. [1] D. J. C. MacKay, "Bayesian Interpolation", Neural Computation 4(3), 1992.

    Examples
    --------
    >>> right = np.repeat([1.0, 0.0, 1.0, 0.0], [90, 10, 10, 90])
    >>> offsets = fit_offsets(np.zeros(200), right, np.repeat([0, 1], 100), n_groups=2, least=20)
    >>> bool(offsets[0] > 1.0), bool(offsets[1] < -1.0)
    (True, True)
    """
    if not len(log_odds) == len(outcomes) == len(groups):
        raise InvalidInputError(
            f"need as many log-odds as outcomes and groups, got {len(log_odds)}, "
            f"{len(outcomes)} and {len(groups)}"
        )
    large = np.bincount(groups, minlength=n_groups) >= least
    best: FloatArray = np.zeros(n_groups)
    most = 0.0
    kept = large[groups]
    if not kept.any():
        return best
    known = (log_odds[kept], outcomes[kept], groups[kept], n_groups)
    for spread in _SPREADS:
        offsets, evidence = _most_probable(*known, spread)
        if evidence > most + _LEAST_EVIDENCE:
            best, most = offsets, evidence
    return best


def _most_probable(
    log_odds: FloatArray, outcomes: FloatArray, groups: IntArray, n_groups: int, spread: float
) -> tuple[FloatArray, float]:
    """Return the offsets, and how many nats more probable than none they make the outcomes."""
    precision = 1.0 / spread**2
    offsets = np.zeros(n_groups)
    for _ in range(_STEPS):
        share = sigmoid(log_odds + offsets[groups])
        slope = _sums(outcomes - share, groups, n_groups) - precision * offsets
        curvature = _sums(share * (1.0 - share), groups, n_groups) + precision
        # Where nearly all is certain, a full step would be far too long.
        offsets += np.clip(slope / curvature, -_LONGEST_STEP, _LONGEST_STEP)
    share = sigmoid(log_odds + offsets[groups])
    curvature = _sums(share * (1.0 - share), groups, n_groups) + precision
    moved = log_odds + offsets[groups]
    gain = np.logaddexp(0.0, log_odds) - np.logaddexp(0.0, moved) + outcomes * offsets[groups]
    prior = 0.5 * precision * offsets**2 + 0.5 * np.log(curvature / precision)
    return offsets, float(gain.sum() - prior.sum())


def _sums(values: FloatArray, groups: IntArray, n_groups: int) -> FloatArray:
    sums: FloatArray = np.bincount(groups, weights=values, minlength=n_groups).astype(float)
    return sums
