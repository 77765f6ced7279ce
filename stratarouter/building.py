"""How a snapshot is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.algorithms.fusion import FusionWeights
from stratarouter.algorithms.tokenize import stems_of, words
from stratarouter.crossfit import Examples
from stratarouter.errors import ConfigurationError, NoRoutesError, nearest_name_hint
from stratarouter.indexing import indexed
from stratarouter.learning import learn
from stratarouter.route_vectors import RouteVectors, encoded_texts
from stratarouter.scoring.hybrid import HybridScorer
from stratarouter.scoring.keyword import compile_keywords, count_keywords, route_texts
from stratarouter.scoring.pattern import PatternScorer
from stratarouter.scoring.semantic import SemanticScorer
from stratarouter.snapshot import Snapshot
from stratarouter.training import TrainingRows

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from stratarouter.calibration import ConfidenceMap
    from stratarouter.config import RouterConfig
    from stratarouter.protocols import BuildProgress
    from stratarouter.types import FloatArray, Route

__all__ = [
    "assemble",
    "build_snapshot",
    "change_snapshot",
    "entries_of",
    "require_fallback",
    "thresholds_of",
    "training_rows",
]


def build_snapshot(
    entries: Sequence[RouteVectors],
    config: RouterConfig,
    *,
    encoder_id: str,
    version: int,
    earlier: Snapshot | None = None,
    progress: BuildProgress | None = None,
) -> Snapshot:
    """Make a snapshot from routes and their vectors, learning all that the examples teach.

    Parameters
    ----------
    entries : sequence of RouteVectors
        Routes in their order, with vectors of one width.
    config : RouterConfig
        Settings; among them how candidates are searched.
    encoder_id : str
        Identity of the encoder of the vectors.
    version : int
        Number of the snapshot.
    earlier : Snapshot, optional
        Another snapshot; patterns that it has compiled are not compiled again.
    progress : BuildProgress, optional
        Is told of every step.

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
    MissingExtraError
        If the settings ask for an HNSW index and faiss is not installed.
    """
    scorer = assemble(entries, config, earlier)
    learned = learn(scorer, _examples(scorer, entries), config, progress)
    index = None
    if learned.head is None:
        scorer, index = indexed(scorer, config)
    return Snapshot(
        version=version,
        config=config,
        encoder_id=encoder_id,
        scorer=scorer.revised(learned.verdict.weights, learned.head, learned.verdict.n_candidates),
        confidence=learned.verdict.confidence,
        built=learned.verdict,
        plain=learned.plain,
        report=replace(learned.report, index=index),
        routes=tuple(entry.route for entry in entries),
        aligned=tuple(entry.aligned for entry in entries),
        thresholds=thresholds_of([entry.route for entry in entries], config),
    )


def change_snapshot(
    snapshot: Snapshot, entries: Sequence[RouteVectors], config: RouterConfig, *, version: int
) -> Snapshot:
    """Make the snapshot that follows when routes change, at once and without learning.

    What was learned rests on the examples. Where these change, a learned head no longer fits, and
    the similarity head takes over with its own weights and confidence until the next build. Where
    they do not, head, weights and confidence stay, while new keywords and patterns count at once.
    Certified thresholds stay only if nothing that decides has changed.

    Parameters
    ----------
    snapshot : Snapshot
        The present snapshot.
    entries : sequence of RouteVectors
        The changed routes in their order.
    config : RouterConfig
        Settings.
    version : int
        Number of the snapshot.

    Returns
    -------
    Snapshot
        Ready to route.

    Raises
    ------
    ConfigurationError
        If the fallback route is not among the routes.
    InvalidPatternError
        If a pattern is not usable.
    """
    routes = tuple(entry.route for entry in entries)
    if not _same_examples(snapshot, entries):
        return _relearned_later(snapshot, entries, config, version)
    changed = [
        (old, new) for old, new in zip(snapshot.routes, routes, strict=True) if old is not new
    ]
    same_cues = all(_cues(old) == _cues(new) for old, new in changed)
    same_thresholds = all(old.threshold == new.threshold for old, new in changed)
    return replace(
        snapshot,
        version=version,
        routes=routes,
        scorer=snapshot.scorer if same_cues else _with_cues(snapshot.scorer, routes),
        report=snapshot.report if same_cues else None,
        thresholds=snapshot.thresholds
        if same_cues and same_thresholds
        else thresholds_of(routes, config),
    )


def _same_examples(snapshot: Snapshot, entries: Sequence[RouteVectors]) -> bool:
    """Say whether everything that a head and the weights are learned from is as it was."""
    return len(entries) == len(snapshot.routes) and all(
        entry.route.id == old.id
        and entry.moved_to(old) is not None
        and entry.aligned == snapshot.aligned[number]
        and _same_rows(entry.vectors, snapshot.vectors_of(number))
        for number, (entry, old) in enumerate(zip(entries, snapshot.routes, strict=True))
    )


def _same_rows(one: FloatArray, other: FloatArray) -> bool:
    # Unchanged routes come with views of the very rows, which need not be read again.
    views = one.base is not None and one.base is other.base
    same_place = views and one.__array_interface__ == other.__array_interface__
    return same_place or np.array_equal(one, other)


def _cues(route: Route) -> tuple[object, ...]:
    """Return what a route is scored by beside its examples."""
    return route.keywords, route.patterns, route.pattern_mode


def _with_cues(scorer: HybridScorer, routes: Sequence[Route]) -> HybridScorer:
    """Return a scorer over the same examples with the keywords and patterns of today."""
    stems = _stems(routes)
    return scorer.with_cues(
        compile_keywords(routes, stems), PatternScorer(routes, scorer.pattern), stems
    )


def _stems(routes: Sequence[Route]) -> dict[str, str]:
    return stems_of(text for route in routes for text in route_texts(route))


def _relearned_later(
    snapshot: Snapshot, entries: Sequence[RouteVectors], config: RouterConfig, version: int
) -> Snapshot:
    scorer = assemble(entries, config, snapshot)
    had_head = snapshot.scorer.head is not None
    return Snapshot(
        version=version,
        config=config,
        encoder_id=snapshot.encoder_id,
        scorer=scorer.revised(
            snapshot.plain.weights if had_head else snapshot.scorer.weights,
            None,
            snapshot.plain.n_candidates if had_head else snapshot.scorer.max_candidates,
        ),
        confidence=snapshot.plain.confidence if had_head else _moved(snapshot, entries),
        built=snapshot.plain,
        plain=snapshot.plain,
        head_stale=had_head or snapshot.head_stale,
        routes=tuple(entry.route for entry in entries),
        aligned=tuple(entry.aligned for entry in entries),
        thresholds=thresholds_of([entry.route for entry in entries], config),
    )


def _moved(snapshot: Snapshot, entries: Sequence[RouteVectors]) -> ConfidenceMap:
    """Return the confidence with the routes' offsets at their places; changed routes have none."""
    earlier = [snapshot.positions.get(entry.route.id) for entry in entries]
    return snapshot.confidence.moved(
        [
            number if number is not None and snapshot.routes[number] == entry.route else None
            for number, entry in zip(earlier, entries, strict=True)
        ]
    )


