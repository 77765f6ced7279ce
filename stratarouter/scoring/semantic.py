"""How close an embedding is to the examples of routes."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from stratarouter.types import FloatArray, IntArray

__all__ = ["SemanticScorer", "likely_queries", "prototypes"]

_SMALLEST_LENGTH = 1e-6
# Up to this many rows are copied together for one product; more are read where they are.
_MOST_GATHERED = 512


class SemanticScorer:
    """The examples of all routes as vectors; immutable.

    Parameters
    ----------
    vectors : FloatArray, shape (n, d)
        Unit rows of all examples, those of a route side by side.
    offsets : IntArray, shape (r + 1,)
        Route ``i`` owns the rows ``offsets[i]:offsets[i + 1]``, at least one.
    """

    __slots__ = (
        "_blocks",
        "_bounds",
        "_factors",
        "_n_routes",
        "_ones",
        "_size",
        "offsets",
        "prototypes",
        "vectors",
    )

    def __init__(self, vectors: FloatArray, offsets: IntArray) -> None:
        self.vectors = vectors
        self.offsets = offsets
        self._bounds: list[int] = offsets.tolist()
        self._n_routes = len(offsets) - 1
        self.prototypes, lengths = _means(vectors, offsets)
        # The mean of the cosines to the examples is, but for a factor, the cosine to their mean.
        self._factors: FloatArray | None = (
            (1.0 / lengths).astype(np.float32) if lengths.all() else None
        )
        counts = np.diff(offsets)
        size = int(counts[0])
        # Routes with equally many examples, the common case in large generated sets, are taken in
        # one call.
        uniform = bool((counts == size).all()) and size * self._n_routes == len(vectors)
        self._size = size if uniform else None
        # A product with ones adds up rows in half the time of a sum.
        self._ones = np.ones(size, dtype=np.float32)
        self._blocks = vectors.reshape(self._n_routes, -1) if uniform else vectors

    def cosines(self, embedding: FloatArray, routes: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the cosines to the nearest example and to the mean direction of each route.

        Parameters
        ----------
        embedding : FloatArray, shape (d,)
            Unit vector.
        routes : IntArray, shape (c,)
            Routes to look at, ascending.

        Returns
        -------
        nearest : FloatArray, shape (c,), in [-1, 1]
            Largest cosine to an example, per route.
        prototype : FloatArray, shape (c,), in [-1, 1]
            Cosine to the mean direction of the examples, per route.
        """
        size = self._size
        if size is not None and len(routes) * size <= _MOST_GATHERED:
            if len(routes) == self._n_routes:
                rows = self.vectors
            else:
                rows = self._blocks.take(routes, axis=0).reshape(-1, len(embedding))
            cosines = rows.dot(embedding).reshape(-1, size)
            nearest, sums = np.maximum.reduce(cosines, 1), cosines.dot(self._ones)
        else:
            nearest, sums = self._uneven(embedding, routes.tolist())
        if self._factors is None:
            return nearest, self.prototypes.take(routes, axis=0) @ embedding
        sums *= self._factors.take(routes)
        return nearest, sums

    def _uneven(self, embedding: FloatArray, routes: list[int]) -> tuple[FloatArray, FloatArray]:
        bounds, vectors = self._bounds, self.vectors
        parts = [vectors[bounds[route] : bounds[route + 1]] for route in routes]
        sizes = [len(part) for part in parts]
        if sum(sizes) > _MOST_GATHERED:
            pieces = [part @ embedding for part in parts]
            nearest = np.array([piece.max() for piece in pieces])
            return nearest, np.array([piece.sum() for piece in pieces])
        starts = [0, *accumulate(sizes[:-1])]
        cosines = np.concatenate(parts) @ embedding
        return np.maximum.reduceat(cosines, starts), np.add.reduceat(cosines, starts)

    def cosines_many(
        self, embeddings: FloatArray, routes: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return what `cosines` returns for many queries.

        Parameters
        ----------
        embeddings : FloatArray, shape (q, d)
            Unit vectors of the queries.
        routes : IntArray, shape (q, c)
            Routes to look at for each query.

        Returns
        -------
        nearest : FloatArray, shape (q, c), in [-1, 1]
            Largest cosine to an example.
        prototype : FloatArray, shape (q, c), in [-1, 1]
            Cosine to the mean direction of the examples.
        """
        owners = routes.ravel()
        # Sorted by route, one product serves all queries that look at it.
        order = owners.argsort(kind="stable")
        numbers, starts = np.unique(owners[order], return_index=True)
        if len(numbers) > len(embeddings):
            pairs = [self.cosines(*pair) for pair in zip(embeddings, routes, strict=True)]
            return np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])
        asking = order // routes.shape[1]
        nearest = np.empty(len(owners), dtype=np.float32)
        prototype = np.empty_like(nearest)
        ends = [*starts[1:].tolist(), len(owners)]
        for number, start, end in zip(numbers.tolist(), starts.tolist(), ends, strict=True):
            own = self.vectors[self._bounds[number] : self._bounds[number + 1]]
            cosines = own @ embeddings.take(asking[start:end], axis=0).T
            places = order[start:end]
            nearest[places] = np.maximum.reduce(cosines)
            prototype[places] = np.add.reduce(cosines)
        if self._factors is None:
            rows = self.prototypes.take(routes, axis=0)
            return nearest.reshape(routes.shape), np.einsum("qcd,qd->qc", rows, embeddings)
        prototype *= self._factors.take(owners)
        return nearest.reshape(routes.shape), prototype.reshape(routes.shape)

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
    return _means(vectors, offsets)[0]


def _means(vectors: FloatArray, offsets: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean directions, and the lengths of the sums; 0 where examples cancel out."""
    sums = np.add.reduceat(vectors, offsets[:-1], axis=0)
    lengths = np.linalg.norm(sums, axis=1)
    cancelled = lengths < _SMALLEST_LENGTH
    if cancelled.any():
        sums[cancelled] = vectors[offsets[:-1][cancelled]]
        lengths[cancelled] = 0.0
    rows = sums / np.where(cancelled, 1.0, lengths)[:, None]
    return np.ascontiguousarray(rows, dtype=np.float32), lengths


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
