"""Which index serves a matrix: the exact one, unless the other is faster and as good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from stratarouter.errors import MissingExtraError
from stratarouter.index.flat import FlatIndex
from stratarouter.index.hnsw import HnswIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratarouter.config import IndexType, RouterConfig
    from stratarouter.protocols import VectorIndex
    from stratarouter.types import FloatArray

__all__ = ["IndexReport", "choose_index", "may_choose_graph"]

# Measured with sentence embeddings of width 384, one thread, the two searched by turns; how many
# times faster the graph is, and its recall at 10:
#
#     rows      breadth 50       breadth 100      breadth 200
#      1,000     0.9  0.999       0.7  1.000       0.5  1.000
#      3,000     1.3  0.997       0.9  0.999       1.0  0.999
#      5,000     3.5  0.998       2.4  0.999       1.6  0.999
#     10,000     6.4  0.995       4.2  0.999       2.7  0.999
#     30,000    16.2  0.992      11.2  0.997       7.0  0.998
#
# Other programs ran beside it and shared the cache, which the product needs more than the graph;
# in a quieter run the graph was twice as fast at 5,000 rows. With fewer rows it gains less than
# it costs to build.
# Among random vectors it finds only 38 % at 10,000 rows and breadth 50, hence the probes.
_ROWS_PER_BREADTH = 100

_LEAST_RECALL = 0.99
_N_PROBES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReport:
    """Which index was built, and how good it is."""

    kind: Literal["flat", "hnsw"]
    """What serves: the exact product or the graph."""
    requested: IndexType
    """What the settings asked for."""
    n: int
    """Number of rows."""
    recall: float
    """Share of the true nearest rows that searches find, in [0, 1]; measured for a graph."""
    ef_search: int | None
    """Breadth of a search in the graph; None for the exact product."""
    reason: str
    """Why this one, in a few words."""

    def __str__(self) -> str:
        quality = (
            "" if self.kind == "flat" else f" at breadth {self.ef_search}, {self.recall:.2%} found"
        )
        return f"{self.kind}{quality} ({self.reason})"


def choose_index(
    matrix: FloatArray, config: RouterConfig, *, probes: FloatArray | None = None
) -> tuple[VectorIndex, IndexReport]:
    """Build the index that the settings ask for, or the better one.

    "flat" is exact. "hnsw" is the graph, whatever its recall. "auto" is the graph where it is
    faster, which takes thousands of rows, finds at least 99 % of what the exact product finds, and
    faiss is installed; else the exact product. It widens the searches while they stay faster.

    Parameters
    ----------
    matrix : FloatArray, shape (n, d)
        Unit rows, at least one.
    config : RouterConfig
        Index type, settings of the graph, number of candidates, and the seed of the probes.
    probes : FloatArray, shape (p, d), optional
        Embeddings to measure the recall with, such as those of the examples; some of them are
        taken. None takes vectors beside the rows.

    Returns
    -------
    index : VectorIndex
        Searches `matrix`.
    report : IndexReport
        What it is.

    Raises
    ------
    MissingExtraError
        If the settings ask for "hnsw" and faiss is not installed.
    ConfigurationError
        If a setting of the graph is out of range.
    """
    rng = np.random.default_rng(config.seed)
    if config.index_type == "flat":
        return _flat(matrix, config, "asked for")
    if config.index_type == "hnsw":
        index = HnswIndex.from_config(matrix, config)
        return _graph(index, config, _recall(index, config, probes, rng), "asked for")
    if not any(_breadths(len(matrix), config)):
        return _flat(matrix, config, "fastest at this size")
    try:
        index = HnswIndex.from_config(matrix, config)
    except MissingExtraError:
        return _flat(matrix, config, "faiss is not installed")
    recall = 0.0
    for breadth in _breadths(len(matrix), config):
        index = index.with_ef_search(breadth)
        recall = _recall(index, config, probes, rng)
        if recall >= _LEAST_RECALL:
            return _graph(index, config, recall, "fastest at this size")
    return _flat(matrix, config, f"the graph finds only {recall:.1%}")


def may_choose_graph(n_rows: int, config: RouterConfig) -> bool:
    """Say whether `choose_index` would look at a graph, so that probes are worth making.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    config : RouterConfig
        Settings.

    Returns
    -------
    bool
        False where the exact product is sure to be taken.
    """
    return config.index_type == "hnsw" or (
        config.index_type == "auto" and any(_breadths(n_rows, config))
    )


def _breadths(n_rows: int, config: RouterConfig) -> Iterator[int]:
    """Yield the breadths of search that are faster than the exact product, ascending."""
    # faiss never searches less broadly than the number of rows that it has to return.
    breadth = max(config.ef_search, config.max_candidates)
    while breadth * _ROWS_PER_BREADTH <= n_rows:
        yield breadth
        breadth *= 2


def _recall(
    index: HnswIndex, config: RouterConfig, probes: FloatArray | None, rng: np.random.Generator
) -> float:
    if probes is None or not len(probes):
        return index.recall(_N_PROBES, config.max_candidates, rng)
    if len(probes) > _N_PROBES:
        probes = probes[np.sort(rng.choice(len(probes), _N_PROBES, replace=False))]
    return index.recall_for(probes, config.max_candidates)


def _flat(matrix: FloatArray, config: RouterConfig, reason: str) -> tuple[FlatIndex, IndexReport]:
    report = IndexReport(
        kind="flat",
        requested=config.index_type,
        n=len(matrix),
        recall=1.0,
        ef_search=None,
        reason=reason,
    )
    return FlatIndex(matrix), report


def _graph(
    index: HnswIndex, config: RouterConfig, recall: float, reason: str
) -> tuple[HnswIndex, IndexReport]:
    report = IndexReport(
        kind="hnsw",
        requested=config.index_type,
        n=len(index.matrix),
        recall=recall,
        ef_search=index.ef_search,
        reason=reason,
    )
    return index, report