def assemble(
    entries: Sequence[RouteVectors], config: RouterConfig, earlier: Snapshot | None = None
) -> HybridScorer:
    """Make the scorer of routes, with the weights of the settings and no head.

    Parameters
    ----------
    entries : sequence of RouteVectors
        Routes in their order, with vectors of one width.
    config : RouterConfig
        Settings.
    earlier : Snapshot, optional
        Another snapshot; patterns that it has compiled are not compiled again.

    Returns
    -------
    HybridScorer
        The scorer.

    Raises
    ------
    NoRoutesError
        If there is no route.
    """
    if not entries:
        raise NoRoutesError("the router has no routes; add some with add_routes()")
    routes = [entry.route for entry in entries]
    require_fallback(config.fallback_route, [route.id for route in routes])
    vectors = np.ascontiguousarray(np.concatenate([entry.vectors for entry in entries]))
    vectors.setflags(write=False)
    offsets = np.append(0, np.cumsum([len(entry.vectors) for entry in entries]))
    stems = _stems(routes)
    return HybridScorer(
        SemanticScorer(vectors, offsets),
        compile_keywords(routes, stems),
        PatternScorer(routes, None if earlier is None else earlier.scorer.pattern),
        FusionWeights.published(config.dense_weight, config.bm25_weight, config.rule_weight),
        config.max_candidates,
        stems=stems,
    )


def training_rows(scorer: HybridScorer, entries: Sequence[RouteVectors]) -> TrainingRows:
    """Return all vectors of a router with their words, as a head reads them.

    Parameters
    ----------
    scorer : HybridScorer
        Scorer over the routes.
    entries : sequence of RouteVectors
        The routes.

    Returns
    -------
    TrainingRows
        One row per vector; rows whose text is not known have no words. Texts without a vector
        stand beside them.
    """
    texts: list[list[str]] = []
    unseen: list[tuple[int, list[str]]] = []
    for number, entry in enumerate(entries):
        known = list(encoded_texts(entry.route)[: len(entry.vectors)]) if entry.aligned else []
        texts.extend(words(text, scorer.stems) for text in known)
        texts.extend([] for _ in range(len(entry.vectors) - len(known)))
        if entry.aligned:
            missing = encoded_texts(entry.route)[len(known) :]
            unseen.extend((number, words(text)) for text in missing)
    sizes = np.diff(scorer.semantic.offsets)
    routes = np.repeat(np.arange(len(sizes)), sizes)
    return TrainingRows(scorer.semantic.vectors, texts, routes, unseen)


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


def _examples(scorer: HybridScorer, entries: Sequence[RouteVectors]) -> Examples:
    """Collect what can stand for queries: examples, but no descriptions, which nobody writes."""
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
    return Examples(
        training_rows(scorer, entries),
        texts,
        np.array(rows, dtype=int),
        np.array(owners, dtype=int),
        count_keywords([entry.route for entry in entries], scorer.stems),
    )


def thresholds_of(routes: Sequence[Route], config: RouterConfig) -> tuple[float, ...]:
    """Return the least confidence per route.

    Parameters
    ----------
    routes : sequence of Route
        Routes in their order.
    config : RouterConfig
        Settings.

    Returns
    -------
    tuple of float, in [0, 1]
        The route's own threshold, or that of the settings.
    """
    return tuple(
        config.threshold if route.threshold is None else route.threshold for route in routes
    )


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
