"""Weighing several scores of competing candidates: conditional logistic regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratarouter.errors import InvalidInputError

if TYPE_CHECKING:
    from stratarouter.types import FloatArray, IntArray

__all__ = ["fit_choice"]

_MAX_STEPS = 60
_TOLERANCE = 1e-7
_SMALLEST_STEP = 1e-6


def fit_choice(
    features: FloatArray,
    chosen: IntArray,
    *,
    prior_mean: FloatArray,
    prior_precision: FloatArray,
    n_signed: int = 0,
) -> FloatArray:
    """Find weights under which the right alternatives are the most probable ones.

    The probability of an alternative is the softmax of its weighted features over the alternatives
    of the same query (McFadden's conditional logit [1]_). Weights are kept at or above 0, except
    for the last `n_signed`; what Newton's method would make negative is fixed at 0 and the others
    are fitted again.

    Parameters
    ----------
    features : FloatArray, shape (n, a, p)
        Features of the ``a`` alternatives of each query.
    chosen : IntArray, shape (n,), in [0, a)
        Which alternative was right.
    prior_mean : FloatArray, shape (p,)
        Where the weights are believed to be.
    prior_precision : FloatArray, shape (p,), > 0
        How firmly: 1 / variance.
    n_signed : int, optional
        How many of the last weights may be negative.

    Returns
    -------
    FloatArray, shape (p,)
        Weights.

    Raises
    ------
    InvalidInputError
        If the shapes do not fit together.

    References
    ----------
    .. [1] D. McFadden, "Conditional Logit Analysis of Qualitative Choice Behavior", in P. Zarembka
       (ed.), Frontiers in Econometrics, Academic Press, 1974.

    Examples
    --------
    >>> features = np.array([[[1.0], [0.0]], [[0.9], [0.2]], [[0.1], [0.7]]])
    >>> weights = fit_choice(
    ...     features, np.array([0, 0, 1]), prior_mean=np.ones(1), prior_precision=np.ones(1)
    ... )
    >>> bool(weights[0] > 1.0)
    True
    """
    n, _, p = features.shape
    if chosen.shape != (n,) or prior_mean.shape != (p,) or prior_precision.shape != (p,):
        raise InvalidInputError(
            f"features {features.shape}, chosen {chosen.shape}, prior {prior_mean.shape} and "
            f"{prior_precision.shape} do not fit together"
        )
    free = np.ones(p, dtype=bool)
    weights = np.zeros(p)
    for _ in range(p):
        weights[:] = 0.0
        weights[free] = _newton(
            features[:, :, free], chosen, prior_mean[free], prior_precision[free]
        )
        negative = weights < 0.0
        negative[p - n_signed :] = False
        if not negative.any():
            break
        free &= ~negative
        if not free.any():
            break
    return np.where(free, weights, 0.0)


def _newton(
    features: FloatArray, chosen: IntArray, mean: FloatArray, precision: FloatArray
) -> FloatArray:
    weights = mean.astype(float).copy()
    right = np.take_along_axis(features, chosen[:, None, None], axis=1)[:, 0]
    loss, share = _loss(weights, features, chosen, mean, precision)
    for _ in range(_MAX_STEPS):
        expected = np.einsum("na,nap->np", share, features)
        gradient = (expected - right).sum(axis=0) + precision * (weights - mean)
        second = np.einsum("na,nap,naq->pq", share, features, features, optimize=True)
        hessian = second - expected.T @ expected + np.diag(precision)
        step = np.linalg.solve(hessian, gradient)
        # The loss is convex, so halving a step that overshoots always ends.
        scale = 1.0
        while True:
            candidate = weights - scale * step
            new_loss, new_share = _loss(candidate, features, chosen, mean, precision)
            if new_loss <= loss or scale < _SMALLEST_STEP:
                break
            scale *= 0.5
        done = float(np.abs(scale * step).max()) < _TOLERANCE * (1.0 + float(np.abs(weights).max()))
        weights, loss, share = candidate, new_loss, new_share
        if done:
            break
    return weights


def _loss(
    weights: FloatArray,
    features: FloatArray,
    chosen: IntArray,
    mean: FloatArray,
    precision: FloatArray,
) -> tuple[float, FloatArray]:
    z = features @ weights
    z = z - z.max(axis=1, keepdims=True)
    exponentials = np.exp(z)
    sums = exponentials.sum(axis=1)
    right = np.take_along_axis(z, chosen[:, None], axis=1)[:, 0]
    likelihood = float((np.log(sums) - right).sum())
    prior = float((0.5 * precision * (weights - mean) ** 2).sum())
    return likelihood + prior, exponentials / sums[:, None]
