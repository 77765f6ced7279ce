"""Logistic regression with a Gaussian prior, by Newton's method (IRLS)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratarouter.errors import InvalidInputError

if TYPE_CHECKING:
    from stratarouter.types import FloatArray

__all__ = ["fit_logistic", "sigmoid"]

_MAX_STEPS = 100
_TOLERANCE = 1e-9


def sigmoid(z: FloatArray) -> FloatArray:
    """Return ``1 / (1 + exp(-z))``, without overflow.

    Parameters
    ----------
    z : FloatArray
        Log-odds.

    Returns
    -------
    FloatArray, in [0, 1]
        Probabilities, same shape.
    """
    half = 0.5 * np.asarray(z, dtype=float)
    return 0.5 * (1.0 + np.tanh(half))


def fit_logistic(
    features: FloatArray,
    outcomes: FloatArray,
    *,
    prior_mean: FloatArray,
    prior_precision: FloatArray,
) -> FloatArray:
    """Find the most probable coefficients given outcomes and a Gaussian prior [1]_.

    With few outcomes the answer stays near the prior, with many it forgets it. The objective is
    strictly convex for positive precisions, so the answer is unique and data that are perfectly
    separable do no harm.

    Parameters
    ----------
    features : FloatArray, shape (n, p)
        One row per outcome; add a column of ones for an intercept.
    outcomes : FloatArray, shape (n,), in [0, 1]
        0 or 1, or a probability.
    prior_mean : FloatArray, shape (p,)
        Where the coefficients are believed to be.
    prior_precision : FloatArray, shape (p,), > 0
        How firmly: 1 / variance.

    Returns
    -------
    FloatArray, shape (p,)
        Coefficients.

    Raises
    ------
    InvalidInputError
        If the shapes do not fit together.

    References
    ----------
    .. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", Springer, 2006, section 4.3.3.

    Examples
    --------
    >>> x = np.column_stack([np.ones(4), [0.0, 1.0, 2.0, 3.0]])
    >>> weights = fit_logistic(
    ...     x, np.array([0.0, 0.0, 1.0, 1.0]), prior_mean=np.zeros(2), prior_precision=np.ones(2)
    ... )
    >>> bool(weights[1] > 0)
    True
    """
    n, p = features.shape
    if outcomes.shape != (n,) or prior_mean.shape != (p,) or prior_precision.shape != (p,):
        raise InvalidInputError(
            f"features {features.shape}, outcomes {outcomes.shape}, prior {prior_mean.shape} and "
            f"{prior_precision.shape} do not fit together"
        )
    weights = prior_mean.astype(float).copy()
    loss = _loss(weights, features, outcomes, prior_mean, prior_precision)
    for _ in range(_MAX_STEPS):
        probability = sigmoid(features @ weights)
        gradient = features.T @ (probability - outcomes) + prior_precision * (weights - prior_mean)
        spread = probability * (1.0 - probability)
        hessian = (features.T * spread) @ features + np.diag(prior_precision)
        step = np.linalg.solve(hessian, gradient)
        # A full Newton step may overshoot where the curve is flat; halving always ends, since the
        # step points downhill.
        scale = 1.0
        while True:
            candidate = weights - scale * step
            candidate_loss = _loss(candidate, features, outcomes, prior_mean, prior_precision)
            if candidate_loss <= loss or scale < _TOLERANCE:
                break
            scale *= 0.5
        weights, loss = candidate, candidate_loss
        if float(np.abs(scale * step).max()) < _TOLERANCE:
            break
    return weights


def _loss(
    weights: FloatArray,
    features: FloatArray,
    outcomes: FloatArray,
    prior_mean: FloatArray,
    prior_precision: FloatArray,
) -> float:
    z = features @ weights
    likelihood = np.logaddexp(0.0, z) - outcomes * z
    prior = 0.5 * prior_precision * (weights - prior_mean) ** 2
    return float(likelihood.sum() + prior.sum())
