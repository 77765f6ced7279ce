"""How component scores become one, and how sure that makes the best of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from stratarouter.types import FloatArray

__all__ = ["FusionWeights", "log_odds", "similarity"]


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
            return np.zeros(len(nearest))
        mixed = self.nearest * np.maximum(nearest, 0.0) + self.prototype * np.maximum(
            prototype, 0.0
        )
        if head is not None:
            mixed = mixed + self.head * head
        # Rounding in float32 can carry the cosine of equal vectors above 1.
        blended: FloatArray = np.minimum(mixed / total, 1.0)
        return blended

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


def similarity(nearest: FloatArray, prototype: FloatArray, keyword: FloatArray) -> FloatArray:
    """Return how typical a query is for a route, apart from which route is the best.

    The published weights of the semantic and the keyword score, whatever was learned since: learned
    weights tell routes apart, and what tells routes apart need not tell strangers from guests.

    Parameters
    ----------
    nearest : FloatArray, in [-1, 1]
        Cosine to the nearest example.
    prototype : FloatArray, in [-1, 1]
        Cosine to the mean direction of the examples.
    keyword : FloatArray, in [0, 1]
        Keyword score.

    Returns
    -------
    FloatArray, in [-1, 1]
        Similarities, same shape.
    """
    return 0.345 * (nearest + prototype) + 0.31 * keyword


def log_odds(total: FloatArray, position: int, weights: FusionWeights, *, complete: bool) -> float:
    """Return the log-odds of one candidate against all other routes.

    Parameters
    ----------
    total : FloatArray, shape (c,)
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
    z = (weights.sharpness * total).tolist()
    own = z[position]
    others = z[:position] + z[position + 1 :]
    # A lone candidate cannot stand for the routes that are weaker than itself.
    if not complete and others:
        others.append(min(z) + weights.residual)
    if not others:
        return float(own)
    top = max(others)
    return float(own - top - math.log(sum([math.exp(other - top) for other in others])))
