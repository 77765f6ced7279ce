"""From a snapshot and a query to a decision."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.explaining import explain
from stratarouter.types import Alternative, RouteResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratarouter.scoring.hybrid import ScoredCandidates
    from stratarouter.snapshot import Snapshot
    from stratarouter.types import FloatArray, Reason, Route

__all__ = ["decide", "decide_batch"]


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
        scored = scorer.score(query, embedding, with_route=override)
        leader = int(np.flatnonzero(scored.routes == override)[0])
        return _result(snapshot, query, embedding, k, scored, leader, overridden=True)
    scored = scorer.score(query, embedding)
    return _result(snapshot, query, embedding, k, scored, scored.leader(), overridden=False)


def decide_batch(
    snapshot: Snapshot, queries: Sequence[str], embeddings: FloatArray, k: int
) -> Iterator[RouteResult]:
    """Route many queries by one snapshot, as `decide` does one by one.

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
        Decisions in the order of the queries, equal to those of `decide`.
    """
    for query, embedding in zip(queries, embeddings, strict=True):
        yield decide(snapshot, query, embedding, k)


def _result(  # noqa: PLR0917 -- private and called on the hot path
    snapshot: Snapshot,
    query: str,
    embedding: FloatArray,
    k: int,
    scored: ScoredCandidates,
    leader: int,
    *,
    overridden: bool,
) -> RouteResult:
    route_number = int(scored.routes[leader])
    scores = snapshot.scores_at(scored, leader, overridden=overridden)
    threshold = snapshot.thresholds[route_number]
    reason: Reason
    chosen: Route | None
    if scores.confidence >= threshold:
        chosen = snapshot.routes[route_number]
        reason = "pattern_override" if overridden else "accepted"
    else:
        fallback = snapshot.config.fallback_route
        chosen = None if fallback is None else snapshot.routes[snapshot.positions[fallback]]
        reason = "below_threshold" if fallback is None else "fallback"
    accepted = reason in {"accepted", "pattern_override"}
    best = () if accepted else (Alternative(snapshot.routes[route_number].id, scores),)
    others = _runners_up(snapshot, query, embedding, scored, leader, count=k - 1)
    return RouteResult(
        route_id=None if chosen is None else chosen.id,
        confidence=scores.confidence,
        scores=scores,
        reason=reason,
        alternatives=best + others,
        metadata={} if chosen is None else dict(chosen.metadata),
        threshold=threshold,
        calibrated=snapshot.confidence.calibrated,
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
    scored: ScoredCandidates,
    leader: int,
    *,
    count: int,
) -> tuple[Alternative, ...]:
    if not count:
        return ()
    routes = snapshot.routes
    if len(scored.routes) <= count and len(scored.routes) < len(routes):
        # More routes are wanted than were candidates. The decision stays that of the candidates, so
        # that asking for more of them never changes it.
        number = int(scored.routes[leader])
        scored = snapshot.scorer.score(query, embedding, with_route=number, breadth=count + 1)
        leader = int(np.flatnonzero(scored.routes == number)[0])
    order = np.argsort(-scored.total, kind="stable").tolist()
    order.remove(leader)
    return tuple(
        Alternative(routes[scored.routes[place]].id, snapshot.scores_at(scored, place))
        for place in order[:count]
    )
