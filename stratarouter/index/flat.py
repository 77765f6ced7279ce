"""Exact search: one matrix-vector product."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from stratarouter.types import FloatArray, IntArray

__all__ = ["FlatIndex", "top_k", "top_k_rows"]

_COLUMNS_PER_VALUE = 16
_SMALLEST_HEIGHT = 4


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
        similarities = self.matrix.dot(embedding)
        if k >= len(self._all):
            return self._all, similarities
        rows = top_k(similarities, k)
        return rows, similarities.take(rows)

    def search_many(self, embeddings: FloatArray, k: int) -> IntArray:
        """Return the `k` most similar rows of each of many vectors.

        Parameters
        ----------
        embeddings : FloatArray, shape (q, d)
            Unit vectors.
        k : int
            How many rows, in [1, n).

        Returns
        -------
        IntArray, shape (q, k)
            Row numbers, ascending for each vector.
        """
        return top_k_rows(embeddings @ self.matrix.T, k)


def top_k(similarities: FloatArray, k: int) -> IntArray:
    """Return the positions of the `k` largest values, ascending; of equal values the first.

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
    n = len(similarities)
    n_columns = _COLUMNS_PER_VALUE * k
    height = n // n_columns
    if height < _SMALLEST_HEIGHT:
        tops = similarities.copy()
    else:
        # The k largest of the columns' maxima are k values, so the k-th of them is a floor of the
        # k-th of all; taking maxima of whole rows is many times cheaper than partitioning.
        tops = np.maximum.reduce(similarities[: height * n_columns].reshape(height, n_columns))
    place = len(tops) - k
    tops.partition(place)
    rows: IntArray = (similarities >= tops[place]).nonzero()[0]
    if len(rows) > k:
        rows = rows.take((-similarities.take(rows)).argsort(kind="stable")[:k])
        rows.sort()
    return rows


def top_k_rows(similarities: FloatArray, k: int) -> IntArray:
    """Do what `top_k` does for each row of a matrix.

    Parameters
    ----------
    similarities : FloatArray, shape (q, n)
        Values.
    k : int
        How many, in [1, n).

    Returns
    -------
    IntArray, shape (q, k)
        Columns, ascending in each row.
    """
    n = similarities.shape[1]
    n_columns = _COLUMNS_PER_VALUE * k
    height = n // n_columns
    tops = similarities
    if height >= _SMALLEST_HEIGHT:
        blocks = similarities[:, : height * n_columns].reshape(-1, height, n_columns)
        tops = np.maximum.reduce(blocks, 1)
    place = tops.shape[1] - k
    floors = np.partition(tops, place, axis=1)[:, place]
    rows, columns = (similarities >= floors[:, None]).nonzero()
    order = np.lexsort((-similarities[rows, columns], rows))
    rows, columns = rows[order], columns[order]
    starts = rows.searchsorted(np.arange(len(similarities)))
    kept = np.arange(len(rows)) - starts[rows] < k
    best: IntArray = columns[kept].reshape(-1, k)
    best.sort(axis=1)
    return best
