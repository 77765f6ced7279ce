"""All scores of the candidate routes of one query."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.algorithms.fusion import FusionWeights, fuse_scores
from stratarouter.algorithms.tokenize import words
from stratarouter.index.flat import FlatIndex
from stratarouter.scoring.semantic import SemanticScorer, prototypes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stratarouter.algorithms.bm25 import Bm25
    from stratarouter.protocols import VectorIndex
    from stratarouter.scoring.pattern import PatternScorer
    from stratarouter.types import FloatArray, IntArray

__all__ = ["HybridScorer", "ScoredCandidates"]


@dataclass(frozen=True, slots=True)
class ScoredCandidates:
    """Candidate routes of one query with their scores, in ascending route number."""

    routes: IntArray
    """Route numbers, shape (c,)."""
    semantic: FloatArray
    """Semantic scores, shape (c,), in [0, 1]."""
    keyword: FloatArray
    """Keyword scores, shape (c,), in [0, 1]."""
    pattern: FloatArray | None
    """1 where a pattern fired, shape (c,); None if none did."""
    total: FloatArray
    """Totals, shape (c,), in [0, 1]."""

    def leader(self) -> int:
        """Return the position of the best candidate; the first of equals.

        Returns
        -------
        int
            Position in the arrays.
        """
        return int(self.total.argmax())

    def margin(self, position: int) -> float:
        """Return how far a candidate is ahead of the best of the others, negative if behind.

        Parameters
        ----------
        position : int
            Position in the arrays.

        Returns
        -------
        float, in [-1, 1]
            Difference of totals; the total itself if there is no other candidate.
        """
        own = float(self.total[position])
        if len(self.total) == 1:
            return own
        others = self.total.copy()
        others[position] = -1.0
        return own - float(others.max())

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
        total = fuse_scores(self.semantic, self.keyword, self.pattern, weights)
        return replace(self, total=total)


class HybridScorer:
    """Finds the candidates of a query and scores them in full; immutable.

    Parameters
    ----------
    semantic : SemanticScorer
        The routes' examples as vectors.
    keyword : Bm25
        The routes' words, one document per route.
    pattern : PatternScorer
        The routes' patterns.
    weights : FusionWeights
        Component weights.
    max_candidates : int
        How many routes are scored in full.
    """

    __slots__ = (
        "index",
        "keyword",
        "max_candidates",
        "pattern",
        "prototypes",
        "semantic",
        "weights",
    )

    def __init__(
        self,
        semantic: SemanticScorer,
        keyword: Bm25,
        pattern: PatternScorer,
        weights: FusionWeights,
        max_candidates: int,
    ) -> None:
        self.semantic = semantic
        self.prototypes = prototypes(semantic.vectors, semantic.offsets)
        self.index: VectorIndex = FlatIndex(self.prototypes)
        self.keyword = keyword
        self.pattern = pattern
        self.weights = weights
        self.max_candidates = max_candidates

    def score(self, query: str, embedding: FloatArray) -> ScoredCandidates:
        """Find and score the candidates of a query.

        Parameters
        ----------
        query : str
            Query text.
        embedding : FloatArray, shape (d,)
            Unit vector of the query.

        Returns
        -------
        ScoredCandidates
            At least one candidate.
        """
        routes, cosines = self.index.search(embedding, self.max_candidates)
        return self.score_candidates(query, embedding, routes, cosines)

    def score_candidates(
        self, query: str, embedding: FloatArray, routes: IntArray, prototype_cosines: FloatArray
    ) -> ScoredCandidates:
        """Score given candidates of a query.

        Parameters
        ----------
        query : str
            Query text.
        embedding : FloatArray, shape (d,)
            Unit vector of the query.
        routes : IntArray, shape (c,), ascending
            Candidates.
        prototype_cosines : FloatArray, shape (c,)
            Their cosines to the prototypes.

        Returns
        -------
        ScoredCandidates
            The candidates in the same order.
        """
        semantic = self.semantic.scores(embedding, routes, prototype_cosines)
        keyword = self.keyword.scores(words(query), routes)
        pattern = self.pattern.scores(query, routes)
        total = fuse_scores(semantic, keyword, pattern, self.weights)
        return ScoredCandidates(routes, semantic, keyword, pattern, total)

    def with_route(
        self, query: str, embedding: FloatArray, route: int, *, breadth: int | None = None
    ) -> ScoredCandidates:
        """Score the candidates of a query, with one route among them in any case.

        Parameters
        ----------
        query : str
            Query text.
        embedding : FloatArray, shape (d,)
            Unit vector of the query.
        route : int
            Route that must be scored.
        breadth : int, optional
            How many candidates to search; None takes `max_candidates`.

        Returns
        -------
        ScoredCandidates
            At least the given route.
        """
        breadth = self.max_candidates if breadth is None else breadth
        routes, cosines = self.index.search(embedding, breadth)
        if route not in routes:
            routes = np.append(routes, route)
            cosines = np.append(cosines, self.prototypes[route] @ embedding)
            order = routes.argsort()
            routes, cosines = routes[order], cosines[order]
        return self.score_candidates(query, embedding, routes, cosines)

    def without(self, rows: IntArray, texts: Iterable[tuple[int, Sequence[str]]]) -> HybridScorer:
        """Return a scorer that never saw some of the examples.

        Parameters
        ----------
        rows : IntArray
            Rows of the vectors to leave out; every route must keep one.
        texts : iterable of (int, sequence of str)
            Route and words of each example to leave out.

        Returns
        -------
        HybridScorer
            Same routes, patterns and weights.
        """
        return HybridScorer(
            self.semantic.without(rows),
            self.keyword.without(texts),
            self.pattern,
            self.weights,
            self.max_candidates,
        )
