"""How close an embedding is to the examples of routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from stratarouter.types import FloatArray, IntArray

__all__ = ["SemanticScorer", "likely_queries", "prototypes"]

_LARGEST_GATHER = 32


class SemanticScorer:
    """The examples of all routes as vectors; immutable.

    Parameters
    ----------
    vectors : FloatArray, shape (n, d)
        Unit rows of all examples, those of a route side by side.
    offsets : IntArray, shape (r + 1,)
        Route ``i`` owns the rows ``offsets[i]:offsets[i + 1]``, at least one.
    """

    __slots__ = ("_bounds", "_steps", "offsets", "vectors")

    def __init__(self, vectors: FloatArray, offsets: IntArray) -> None:
        self.vectors = vectors
        self.offsets = offsets
        self._bounds: list[int] = offsets.tolist()
        counts = np.diff(offsets)
        size = int(counts[0])
        uniform = bool((counts == size).all()) and size <= _LARGEST_GATHER
        # Routes with equally many examples, the common case in large generated sets, can be
        # gathered in one call; otherwise a view per route is cheaper than building the row numbers.
        self._steps: IntArray | None = np.arange(size) if uniform else None

    def nearest_cosines(self, embedding: FloatArray, routes: IntArray) -> FloatArray:
        """Return the cosine to the nearest example of each route.

        Parameters
        ----------
        embedding : FloatArray, shape (d,)
            Unit vector.
        routes : IntArray, shape (c,)
            Routes to look at.

        Returns
        -------
        FloatArray, shape (c,), in [-1, 1]
            Largest cosine per route.
        """
        if self._steps is not None:
            rows = self.offsets[routes][:, None] + self._steps
            cosines = self.vectors.take(rows.ravel(), axis=0) @ embedding
            nearest: FloatArray = cosines.reshape(rows.shape).max(axis=1)
            return nearest
        bounds, vectors = self._bounds, self.vectors
        return np.array(
            [(vectors[bounds[r] : bounds[r + 1]] @ embedding).max() for r in routes.tolist()]
        )

    def without(self, rows: IntArray) -> SemanticScorer:
        """Return a scorer that lacks some of the rows.

        Parameters
        ----------
        rows : IntArray
            Rows to leave out; every route must keep one.

        Returns
        -------
        SemanticScorer
            Scorer over the other rows.
        """
        kept = np.ones(len(self.vectors), dtype=bool)
        kept[rows] = False
        counts = np.add.reduceat(kept.astype(np.int64), self.offsets[:-1])
        return SemanticScorer(self.vectors[kept], np.append(0, counts.cumsum()))


def prototypes(vectors: FloatArray, offsets: IntArray) -> FloatArray:
    """Return the mean direction of each route's examples.

    Parameters
    ----------
    vectors : FloatArray, shape (n, d)
        Unit rows.
    offsets : IntArray, shape (r + 1,)
        Row ranges of the routes.

    Returns
    -------
    FloatArray, shape (r, d)
        Unit rows; where examples cancel out exactly, the first example stands in.
    """
    sums = np.add.reduceat(vectors, offsets[:-1], axis=0)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    cancelled = lengths[:, 0] < 1e-6
    if cancelled.any():
        sums[cancelled] = vectors[offsets[:-1][cancelled]]
        lengths[cancelled] = 1.0
    return np.ascontiguousarray(sums / lengths, dtype=np.float32)


def likely_queries(
    vectors: FloatArray, offsets: IntArray, n_queries: int, rng: np.random.Generator
) -> FloatArray | None:
    """Return vectors such as queries of the routes would have, which no route was made of.

    Each is the mean of one route with the deviation of an example from the mean of another. An
    example itself is nearer to its own mean than a query will be, since the mean contains it.

    Parameters
    ----------
    vectors : FloatArray, shape (n, d)
        Unit rows.
    offsets : IntArray, shape (r + 1,)
        Row ranges of the routes.
    n_queries : int
        How many vectors, >= 1.
    rng : numpy.random.Generator
        Chooses routes and examples.

    Returns
    -------
    FloatArray, shape (n_queries, d), or None
        Unit rows; None if no route has two examples, so that no deviation is known.
    """
    counts = np.diff(offsets)
    telling = np.flatnonzero(counts > 1)
    if not len(telling):
        return None
    homes = rng.integers(len(counts), size=n_queries)
    owners = rng.choice(telling, n_queries)
    picked = offsets[owners] + rng.integers(counts[owners])
    means = np.stack([_mean_of(vectors, offsets, home) for home in homes.tolist()])
    origins = np.stack([_mean_of(vectors, offsets, owner) for owner in owners.tolist()])
    # Of m examples the mean moves along with each, and is itself off the mean of all queries.
    spread = np.sqrt((counts[owners] + 1.0) / (counts[owners] - 1.0))[:, np.newaxis]
    queries = means + spread * (vectors[picked] - origins)
    lengths = np.linalg.norm(queries, axis=1, keepdims=True)
    cancelled = lengths[:, 0] < 1e-6
    queries[cancelled], lengths[cancelled] = vectors[picked][cancelled], 1.0
    return np.ascontiguousarray(queries / lengths, dtype=np.float32)


def _mean_of(vectors: FloatArray, offsets: IntArray, route: int) -> FloatArray:
    mean: FloatArray = vectors[int(offsets[route]) : int(offsets[route + 1])].mean(axis=0)
    return mean
