"""Finding the candidate routes of a query, and all their scores."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.algorithms.tokenize import words
from stratarouter.index.flat import FlatIndex, top_k
from stratarouter.scoring.candidates import RankedCandidates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratarouter.algorithms.bm25 import Bm25
    from stratarouter.algorithms.fusion import FusionWeights
    from stratarouter.algorithms.heads import LinearHead
    from stratarouter.protocols import VectorIndex
    from stratarouter.scoring.candidates import ScoredCandidates
    from stratarouter.scoring.pattern import PatternScorer
    from stratarouter.scoring.semantic import SemanticScorer
    from stratarouter.types import FloatArray, IntArray

__all__ = ["HybridScorer"]


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
    stems : mapping of str to str, optional
        Stems of known words; they change the time only.
    """

    __slots__ = (
        "all_routes",
        "head",
        "index",
        "keyword",
        "max_candidates",
        "n_routes",
        "pattern",
        "semantic",
        "stems",
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
        stems: Mapping[str, str] | None = None,
    ) -> None:
        self.semantic = semantic
        self.index: VectorIndex = FlatIndex(semantic.prototypes) if index is None else index
        self.keyword = keyword
        self.pattern = pattern
        self.weights = weights
        self.max_candidates = max_candidates
        self.head = head
        self.stems = {} if stems is None else stems
        self.n_routes = len(semantic.prototypes)
        self.all_routes: IntArray = np.arange(self.n_routes)

    def rank(
        self,
        query: str,
        embedding: FloatArray,
        *,
        breadth: int | None = None,
        with_route: int | None = None,
    ) -> RankedCandidates:
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
        RankedCandidates
            At least one candidate.
        """
        stems = words(query, self.stems)
        n_wanted = self.max_candidates if breadth is None else breadth
        learned, logits = self.head, None
        if learned is None:
            rows, _ = self.index.search(embedding, n_wanted)
        else:
            logits = learned.logits(embedding, stems)
            rows = top_k(logits, n_wanted) if n_wanted < self.n_routes else self.all_routes
        routes: list[int] = rows.tolist()
        if with_route is not None and with_route not in routes:
            insort(routes, with_route)
            rows = np.array(routes)
        nearest, prototype = self.semantic.cosines(embedding, rows)
        head = None
        if learned is not None and logits is not None:
            head = learned.scores_of(logits.take(rows).tolist())
        return RankedCandidates(
            routes,
            head,
            nearest.tolist(),
            prototype.tolist(),
            self.keyword.scores(stems, routes),
            self.pattern.scores(query, routes),
            self.weights,
            len(routes) == self.n_routes,
        )

    def score(
        self,
        query: str,
        embedding: FloatArray,
        *,
        breadth: int | None = None,
        with_route: int | None = None,
    ) -> ScoredCandidates:
        """Do what `rank` does, and return arrays.

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
        return self.rank(query, embedding, breadth=breadth, with_route=with_route).scored()

    def without(self, rows: IntArray, keyword: Bm25) -> HybridScorer:
        """Return a scorer that never saw some of the examples, and has no head.

        Parameters
        ----------
        rows : IntArray
            Rows of the vectors to leave out; every route must keep one.
        keyword : Bm25
            The routes' words without those of the examples.

        Returns
        -------
        HybridScorer
            Same routes, patterns and weights.
        """
        return HybridScorer(
            self.semantic.without(rows),
            keyword,
            self.pattern,
            self.weights,
            self.max_candidates,
            stems=self.stems,
        )

    def revised(
        self, weights: FusionWeights, head: LinearHead | None, n_candidates: int | None = None
    ) -> HybridScorer:
        """Return a scorer over the same routes with other weights and another head.

        Parameters
        ----------
        weights : FusionWeights
            Component weights.
        head : LinearHead or None
            Learned head.
        n_candidates : int, optional
            How many routes are scored in full; None leaves the number.

        Returns
        -------
        HybridScorer
            It shares everything else.
        """
        most = self.max_candidates if n_candidates is None else n_candidates
        return self._with(weights=weights, head=head, max_candidates=most)

    def with_index(self, index: VectorIndex) -> HybridScorer:
        """Return a scorer of the same routes that finds its candidates otherwise.

        Parameters
        ----------
        index : VectorIndex
            Index over the routes' mean directions.

        Returns
        -------
        HybridScorer
            It shares everything else.
        """
        return self._with(index=index)

    def with_cues(
        self, keyword: Bm25, pattern: PatternScorer, stems: Mapping[str, str]
    ) -> HybridScorer:
        """Return a scorer of the same examples with other keywords and patterns.

        Parameters
        ----------
        keyword : Bm25
            The routes' words.
        pattern : PatternScorer
            The routes' patterns.
        stems : mapping of str to str
            Stems of known words.

        Returns
        -------
        HybridScorer
            It shares everything else.
        """
        return self._with(keyword=keyword, pattern=pattern, stems=stems)

    def _with(self, **changes: Any) -> HybridScorer:
        names = ("semantic", "keyword", "pattern", "weights", "max_candidates", "head", "index")
        parts = {name: getattr(self, name) for name in (*names, "stems")}
        return HybridScorer(**{**parts, **changes})
