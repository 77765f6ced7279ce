"""Exact search: one matrix-vector product."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from stratarouter.types import FloatArray, IntArray

__all__ = ["FlatIndex", "top_k"]


class FlatIndex:
    """Exact nearest rows of a matrix by inner product; immutable.

    A search costs O(n d) with n rows of width d, one BLAS call.

    Parameters
    ----------
    matrix : FloatArray, shape (n, d)
        Unit rows; kept, not copied.

    Examples
    --------
    >>> index = FlatIndex(np.eye(3, dtype=np.float32))
    >>> rows, similarities = index.search(np.float32([0.0, 1.0, 0.0]), 1)
    >>> rows.tolist(), similarities.tolist()
    ([1], [1.0])
    """

    __slots__ = ("_all", "matrix")

    def __init__(self, matrix: FloatArray) -> None:
        self.matrix = matrix
        self._all: IntArray = np.arange(len(matrix))

    def search(self, embedding: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
        """Return the `k` most similar rows.

        Parameters
        ----------
        embedding : FloatArray, shape (d,)
            Unit vector.
        k : int
            How many rows, >= 1.

        Returns
        -------
        indices : IntArray, shape (min(k, n),), ascending
            Row numbers.
        similarities : FloatArray, shape (min(k, n),)
            Inner products with those rows.
        """
        similarities = self.matrix @ embedding
        if k >= len(self._all):
            return self._all, similarities
        rows = top_k(similarities, k)
        return rows, similarities[rows]


def top_k(similarities: FloatArray, k: int) -> IntArray:
    """Return the positions of the `k` largest values, ascending.

    Parameters
    ----------
    similarities : FloatArray, shape (n,)
        Values.
    k : int
        How many, in [1, n).

    Returns
    -------
    IntArray, shape (k,)
        Positions.
    """
    rows = np.argpartition(similarities, len(similarities) - k)[len(similarities) - k :]
    rows.sort()
    return rows
