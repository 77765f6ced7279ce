"""Finding and scoring the candidates of many queries at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.algorithms.fusion import log_odds_rows, similarity
from stratarouter.algorithms.tokenize import words
from stratarouter.index.flat import top_k_rows
from stratarouter.scoring.candidates import RankedCandidates, ScoredCandidates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratarouter.algorithms.fusion import FusionWeights
    from stratarouter.scoring.hybrid import HybridScorer
    from stratarouter.types import FloatArray, IntArray

__all__ = ["RankedBatch", "chunks", "rank_batch"]

# So many cosines, queries times routes, are in memory at a time: 8 MiB.
_LARGEST_CHUNK = 2**21
# More queries at a time would not be faster.
_MOST_QUERIES = 4096


@dataclass(frozen=True, slots=True)
class RankedBatch:
    """Candidates of many queries with their scores, one row per query."""

    routes: IntArray
    """Route numbers, shape (q, c), ascending in each row."""
    head: FloatArray | None
    """Scores of the learned head, shape (q, c); None without one."""
    nearest: FloatArray
    """Cosines to the nearest example, shape (q, c)."""
    prototype: FloatArray
    """Cosines to the mean direction, shape (q, c)."""
    keyword: FloatArray
    """Keyword scores, shape (q, c)."""
    pattern: FloatArray | None
    """1 where a pattern fired, shape (q, c); None if none did."""
    weights: FusionWeights
    """Weights of the totals."""
    complete: bool
    """Whether every route is a candidate."""

    def rows(self) -> Iterator[RankedCandidates]:
        """Return the candidates of each query as `HybridScorer.rank` does.

        Yields
        ------
        RankedCandidates
            In the order of the queries.
        """
        n = len(self.routes)
        empty = [None] * n
        for routes, head, nearest, prototype, keyword, pattern in zip(
            self.routes.tolist(),
            empty if self.head is None else self.head.tolist(),
            self.nearest.tolist(),
            self.prototype.tolist(),
            self.keyword.tolist(),
            empty if self.pattern is None else self.pattern.tolist(),
            strict=True,
        ):
            fired = pattern if pattern is not None and any(pattern) else None
            yield RankedCandidates(
                routes, head, nearest, prototype, keyword, fired, self.weights, self.complete
            )

    def scored(self) -> Iterator[ScoredCandidates]:
        """Return the candidates of each query as `HybridScorer.score` does.

        Yields
        ------
        ScoredCandidates
            In the order of the queries; views of these arrays.
        """
        semantic = self.weights.blend(self.head, self.nearest, self.prototype)
        total = self.weights.fuse(semantic, self.keyword, self.pattern)
        for row in range(len(self.routes)):
            fired = None if self.pattern is None else self.pattern[row]
            yield ScoredCandidates(
                self.routes[row],
                None if self.head is None else self.head[row],
                self.nearest[row],
                self.prototype[row],
                self.keyword[row],
                fired if fired is not None and fired.any() else None,
                semantic[row],
                total[row],
                self.weights,
                self.complete,
            )

    def leaders(self) -> tuple[IntArray, FloatArray, FloatArray]:
        """Return the best candidate of each query, and what its confidence depends on.

        Returns
        -------
        routes : IntArray, shape (q,)
            Route numbers; the first of equals.
        log_odds : FloatArray, shape (q,)
            Their log-odds against all other routes.
        likeness : FloatArray, shape (q,), in [-1, 1]
            Similarity of each query to its route.
        """
        semantic = self.weights.blend(self.head, self.nearest, self.prototype)
        total = self.weights.fuse(semantic, self.keyword, self.pattern)
        rows, best = np.arange(len(total)), total.argmax(axis=1)
        likeness = similarity(
            self.nearest[rows, best], self.prototype[rows, best], self.keyword[rows, best]
        )
        odds = log_odds_rows(total, best, self.weights, complete=self.complete)
        return self.routes[rows, best], odds, likeness


def chunks(n_queries: int, n_routes: int) -> Iterator[slice]:
    """Divide queries into parts that fit into memory.

    Parameters
    ----------
    n_queries : int
        Number of queries.
    n_routes : int
        Number of routes.

    Yields
    ------
    slice
        Parts in order, none empty.
    """
    size = max(1, min(_MOST_QUERIES, _LARGEST_CHUNK // n_routes))
    for start in range(0, n_queries, size):
        yield slice(start, min(n_queries, start + size))


def rank_batch(scorer: HybridScorer, queries: Sequence[str], embeddings: FloatArray) -> RankedBatch:
    """Find and score the candidates of many queries, as `HybridScorer.rank` does for one.

    Parameters
    ----------
    scorer : HybridScorer
        Scorer of the routes.
    queries : sequence of str
        Query texts, at least one and not more than `chunks` gives at a time.
    embeddings : FloatArray, shape (q, d)
        Their unit vectors.

    Returns
    -------
    RankedBatch
        One row per query.
    """
    stems = [words(query, scorer.stems) for query in queries]
    learned, logits = scorer.head, None
    n_wanted, complete = scorer.max_candidates, scorer.max_candidates >= scorer.n_routes
    if learned is not None:
        logits = learned.logits_many(embeddings, stems)
    if complete:
        routes: IntArray = np.tile(scorer.all_routes, (len(queries), 1))
    elif logits is not None:
        routes = top_k_rows(logits, n_wanted)
    else:
        routes = scorer.index.search_many(embeddings, n_wanted)
    nearest, prototype = scorer.semantic.cosines_many(embeddings, routes)
    head = None
    if learned is not None and logits is not None:
        head = learned.scores(np.take_along_axis(logits, routes, axis=1))
    return RankedBatch(
        routes,
        head,
        nearest,
        prototype,
        np.array(
            [
                scorer.keyword.scores(query, own)
                for query, own in zip(stems, routes.tolist(), strict=True)
            ]
        ),
        _fired(scorer, queries, routes),
        scorer.weights,
        complete,
    )


def _fired(scorer: HybridScorer, queries: Sequence[str], routes: IntArray) -> FloatArray | None:
    if not scorer.pattern.compiled:
        return None
    fired = [
        scorer.pattern.scores(query, own)
        for query, own in zip(queries, routes.tolist(), strict=True)
    ]
    if all(scores is None for scores in fired):
        return None
    nothing = [0.0] * routes.shape[1]
    return np.array([nothing if scores is None else scores for scores in fired])
