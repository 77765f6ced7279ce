"""The candidate routes of one query with their scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.algorithms.fusion import log_odds, similarity

if TYPE_CHECKING:
    from stratarouter.algorithms.fusion import FusionWeights
    from stratarouter.types import FloatArray, IntArray

__all__ = ["RankedCandidates", "ScoredCandidates"]


class RankedCandidates:
    """Candidate routes of one query as serving needs them: plain numbers, no arrays.

    Parameters
    ----------
    routes : list of int
        Route numbers, ascending, at least one.
    head : list of float, in [0, 1], or None
        Scores of the learned head; None without one.
    nearest : list of float, in [-1, 1]
        Cosines to the nearest example.
    prototype : list of float, in [-1, 1]
        Cosines to the mean direction.
    keyword : list of float, in [0, 1]
        Keyword scores.
    pattern : list of float, in {0, 1}, or None
        1 where a pattern fired; None if none did.
    weights : FusionWeights
        Weights of the totals.
    complete : bool
        Whether every route is a candidate.
    """

    __slots__ = (
        "complete",
        "head",
        "keyword",
        "nearest",
        "pattern",
        "prototype",
        "routes",
        "total",
        "weights",
    )

    def __init__(  # noqa: PLR0917 -- the components in their usual order, on the hot path
        self,
        routes: list[int],
        head: list[float] | None,
        nearest: list[float],
        prototype: list[float],
        keyword: list[float],
        pattern: list[float] | None,
        weights: FusionWeights,
        complete: bool,
    ) -> None:
        self.routes = routes
        self.head = head
        self.nearest = nearest
        self.prototype = prototype
        self.keyword = keyword
        self.pattern = pattern
        self.weights = weights
        self.complete = complete
        self.total = weights.totals(head, nearest, prototype, keyword, pattern)

    def leader(self) -> int:
        """Return the position of the best candidate; the first of equals.

        Returns
        -------
        int
            Position in the lists.
        """
        return self.total.index(max(self.total))

    def order(self) -> list[int]:
        """Return the positions of all candidates, best first, equals in ascending order.

        Returns
        -------
        list of int
            Positions in the lists.
        """
        return sorted(range(len(self.total)), key=self.total.__getitem__, reverse=True)

    def log_odds(self, position: int) -> float:
        """Return the log-odds of a candidate against all other routes.

        Parameters
        ----------
        position : int
            Position in the lists.

        Returns
        -------
        float
            Log-odds, if the query belongs to any route at all.
        """
        return log_odds(self.total, position, self.weights, complete=self.complete)

    def similarity(self, position: int) -> float:
        """Return how typical the query is for a candidate.

        Parameters
        ----------
        position : int
            Position in the lists.

        Returns
        -------
        float, in [-1, 1]
            Similarity.
        """
        return similarity(self.nearest[position], self.prototype[position], self.keyword[position])

    def semantic(self, position: int) -> float:
        """Return the semantic score of a candidate.

        Parameters
        ----------
        position : int
            Position in the lists.

        Returns
        -------
        float, in [0, 1]
            What the embedding says.
        """
        head = 0.0 if self.head is None else self.head[position]
        return self.weights.semantic_score(head, self.nearest[position], self.prototype[position])

    def scored(self) -> ScoredCandidates:
        """Return the same as arrays.

        Returns
        -------
        ScoredCandidates
            For learning, which works with many queries at once.
        """
        return ScoredCandidates(
            np.array(self.routes),
            None if self.head is None else np.array(self.head),
            np.array(self.nearest),
            np.array(self.prototype),
            np.array(self.keyword),
            None if self.pattern is None else np.array(self.pattern),
            np.array([self.semantic(position) for position in range(len(self.routes))]),
            np.array(self.total),
            self.weights,
            self.complete,
        )


@dataclass(frozen=True, slots=True)
class ScoredCandidates:
    """Candidate routes of one query with their scores, in ascending route number."""

    routes: IntArray
    """Route numbers, shape (c,)."""
    head: FloatArray | None
    """Scores of the learned head, shape (c,), in [0, 1]; None without one."""
    nearest: FloatArray
    """Cosines to the nearest example, shape (c,), in [-1, 1]."""
    prototype: FloatArray
    """Cosines to the mean direction, shape (c,), in [-1, 1]."""
    keyword: FloatArray
    """Keyword scores, shape (c,), in [0, 1]."""
    pattern: FloatArray | None
    """1 where a pattern fired, shape (c,); None if none did."""
    semantic: FloatArray
    """Semantic scores, shape (c,), in [0, 1]."""
    total: FloatArray
    """Totals, shape (c,), in [0, 1]."""
    weights: FusionWeights
    """Weights of the totals."""
    complete: bool
    """Whether every route is a candidate."""

    def leader(self) -> int:
        """Return the position of the best candidate; the first of equals.

        Returns
        -------
        int
            Position in the arrays.
        """
        return int(self.total.argmax())

    def log_odds(self, position: int) -> float:
        """Return the log-odds of a candidate against all other routes.

        Parameters
        ----------
        position : int
            Position in the arrays.

        Returns
        -------
        float
            Log-odds, if the query belongs to any route at all.
        """
        return log_odds(self.total, position, self.weights, complete=self.complete)

    def similarity(self, position: int) -> float:
        """Return how typical the query is for a candidate.

        Parameters
        ----------
        position : int
            Position in the arrays.

        Returns
        -------
        float, in [-1, 1]
            Similarity.
        """
        return float(
            similarity(self.nearest[position], self.prototype[position], self.keyword[position])
        )

    def components(self) -> FloatArray:
        """Return what the weights apply to.

        Returns
        -------
        FloatArray, shape (c, 4)
            Head (0 without one), nearest, prototype and keyword score per candidate.
        """
        head = np.zeros(len(self.routes)) if self.head is None else self.head
        return np.column_stack(
            [head, np.maximum(self.nearest, 0.0), np.maximum(self.prototype, 0.0), self.keyword]
        )

    def selected(self, places: IntArray) -> ScoredCandidates:
        """Return some of the candidates.

        Parameters
        ----------
        places : IntArray
            Their positions, ascending; not all.

        Returns
        -------
        ScoredCandidates
            Those candidates with the same scores.
        """
        return replace(
            self,
            routes=self.routes[places],
            head=None if self.head is None else self.head[places],
            nearest=self.nearest[places],
            prototype=self.prototype[places],
            keyword=self.keyword[places],
            pattern=None if self.pattern is None else self.pattern[places],
            semantic=self.semantic[places],
            total=self.total[places],
            complete=False,
        )

    def reweighed(self, weights: FusionWeights) -> ScoredCandidates:
        """Return the same component scores with other totals.

        Parameters
        ----------
        weights : FusionWeights
            Weights of the new totals.

        Returns
        -------
        ScoredCandidates
            Same candidates in the same order.
        """
        semantic = weights.blend(self.head, self.nearest, self.prototype)
        total = weights.fuse(semantic, self.keyword, self.pattern)
        return replace(self, semantic=semantic, total=total, weights=weights)
