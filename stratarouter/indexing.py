"""Which index finds the candidates of a router that has no head to find them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratarouter.errors import CorruptSaveError, MissingExtraError
from stratarouter.index import HnswIndex, choose_index, may_choose_graph
from stratarouter.scoring.semantic import likely_queries

if TYPE_CHECKING:
    from stratarouter.config import RouterConfig
    from stratarouter.index import IndexReport
    from stratarouter.scoring.hybrid import HybridScorer

__all__ = ["breadth_of", "indexed", "indexed_again"]

_N_PROBES = 256


def indexed(scorer: HybridScorer, config: RouterConfig) -> tuple[HybridScorer, IndexReport]:
    """Give a scorer the index that its settings ask for, or the better one.

    Parameters
    ----------
    scorer : HybridScorer
        Scorer over all routes.
    config : RouterConfig
        Settings.

    Returns
    -------
    scorer : HybridScorer
        The same routes and scores.
    report : IndexReport
        How its candidates are found.

    Raises
    ------
    MissingExtraError
        If the settings ask for an HNSW index and faiss is not installed.
    """
    probes = None
    if may_choose_graph(scorer.n_routes, config):
        rng = np.random.default_rng(config.seed)
        semantic = scorer.semantic
        probes = likely_queries(semantic.vectors, semantic.offsets, _N_PROBES, rng)
    index, report = choose_index(scorer.semantic.prototypes, config, probes=probes)
    return scorer.with_index(index), report


def breadth_of(scorer: HybridScorer) -> int | None:
    """Return all that has to be saved of the index of a scorer.

    Parameters
    ----------
    scorer : HybridScorer
        The scorer.

    Returns
    -------
    int or None
        Breadth of the searches in its graph; None if they are exact.
    """
    return scorer.index.ef_search if isinstance(scorer.index, HnswIndex) else None


def indexed_again(scorer: HybridScorer, breadth: int | None, config: RouterConfig) -> HybridScorer:
    """Give the scorer of a saved router the index that it was saved with.

    Equal rows and settings give an equal graph, so that it is not saved, but built anew.

    Parameters
    ----------
    scorer : HybridScorer
        Scorer of the saved routes.
    breadth : int or None
        What `breadth_of` returned.
    config : RouterConfig
        Settings of the saved router.

    Returns
    -------
    HybridScorer
        Finds the same candidates. Where faiss is not installed and the settings leave the choice,
        the search is exact.

    Raises
    ------
    MissingExtraError
        If the settings ask for an HNSW index and faiss is not installed.
    CorruptSaveError
        If the breadth cannot be that of these routes.
    """
    if breadth is None:
        return scorer
    if type(breadth) is not int or not 1 <= breadth <= max(scorer.n_routes, config.ef_search):
        raise CorruptSaveError("the saved breadth does not belong to the saved routes")
    try:
        graph = HnswIndex.from_config(scorer.semantic.prototypes, config)
    except MissingExtraError:
        if config.index_type == "hnsw":
            raise
        return scorer
    return scorer.with_index(graph.with_ef_search(breadth))
