"""How close an embedding is to the examples of routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from stratarouter.types import FloatArray, IntArray

__all__ = ["SemanticScorer", "prototypes"]

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
