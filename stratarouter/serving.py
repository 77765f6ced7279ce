"""From a snapshot and a query to a decision."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.calibration import OutcomeSample
from stratarouter.explaining import explain
from stratarouter.scoring.batch import chunks, rank_batch
from stratarouter.types import Alternative, RouteArrays, RouteResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratarouter.scoring.candidates import RankedCandidates
    from stratarouter.snapshot import Snapshot
    from stratarouter.types import FloatArray, Reason, Route

__all__ = ["decide", "decide_arrays", "decide_batch"]


def decide(snapshot: Snapshot, query: str, embedding: FloatArray, k: int) -> RouteResult:
    """Route one query.

    Parameters
    ----------
    snapshot : Snapshot
        Built router.
    query : str
        Query text, not blank.
    embedding : FloatArray, shape (d,)
        Its unit vector.
    k : int
        How many ranked routes the result names, the winner included, >= 1.

    Returns
    -------
    RouteResult
        The decision; `latency_ms` is left to the caller, who has the clock.
    """
    scorer = snapshot.scorer
    override = scorer.pattern.override(query)
    if override is not None:
        scored = scorer.rank(query, embedding, with_route=override)
        leader = scored.routes.index(override)
        return _result(snapshot, query, embedding, k, scored, leader, overridden=True)
    scored = scorer.rank(query, embedding)
    return _result(snapshot, query, embedding, k, scored, scored.leader(), overridden=False)


def decide_batch(
    snapshot: Snapshot, queries: Sequence[str], embeddings: FloatArray, k: int
) -> Iterator[RouteResult]:
    """Route many queries by one snapshot, with one matrix product for all.

    Parameters
    ----------
    snapshot : Snapshot
        Built router.
    queries : sequence of str
        Query texts, none blank.
    embeddings : FloatArray, shape (n, d)
        Their unit vectors.
    k : int
        How many ranked routes each result names, the winner included, >= 1.

    Yields
    ------
    RouteResult
        Decisions in the order of the queries; those of `decide` but for the rounding of float32.
    """
    override = snapshot.scorer.pattern.override
    for part in chunks(len(queries), snapshot.scorer.n_routes):
        texts, vectors = queries[part], embeddings[part]
        ranked = rank_batch(snapshot.scorer, texts, vectors).rows()
        for query, embedding, scored in zip(texts, vectors, ranked, strict=True):
            if override(query) is not None:
                yield decide(snapshot, query, embedding, k)
            else:
                leader = scored.leader()
                yield _result(snapshot, query, embedding, k, scored, leader, overridden=False)


def decide_arrays(
    snapshot: Snapshot, queries: Sequence[str], embeddings: FloatArray
) -> RouteArrays:
    """Route many queries and return arrays instead of a result for each.

    Parameters
    ----------
    snapshot : Snapshot
        Built router.
    queries : sequence of str
        Query texts, none blank.
    embeddings : FloatArray, shape (n, d)
        Their unit vectors.

    Returns
    -------
    RouteArrays
        The decisions of `decide_batch`.
    """
    n = len(queries)
    best, confidence = np.empty(n, dtype=np.int64), np.empty(n)
    for part in chunks(n, snapshot.scorer.n_routes):
        best[part], odds, likeness = rank_batch(
            snapshot.scorer, queries[part], embeddings[part]
        ).leaders()
        confidence[part] = snapshot.confidence.confidences(
            OutcomeSample(odds, likeness, np.zeros(len(odds)), best[part])
        )
    if snapshot.scorer.pattern.has_overrides:
        fired = map(snapshot.scorer.pattern.override, queries)
        decided = [(place, number) for place, number in enumerate(fired) if number is not None]
        for place, number in decided:
            best[place], confidence[place] = number, snapshot.confidence.override
    fallback = snapshot.config.fallback_route
    stand_in = -1 if fallback is None else snapshot.positions[fallback]
    accepted = confidence >= np.array(snapshot.thresholds)[best]
    return RouteArrays(
        best=best,
        chosen=np.where(accepted, best, stand_in),
        confidence=confidence,
        accepted=accepted,
        route_ids=tuple(snapshot.positions),
        snapshot_version=snapshot.version,
    )


def _result(  # noqa: PLR0917 -- private and called on the hot path
    snapshot: Snapshot,
    query: str,
    embedding: FloatArray,
    k: int,
    scored: RankedCandidates,
    leader: int,
    *,
    overridden: bool,
) -> RouteResult:
    number = scored.routes[leader]
    scores = snapshot.scores_at(scored, leader, overridden=overridden)
    confidence, threshold = scores.confidence, snapshot.thresholds[number]
    reason: Reason
    chosen: Route | None
    best: tuple[Alternative, ...] = ()
    if confidence >= threshold:
        chosen = snapshot.routes[number]
        reason = "pattern_override" if overridden else "accepted"
    else:
        chosen = snapshot.fallback
        reason = "below_threshold" if chosen is None else "fallback"
        best = (Alternative(snapshot.routes[number].id, scores),)
    if k > 1:
        best += _runners_up(snapshot, query, embedding, scored, leader, count=k - 1)
    return RouteResult(
        route_id=None if chosen is None else chosen.id,
        confidence=confidence,
        scores=scores,
        reason=reason,
        alternatives=best,
        metadata={} if chosen is None else dict(chosen.metadata),
        threshold=threshold,
        calibrated=snapshot.calibrated,
        snapshot_version=snapshot.version,
        head_stale=snapshot.head_stale,
        query=query,
        embedding=embedding,
        explainer=partial(explain, snapshot),
    )


def _runners_up(
    snapshot: Snapshot,
    query: str,
    embedding: FloatArray,
    scored: RankedCandidates,
    leader: int,
    *,
    count: int,
) -> tuple[Alternative, ...]:
    routes = snapshot.routes
    if len(scored.routes) <= count and not scored.complete:
        # More routes are wanted than were candidates. The decision stays that of the candidates, so
        # that asking for more of them never changes it.
        number = scored.routes[leader]
        scored = snapshot.scorer.rank(query, embedding, with_route=number, breadth=count + 1)
        leader = scored.routes.index(number)
    order = scored.order()
    order.remove(leader)
    return tuple(
        Alternative(routes[scored.routes[place]].id, snapshot.scores_at(scored, place))
        for place in order[:count]
    )
