"""Isotonic regression by pool-adjacent-violators, and curves of fewer points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratarouter.errors import InvalidInputError

if TYPE_CHECKING:
    from stratarouter.types import FloatArray, IntArray

__all__ = ["isotonic_blocks", "thinned"]


def isotonic_blocks(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Fit the non-decreasing step function with the least squared error [1]_.

    Parameters
    ----------
    x : FloatArray, shape (n,)
        Inputs in any order; equal inputs get one value.
    y : FloatArray, shape (n,)
        Outcomes.

    Returns
    -------
    centres : FloatArray, shape (m,), ascending
        Mean input of each step.
    values : FloatArray, shape (m,), strictly ascending
        Fitted value of each step.
    sizes : FloatArray, shape (m,)
        Number of points in each step.

    Raises
    ------
    InvalidInputError
        If the arrays are empty or differ in length.

    References
    ----------
    .. [1] R. E. Barlow, D. J. Bartholomew, J. M. Bremner, H. D. Brunk, "Statistical Inference under
       Order Restrictions", Wiley, 1972.

    Examples
    --------
    >>> centres, values, sizes = isotonic_blocks(np.arange(4.0), np.array([0.0, 1.0, 0.0, 1.0]))
    >>> centres.tolist(), values.tolist(), sizes.tolist()
    ([0.0, 1.5, 3.0], [0.0, 0.5, 1.0], [1.0, 2.0, 1.0])
    """
    if len(x) == 0 or len(x) != len(y):
        raise InvalidInputError(f"need equally many inputs and outcomes, got {len(x)}, {len(y)}")
    distinct, group = np.unique(x, return_inverse=True)
    counts = np.bincount(group).astype(float)
    means = np.bincount(group, weights=y) / counts
    # Each entry of the stack is a block: (sum of outcomes, sum of inputs, size).
    stack: list[tuple[float, float, float]] = []
    for mean, at, count in zip(means.tolist(), distinct.tolist(), counts.tolist(), strict=True):
        total, weighted_at, size = mean * count, at * count, count
        while stack and stack[-1][0] * size >= total * stack[-1][2]:
            earlier = stack.pop()
            total, weighted_at, size = (
                total + earlier[0],
                weighted_at + earlier[1],
                size + earlier[2],
            )
        stack.append((total, weighted_at, size))
    blocks = np.array(stack)
    sizes = blocks[:, 2]
    return blocks[:, 1] / sizes, blocks[:, 0] / sizes, sizes


def thinned(x: FloatArray, y: FloatArray, tolerance: float) -> IntArray:
    """Choose points of a curve between which straight lines stay close to the others.

    The method of Ramer, Douglas and Peucker [1]_, with distances measured along `y`.

    Parameters
    ----------
    x : FloatArray, shape (n,), strictly ascending
        Where the curve is known.
    y : FloatArray, shape (n,)
        Its values.
    tolerance : float, >= 0
        How far a line may be from a point that is left out.

    Returns
    -------
    IntArray, shape (m,), ascending
        Places of the points to keep, the first and the last among them.

    References
    ----------
    .. [1] D. H. Douglas, T. K. Peucker, "Algorithms for the reduction of the number of points
       required to represent a digitized line or its caricature", Cartographica 10(2), 1973.

    Examples
    --------
    >>> x = np.arange(5.0)
    >>> thinned(x, np.array([0.0, 1.0, 2.0, 2.0, 2.0]), 0.1).tolist()
    [0, 2, 4]
    """
    last = len(x) - 1
    kept = {0, last} if last >= 0 else set()
    spans = [(0, last)]
    while spans:
        left, right = spans.pop()
        if right - left < 2:
            continue
        line = np.interp(x[left + 1 : right], x[[left, right]], y[[left, right]])
        distance = np.abs(y[left + 1 : right] - line)
        worst = int(distance.argmax())
        if distance[worst] > tolerance:
            middle = left + 1 + worst
            kept.add(middle)
            spans += [(left, middle), (middle, right)]
    return np.array(sorted(kept), dtype=np.intp)
