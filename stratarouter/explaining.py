"""Why a query went where it went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratarouter.algorithms.tokenize import words
from stratarouter.errors import InvalidInputError
from stratarouter.route_vectors import encoded_texts
from stratarouter.types import Alternative, Explanation

if TYPE_CHECKING:
    from stratarouter.snapshot import Snapshot
    from stratarouter.types import FloatArray, RouteResult

__all__ = ["explain"]

_MOST_WORDS = 6
_EXAMPLES_SHOWN_FOR = 2


def explain(snapshot: Snapshot, result: RouteResult) -> Explanation:
    """Score the query of a result anew and say what spoke for each of the leading routes.

    Parameters
    ----------
    snapshot : Snapshot
        The snapshot that made the result.
    result : RouteResult
        A result that still has its query and embedding.

    Returns
    -------
    Explanation
        Nearest examples, shared words, matching patterns and the ranking.

    Raises
    ------
    InvalidInputError
        If the query or the embedding was taken out of the result.
    """
    query, embedding = result.query, result.embedding
    if query is None or embedding is None:
        raise InvalidInputError("the result has lost its query or embedding; route again")
    override = snapshot.scorer.pattern.override(query)
    scored = snapshot.scorer.rank(query, embedding, with_route=override)
    order = scored.order()
    if override is not None:
        order.sort(key=lambda place: scored.routes[place] != override)
    shown = order[: snapshot.config.top_k]
    best = scored.routes[order[0]]
    ranking = tuple(
        Alternative(
            snapshot.routes[scored.routes[place]].id,
            snapshot.scores_at(scored, place, overridden=scored.routes[place] == override),
        )
        for place in shown
    )
    return Explanation(
        query=query,
        summary=_summary(result, ranking),
        nearest_examples=tuple(
            _nearest_example(snapshot, scored.routes[place], embedding)
            for place in shown[:_EXAMPLES_SHOWN_FOR]
        ),
        shared_words=_shared_words(snapshot, query, best),
        matched_patterns=_matched_patterns(snapshot, query, best),
        ranking=ranking,
    )


def _summary(result: RouteResult, ranking: tuple[Alternative, ...]) -> str:
    best = ranking[0].route_id
    outcome = {
        "accepted": f"routed to {best!r}",
        "pattern_override": f"routed to {best!r}, because one of its patterns decides alone",
        "below_threshold": f"no route: {best!r} was best, but not sure enough",
        "fallback": f"fell back to {result.route_id!r}: {best!r} was best, but not sure enough",
    }[result.reason]
    comparison = ">=" if result.matched else "<"
    kind = "calibrated" if result.calibrated else "uncalibrated prior"
    return (
        f"{outcome} (confidence {result.confidence:.3f} {comparison} "
        f"threshold {result.threshold:g}, {kind})"
    )


def _nearest_example(
    snapshot: Snapshot, number: int, embedding: FloatArray
) -> tuple[str, str, float]:
    route = snapshot.routes[number]
    cosines = snapshot.vectors_of(number) @ embedding
    row = int(cosines.argmax())
    texts = encoded_texts(route)
    named = snapshot.aligned[number] and row < len(texts)
    text = texts[row] if named else f"(vector {row})"
    return route.id, text, float(cosines[row])


def _shared_words(snapshot: Snapshot, query: str, number: int) -> tuple[tuple[str, float], ...]:
    keyword = snapshot.scorer.keyword
    texts = words(query)
    bound = keyword.bound(texts)
    by_word: dict[str, float] = {}
    for word, share in zip(texts, keyword.contributions(texts, number), strict=True):
        if share > 0.0:
            by_word[word] = by_word.get(word, 0.0) + share / bound
    ranked = sorted(by_word.items(), key=lambda entry: (-entry[1], entry[0]))
    return tuple(ranked[:_MOST_WORDS])


def _matched_patterns(snapshot: Snapshot, query: str, number: int) -> tuple[str, ...]:
    position = snapshot.scorer.pattern.matches(query, number)
    return () if position is None else (snapshot.routes[number].patterns[position],)
