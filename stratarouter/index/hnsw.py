"""Approximate search: a graph of near neighbours, walked from far to near."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from stratarouter.errors import ConfigurationError, InvalidInputError, MissingExtraError
from stratarouter.index.flat import FlatIndex

if TYPE_CHECKING:
    from stratarouter.config import RouterConfig
    from stratarouter.types import FloatArray, IntArray

__all__ = ["HnswIndex"]

# A row found instead of one that is as near to the probe is no miss; float32 sums differ by less.
_TIE = 1e-6
# With this share of another row, vectors are about as hard to search for as held-out sentences are
# among 5,000 to 20,000 others; the rows themselves are easier, their midpoints far harder.
_FAR_SHARE = 0.4
# Similarities of probes to rows are held for so many pairs at a time, 16 MiB.
_BLOCK_PAIRS = 1 << 22


class HnswIndex:
    """Approximate nearest rows of a matrix by inner product; immutable [1]_.

    A search costs O(d log n) with n rows of width d. The graph holds a copy of the matrix and about
    8 `m` bytes per row. It is built by one thread, so that equal inputs give equal graphs, and that
    takes time: about 3 s for 10,000 rows of width 384, 100 s for 100,000. Needs the extra
    ``faiss``.

    Parameters
    ----------
    matrix : FloatArray, shape (n, d)
        Unit rows, at least one; kept, not copied.
    m : int, optional
        Neighbours per row, >= 2.
    ef_construction : int, optional
        Breadth of the search for neighbours, >= 1.
    ef_search : int, optional
        Breadth of a search, >= 1: more finds more and takes longer.

    Raises
    ------
    MissingExtraError
        If faiss is not installed.
    InvalidInputError
        If `matrix` has no rows.
    ConfigurationError
        If a setting is out of range.

    Notes
    -----
    Vectors that are near no row are found less completely: among 10,000 sentences about banking a
    breadth of 50 finds 99.9 % of the ten nearest for others of the kind, and 89 % for sentences
    about something else, whose ten nearest are all far away.

    References
    ----------
    .. [1] Y. Malkov, D. Yashunin, "Efficient and robust approximate nearest neighbor search using
       Hierarchical Navigable Small World graphs", IEEE TPAMI 42(4), 2020.
    """

    __slots__ = ("_flat", "_graph", "_parameters", "ef_search", "matrix")

    def __init__(
        self, matrix: FloatArray, *, m: int = 16, ef_construction: int = 200, ef_search: int = 50
    ) -> None:
        if matrix.ndim != 2 or not matrix.size:
            raise InvalidInputError(f"matrix must have rows, got the shape {matrix.shape}")
        # With a single neighbour per row faiss would draw endless levels, and crash.
        _require_at_least(2, "m", m)
        _require_at_least(1, "ef_construction", ef_construction)
        self._take(matrix, _build_graph(matrix, m, ef_construction), ef_search)

    @classmethod
    def from_config(cls, matrix: FloatArray, config: RouterConfig) -> Self:
        """Build an index by the settings of a router.

        Parameters
        ----------
        matrix : FloatArray, shape (n, d)
            Unit rows, at least one.
        config : RouterConfig
            Its ``m``, ``ef_construction`` and ``ef_search``.

        Returns
        -------
        HnswIndex
            The index.

        Raises
        ------
        MissingExtraError
            If faiss is not installed.
        ConfigurationError
            If a setting is out of range.
        """
        return cls(
            matrix,
            m=config.m,
            ef_construction=config.ef_construction,
            ef_search=config.ef_search,
        )

    def with_ef_search(self, ef_search: int) -> Self:
        """Return an index over the same graph that searches more or less broadly.

        Parameters
        ----------
        ef_search : int
            Breadth of a search, >= 1.

        Returns
        -------
        HnswIndex
            An index that shares the graph; this one stays as it is.

        Raises
        ------
        ConfigurationError
            If `ef_search` is out of range.
        """
        other = object.__new__(type(self))
        other._take(self.matrix, self._graph, ef_search)
        return other

    def search(self, embedding: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
        """Return `k` rows that are among the most similar, hardly ever missing one.

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
        if k >= len(self.matrix):
            return self._flat.search(embedding, k)
        distances, labels = self._graph.search(embedding[np.newaxis], k, params=self._parameters)
        order = labels[0].argsort()
        rows = labels[0][order]
        # Where a walk ends before it has found k rows, -1 stands for each that is missing.
        if rows[0] < 0:
            return self._flat.search(embedding, k)
        return rows, distances[0][order]

    def search_many(self, embeddings: FloatArray, k: int) -> IntArray:
        """Return what `search` finds for each of many vectors.

        Parameters
        ----------
        embeddings : FloatArray, shape (q, d)
            Unit vectors, at least one.
        k : int
            How many rows, in [1, n).

        Returns
        -------
        IntArray, shape (q, k)
            Row numbers, ascending for each vector.
        """
        return np.stack([self.search(embedding, k)[0] for embedding in embeddings])

    def recall(self, n_probes: int, k: int, rng: np.random.Generator) -> float:
        """Return the share of the true nearest rows that searches find, beside the rows.

        Parameters
        ----------
        n_probes : int
            Number of vectors to search for; each lies near a random row, aside towards another.
        k : int
            How many rows each search returns, >= 1.
        rng : numpy.random.Generator
            Chooses the probes.

        Returns
        -------
        float, in [0, 1]
            Recall at `k`.
        """
        near, far = rng.integers(len(self.matrix), size=(2, n_probes))
        probes = self.matrix[near] + _FAR_SHARE * self.matrix[far]
        lengths = np.linalg.norm(probes, axis=1, keepdims=True)
        return self.recall_for(probes / np.maximum(lengths, _TIE), k)

    def recall_for(self, probes: FloatArray, k: int) -> float:
        """Return the share of the true nearest rows of some vectors that searches find.

        Parameters
        ----------
        probes : FloatArray, shape (p, d)
            Unit rows, best embeddings of queries; at least one.
        k : int
            How many rows each search returns, >= 1.

        Returns
        -------
        float, in [0, 1]
            Recall at `k`; a row that is as near as a true one counts as true.
        """
        k = min(k, len(self.matrix))
        block = max(1, _BLOCK_PAIRS // len(self.matrix))
        found = 0
        for start in range(0, len(probes), block):
            part = probes[start : start + block]
            exact = part @ self.matrix.T
            least = np.partition(exact, -k, axis=1)[:, -k] - _TIE
            rows = self.search_many(part, k)
            found += int((np.take_along_axis(exact, rows, axis=1) >= least[:, np.newaxis]).sum())
        return found / (len(probes) * k)

    def _take(self, matrix: FloatArray, graph: Any, ef_search: int) -> None:
        _require_at_least(1, "ef_search", ef_search)
        self.matrix = matrix
        self.ef_search = ef_search
        self._graph = graph
        self._flat = FlatIndex(matrix)
        self._parameters = _faiss().SearchParametersHNSW(efSearch=ef_search)


def _build_graph(matrix: FloatArray, m: int, ef_construction: int) -> Any:
    faiss = _faiss()
    graph = faiss.IndexHNSWFlat(matrix.shape[1], m, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = ef_construction
    # Several threads would link the rows in an order that differs from run to run.
    n_threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        graph.add(np.ascontiguousarray(matrix, dtype=np.float32))
    finally:
        faiss.omp_set_num_threads(n_threads)
    return graph


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise MissingExtraError("faiss", extra="faiss") from None
    return faiss


def _require_at_least(least: int, name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{name} must be a whole number >= {least}, got {value!r}")
