"""Weighing several scores of competing candidates: conditional logistic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratarouter.types import FloatArray, IntArray

__all__ = ["fit_choice"]

_MAX_STEPS = 200
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
    for the last `n_signed`. The loss is strictly convex and Newton's method walks inside the
    bounds, holding what meets its bound and letting it go again where that lowers the loss [2]_, so
    the answer is the one minimum.

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
    .. [2] J. Nocedal, S. J. Wright, "Numerical Optimization", 2nd edition, Springer, 2006,
       section 16.5 (active-set methods).

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
    bounded = np.arange(p) < p - n_signed
    problem = _Problem(features, chosen, prior_mean, prior_precision)
    weights = np.where(bounded, np.maximum(prior_mean, 0.0), prior_mean).astype(float)
    free = ~bounded | (weights > 0.0)
    for _ in range(_MAX_STEPS):
        gradient, hessian = problem.slopes(weights)
        moved = _step(problem, weights, gradient, hessian, free & bounded, free)
        small = _TOLERANCE * (1.0 + float(np.abs(weights).max()))
        change = float(np.abs(moved - weights).max())
        weights = moved
        free &= ~bounded | (weights > 0.0)
        if change < small:
            # A weight that was held at 0 is let go if the loss falls from there.
            pull = np.where(free, 0.0, -gradient / np.diag(hessian))
            if pull.max() < small:
                break
            free[int(pull.argmax())] = True
    return weights


@dataclass(frozen=True, slots=True)
class _Problem:
    """What the weights are fitted to."""

    features: FloatArray
    """Features of the alternatives, shape (n, a, p)."""
    chosen: IntArray
    """Right alternatives, shape (n,)."""
    mean: FloatArray
    """Mean of the prior, shape (p,)."""
    precision: FloatArray
    """Precision of the prior, shape (p,)."""

    def loss(self, weights: FloatArray) -> float:
        z = self.features @ weights
        z -= z.max(axis=1, keepdims=True)
        right = np.take_along_axis(z, self.chosen[:, None], axis=1)[:, 0]
        likelihood = float((np.log(np.exp(z).sum(axis=1)) - right).sum())
        return likelihood + float((0.5 * self.precision * (weights - self.mean) ** 2).sum())

    def slopes(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the gradient, shape (p,), and the Hessian, shape (p, p), of the loss."""
        features = self.features
        z = features @ weights
        share = np.exp(z - z.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        expected = np.einsum("na,nap->np", share, features)
        right = np.take_along_axis(features, self.chosen[:, None, None], axis=1)[:, 0]
        second = np.einsum("na,nap,naq->pq", share, features, features, optimize=True)
        gradient: FloatArray = (expected - right).sum(axis=0)
        gradient += self.precision * (weights - self.mean)
        hessian: FloatArray = second - expected.T @ expected + np.diag(self.precision)
        return gradient, hessian


def _step(  # noqa: PLR0917 -- private; everything that is known of one place
    problem: _Problem,
    weights: FloatArray,
    gradient: FloatArray,
    hessian: FloatArray,
    limited: NDArray[np.bool_],
    free: NDArray[np.bool_],
) -> FloatArray:
    """Take Newton's step in the free weights, as far as the limited ones stay at or above 0."""
    if not free.any():
        return weights
    step = np.zeros(len(weights))
    step[free] = np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
    falling = limited & (step > 0.0)
    room = np.full(len(weights), np.inf)
    room[falling] = weights[falling] / step[falling]
    scale = min(1.0, float(room.min()))
    loss = problem.loss(weights)
    while True:
        moved = weights - scale * step
        # Rounding must not leave the one that met the bound a hair above or below it.
        moved[limited & ((room <= scale) | (moved < 0.0))] = 0.0
        # The loss is convex, so halving a step that overshoots always ends.
        if problem.loss(moved) <= loss or scale < _SMALLEST_STEP:
            return moved
        scale *= 0.5
