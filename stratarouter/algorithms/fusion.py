"""How component scores become one, and how sure that makes the best of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter.types import FloatArray, IntArray

_Number = TypeVar("_Number", float, "FloatArray")

__all__ = ["FusionWeights", "log_odds", "log_odds_rows", "similarity"]


@dataclass(frozen=True, slots=True)
class FusionWeights:
    """Weights of the component scores, all >= 0 and adding up to 1, and how sharply they decide."""

    nearest: float
    """Weight of the cosine to the nearest example."""
    prototype: float
    """Weight of the cosine to the mean direction of the examples."""
    keyword: float
    """Weight of the keyword score."""
    pattern: float
    """Share of the distance to 1 that a matching pattern adds, in [0, 1]."""
    head: float = 0.0
    """Weight of the learned head's score."""
    sharpness: float = 24.0
    """Log-odds between two routes per unit of difference in their totals."""
    residual: float = 2.0
    """Log-odds of all routes that are no candidates against the weakest candidate."""

    @classmethod
    def published(cls, semantic: float, keyword: float, pattern: float) -> FusionWeights:
        """Return weights from those of the settings.

        Parameters
        ----------
        semantic : float, >= 0
            Weight of the semantic score; both cosines get half of it.
        keyword : float, >= 0
            Weight of the keyword score.
        pattern : float, in [0, 1]
            Share that a matching pattern adds.

        Returns
        -------
        FusionWeights
            Weights without a head.
        """
        half = 0.5 * semantic / (semantic + keyword)
        return cls(half, half, 1.0 - 2.0 * half, pattern)

    @property
    def semantic(self) -> float:
        """Weight of the semantic score, that is of all components but the keyword score."""
        return self.head + self.nearest + self.prototype

    def blend(
        self, head: FloatArray | None, nearest: FloatArray, prototype: FloatArray
    ) -> FloatArray:
        """Return the semantic score: the weighted mean of what the embedding says.

        The nearest example alone is fooled by one odd example, the prototype alone by a route of
        many meanings; together they are better than either.

        Parameters
        ----------
        head : FloatArray, shape (n,), in [0, 1], or None
            Score of the learned head, where there is one.
        nearest : FloatArray, shape (n,), in [-1, 1]
            Cosine to the nearest example of each route.
        prototype : FloatArray, shape (n,), in [-1, 1]
            Cosine to the mean direction of each route's examples.

        Returns
        -------
        FloatArray, shape (n,), in [0, 1]
            Semantic scores; all 0 if their weights are.
        """
        total = self.semantic
        if total <= 0.0:
            return np.zeros_like(nearest)
        mixed = self.nearest * np.maximum(nearest, 0.0) + self.prototype * np.maximum(
            prototype, 0.0
        )
        if head is not None:
            mixed = mixed + self.head * head
        # Rounding in float32 can carry the cosine of equal vectors above 1.
        blended: FloatArray = np.minimum(mixed / total, 1.0)
        return blended

    def totals(
        self,
        head: list[float] | None,
        nearest: list[float],
        prototype: list[float],
        keyword: list[float],
        pattern: list[float] | None,
    ) -> list[float]:
        """Return what `blend` and `fuse` give, for the few candidates of one query.

        For ten values plain numbers take a third of the time of arrays.

        Parameters
        ----------
        head : list of float, in [0, 1], or None
            Scores of the learned head, where there is one.
        nearest : list of float, in [-1, 1]
            Cosines to the nearest examples.
        prototype : list of float, in [-1, 1]
            Cosines to the mean directions.
        keyword : list of float, in [0, 1]
            Keyword scores.
        pattern : list of float, in {0, 1}, or None
            1 where a pattern fired; None if none did.

        Returns
        -------
        list of float, in [0, 1]
            Totals; rounding in float32 can carry those of equal vectors a little above 1.
        """
        near, mean, word = self.nearest, self.prototype, self.keyword
        if head is None:
            total = [
                near * (n if n > 0.0 else 0.0) + mean * (p if p > 0.0 else 0.0) + word * k
                for n, p, k in zip(nearest, prototype, keyword, strict=True)
            ]
        else:
            learned = self.head
            total = [
                near * (n if n > 0.0 else 0.0)
                + mean * (p if p > 0.0 else 0.0)
                + word * k
                + learned * h
                for n, p, k, h in zip(nearest, prototype, keyword, head, strict=True)
            ]
        if pattern is not None:
            fired = self.pattern
            total = [t + fired * p * (1.0 - t) for t, p in zip(total, pattern, strict=True)]
        return total

    def semantic_score(self, head: float, nearest: float, prototype: float) -> float:
        """Return what `blend` gives, for one route.

        Parameters
        ----------
        head : float, in [0, 1]
            Score of the learned head; 0 without one.
        nearest : float, in [-1, 1]
            Cosine to the nearest example.
        prototype : float, in [-1, 1]
            Cosine to the mean direction.

        Returns
        -------
        float, in [0, 1]
            Semantic score.
        """
        most = self.semantic
        part = self.head * head + self.nearest * max(nearest, 0.0)
        part += self.prototype * max(prototype, 0.0)
        return min(part / most, 1.0) if most > 0.0 else 0.0

    def fuse(
        self, semantic: FloatArray, keyword: FloatArray, pattern: FloatArray | None
    ) -> FloatArray:
        """Combine the scores of each route into one.

        Semantic and keyword scores are averaged by weight; a pattern that fires then moves the
        result towards 1, so that owning a pattern never costs a route. The total is no probability.

        Parameters
        ----------
        semantic : FloatArray, shape (n,), in [0, 1]
            Semantic scores.
        keyword : FloatArray, shape (n,), in [0, 1]
            Keyword scores.
        pattern : FloatArray, shape (n,), in [0, 1], or None
            1 where a pattern fired; None if none did.

        Returns
        -------
        FloatArray, shape (n,), in [0, 1]
            Totals in the order of the inputs.

        Examples
        --------
        >>> weights = FusionWeights.published(semantic=3.0, keyword=1.0, pattern=0.5)
        >>> one, zero = np.array([1.0, 0.0]), np.array([0.0, 0.0])
        >>> weights.fuse(one, zero, None).tolist()
        [0.75, 0.0]
        >>> weights.fuse(one, zero, np.array([0.0, 1.0])).tolist()
        [0.75, 0.5]
        """
        total = self.semantic * semantic + self.keyword * keyword
        if pattern is not None:
            total = total + self.pattern * pattern * (1.0 - total)
        return total


