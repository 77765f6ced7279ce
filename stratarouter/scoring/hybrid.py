"""All scores of the candidate routes of one query."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.algorithms.fusion import log_odds, similarity
from stratarouter.algorithms.tokenize import words
from stratarouter.index.flat import FlatIndex, top_k
from stratarouter.scoring.semantic import prototypes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stratarouter.algorithms.bm25 import Bm25
    from stratarouter.algorithms.fusion import FusionWeights
    from stratarouter.algorithms.heads import LinearHead
    from stratarouter.protocols import VectorIndex
    from stratarouter.scoring.pattern import PatternScorer
    from stratarouter.scoring.semantic import SemanticScorer
    from stratarouter.types import FloatArray, IntArray

__all__ = ["HybridScorer", "ScoredCandidates"]


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
    head : LinearHead, optional
        Learned head; it also finds the candidates.
    index : VectorIndex, optional
        Searches the routes' mean directions; None searches them exactly.
    """

    __slots__ = (
        "head",
        "index",
        "keyword",
        "max_candidates",
        "n_routes",
        "pattern",
        "prototypes",
        "semantic",
        "weights",
    )

    def __init__(  # noqa: PLR0917 -- the parts of one thing, made in one place
        self,
        semantic: SemanticScorer,
        keyword: Bm25,
        pattern: PatternScorer,
        weights: FusionWeights,
        max_candidates: int,
        head: LinearHead | None = None,
        index: VectorIndex | None = None,
    ) -> None:
        if index is None:
            index = FlatIndex(prototypes(semantic.vectors, semantic.offsets))
        self.semantic = semantic
        self.index = index
        self.prototypes = index.matrix
        self.keyword = keyword
        self.pattern = pattern
        self.weights = weights
        self.max_candidates = max_candidates
        self.head = head
        self.n_routes = len(self.prototypes)

    def score(
        self,
        query: str,
        embedding: FloatArray,
        *,
        breadth: int | None = None,
        with_route: int | None = None,
    ) -> ScoredCandidates:
        """Find and score the candidates of a query.

        Parameters
        ----------
        query : str
            Query text.
        embedding : FloatArray, shape (d,)
            Unit vector of the query.
        breadth : int, optional
            How many candidates to score instead of the configured number.
        with_route : int, optional
            A route that must be among them.

        Returns
        -------
        ScoredCandidates
            At least one candidate.
        """
        tokens = words(query)
        n_wanted = self.max_candidates if breadth is None else breadth
        logits = None
        if self.head is None:
            routes, cosines = self.index.search(embedding, n_wanted)
        else:
            logits = self.head.logits(embedding, tokens)
            routes = top_k(logits, n_wanted) if n_wanted < self.n_routes else _all(self.n_routes)
            cosines = self.prototypes[routes] @ embedding
        if with_route is not None and with_route not in routes:
            routes = np.sort(np.append(routes, with_route))
            cosines = self.prototypes[routes] @ embedding
        return self._scored(query, tokens, embedding, routes, cosines, logits)

    def without(self, rows: IntArray, texts: Iterable[tuple[int, Sequence[str]]]) -> HybridScorer:
        """Return a scorer that never saw some of the examples, and has no head.

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

    def revised(self, weights: FusionWeights, head: LinearHead | None) -> HybridScorer:
        """Return a scorer over the same routes with other weights and another head.

        Parameters
        ----------
        weights : FusionWeights
            Component weights.
        head : LinearHead or None
            Learned head.

        Returns
        -------
        HybridScorer
            It shares everything else.
        """
        return HybridScorer(
            self.semantic,
            self.keyword,
            self.pattern,
            weights,
            self.max_candidates,
            head,
            self.index,
        )

    def _scored(  # noqa: PLR0917 -- private and called on the hot path
        self,
        query: str,
        tokens: list[str],
        embedding: FloatArray,
        routes: IntArray,
        cosines: FloatArray,
        logits: FloatArray | None,
    ) -> ScoredCandidates:
        head = None
        if self.head is not None and logits is not None:
            head = self.head.scores(logits[routes])
        nearest = self.semantic.nearest_cosines(embedding, routes)
        keyword = self.keyword.scores(tokens, routes)
        pattern = self.pattern.scores(query, routes)
        semantic = self.weights.blend(head, nearest, cosines)
        total = self.weights.fuse(semantic, keyword, pattern)
        return ScoredCandidates(
            routes,
            head,
            nearest,
            cosines,
            keyword,
            pattern,
            semantic,
            total,
            self.weights,
            len(routes) == self.n_routes,
        )


def _all(n_routes: int) -> IntArray:
    return np.arange(n_routes)
