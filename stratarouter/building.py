"""How a snapshot is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratarouter.algorithms.fusion import FusionWeights
from stratarouter.calibration import PRIOR, fit_confidence
from stratarouter.crossfit import Examples, cross_fit
from stratarouter.errors import ConfigurationError, NoRoutesError, nearest_name_hint
from stratarouter.route_vectors import RouteVectors
from stratarouter.scoring.hybrid import HybridScorer
from stratarouter.scoring.keyword import compile_keywords
from stratarouter.scoring.pattern import PatternScorer
from stratarouter.scoring.semantic import SemanticScorer
from stratarouter.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from stratarouter.calibration import ConfidenceMap
    from stratarouter.config import RouterConfig

__all__ = ["build_snapshot", "cross_fitted_confidence", "entries_of", "require_fallback"]


def build_snapshot(
    entries: Sequence[RouteVectors],
    config: RouterConfig,
    *,
    encoder_id: str,
    version: int,
    inherited: tuple[ConfidenceMap, ConfidenceMap] | None = None,
    earlier: Snapshot | None = None,
) -> Snapshot:
    """Make a snapshot from routes and their vectors.

    Parameters
    ----------
    entries : sequence of RouteVectors
        Routes in their order, with vectors of one width.
    config : RouterConfig
        Settings.
    encoder_id : str
        Identity of the encoder of the vectors.
    version : int
        Number of the snapshot.
    inherited : (ConfidenceMap, ConfidenceMap), optional
        Confidence in use and confidence of the last build, of the snapshot that this one replaces;
        None fits a new one on the routes' own examples.
    earlier : Snapshot, optional
        Another snapshot; patterns that it has compiled are not compiled again.

    Returns
    -------
    Snapshot
        Ready to route.

    Raises
    ------
    NoRoutesError
        If there is no route.
    ConfigurationError
        If the fallback route is not among the routes.
    InvalidPatternError
        If a pattern is not usable.
    """
    if not entries:
        raise NoRoutesError("the router has no routes; add some with add_routes()")
    routes = tuple(entry.route for entry in entries)
    positions = {route.id: number for number, route in enumerate(routes)}
    require_fallback(config.fallback_route, positions)
    sizes = [len(entry.vectors) for entry in entries]
    vectors = np.ascontiguousarray(np.concatenate([entry.vectors for entry in entries]))
    vectors.setflags(write=False)
    scorer = HybridScorer(
        SemanticScorer(vectors, np.append(0, np.cumsum(sizes))),
        compile_keywords(routes),
        PatternScorer(routes, None if earlier is None else earlier.scorer.pattern),
        FusionWeights(config.dense_weight, config.bm25_weight, config.rule_weight),
        config.max_candidates,
    )
    if inherited is None:
        built = cross_fitted_confidence(scorer, entries, config)
        inherited = (built, built)
    return Snapshot(
        version=version,
        config=config,
        routes=routes,
        aligned=tuple(entry.aligned for entry in entries),
        encoder_id=encoder_id,
        scorer=scorer,
        confidence=inherited[0],
        built_confidence=inherited[1],
        thresholds=tuple(
            config.threshold if route.threshold is None else route.threshold for route in routes
        ),
        positions=positions,
    )


def cross_fitted_confidence(
    scorer: HybridScorer, entries: Sequence[RouteVectors], config: RouterConfig
) -> ConfidenceMap:
    """Fit the confidence on the routes' own examples, where they suffice.

    Descriptions are left out: nobody writes queries like them.

    Parameters
    ----------
    scorer : HybridScorer
        Scorer over all routes.
    entries : sequence of RouteVectors
        Routes with their vectors.
    config : RouterConfig
        Settings.

    Returns
    -------
    ConfidenceMap
        The fitted map, or the prior.
    """
    if not config.enable_calibration:
        return PRIOR
    texts: list[str] = []
    rows: list[int] = []
    owners: list[int] = []
    for number, entry in enumerate(entries):
        if not entry.aligned:
            continue
        start = int(scorer.semantic.offsets[number])
        texts.extend(entry.route.examples)
        rows.extend(range(start, start + len(entry.route.examples)))
        owners.extend([number] * len(entry.route.examples))
    examples = Examples(texts, np.array(rows, dtype=int), np.array(owners, dtype=int))
    return fit_confidence(cross_fit(scorer, examples, config.seed), "examples")


def entries_of(snapshot: Snapshot) -> list[RouteVectors]:
    """Take a snapshot apart into what it was built from.

    Parameters
    ----------
    snapshot : Snapshot
        Built router.

    Returns
    -------
    list of RouteVectors
        Its routes with views of their vectors.
    """
    return [
        RouteVectors(route, snapshot.vectors_of(number), snapshot.aligned[number])
        for number, route in enumerate(snapshot.routes)
    ]


def require_fallback(fallback_route: str | None, known: Collection[str]) -> None:
    """Refuse a fallback route that does not exist.

    Parameters
    ----------
    fallback_route : str or None
        Id of the fallback route; None is always fine.
    known : collection of str
        Ids of the routes.

    Raises
    ------
    ConfigurationError
        If it is not among them.
    """
    if fallback_route is not None and fallback_route not in known:
        hint = nearest_name_hint(fallback_route, known)
        raise ConfigurationError(
            f"fallback_route {fallback_route!r} is not a registered route{hint}"
        )