def similarity(nearest: _Number, prototype: _Number, keyword: _Number) -> _Number:
    """Return how typical a query is for a route, apart from which route is the best.

    The published weights of the semantic and the keyword score, whatever was learned since: learned
    weights tell routes apart, and what tells routes apart need not tell strangers from guests.

    Parameters
    ----------
    nearest : float or FloatArray, in [-1, 1]
        Cosine to the nearest example.
    prototype : float or FloatArray, in [-1, 1]
        Cosine to the mean direction of the examples.
    keyword : float or FloatArray, in [0, 1]
        Keyword score.

    Returns
    -------
    float or FloatArray, in [-1, 1]
        Similarities, same shape.
    """
    return 0.345 * (nearest + prototype) + 0.31 * keyword


def log_odds(
    total: Sequence[float] | FloatArray, position: int, weights: FusionWeights, *, complete: bool
) -> float:
    """Return the log-odds of one candidate against all other routes.

    Parameters
    ----------
    total : sequence of float, length c
        Totals of the candidates.
    position : int
        Which of them.
    weights : FusionWeights
        Sharpness, and odds of the routes that are no candidates.
    complete : bool
        Whether every route is a candidate.

    Returns
    -------
    float
        Log-odds; that of the total itself against 0 if there is no other route.
    """
    sharpness = weights.sharpness
    others = [sharpness * value for value in total]
    # A lone candidate cannot stand for the routes that are weaker than itself.
    if not complete and len(others) > 1:
        others.append(min(others) + weights.residual)
    own = others.pop(position)
    if not others:
        return float(own)
    top, exp = max(others), math.exp
    return float(own - top - math.log(sum([exp(other - top) for other in others])))


def log_odds_rows(
    total: FloatArray, positions: IntArray, weights: FusionWeights, *, complete: bool
) -> FloatArray:
    """Return what `log_odds` returns, for one candidate of each of many queries.

    Parameters
    ----------
    total : FloatArray, shape (q, c)
        Totals of the candidates of each query.
    positions : IntArray, shape (q,)
        Which candidate of each.
    weights : FusionWeights
        Sharpness, and odds of the routes that are no candidates.
    complete : bool
        Whether every route is a candidate.

    Returns
    -------
    FloatArray, shape (q,)
        Log-odds.
    """
    rows = np.arange(len(total))
    others = weights.sharpness * total.astype(float)
    own = others[rows, positions]
    if others.shape[1] == 1:
        return own
    weakest = others.min(axis=1)
    others[rows, positions] = -math.inf
    if not complete:
        others = np.column_stack([others, weakest + weights.residual])
    odds: FloatArray = own - np.logaddexp.reduce(others, axis=1)
    return odds
