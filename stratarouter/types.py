"""What users hold: routes, scores and results."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stratarouter.errors import InvalidInputError
from stratarouter.route import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Alternative",
    "Explanation",
    "FloatArray",
    "IntArray",
    "Reason",
    "Route",
    "RouteArrays",
    "RouteResult",
    "RouteScores",
]

FloatArray: TypeAlias = NDArray[np.floating[Any]]
"""Array of floats; docstrings give shape and range."""

IntArray: TypeAlias = NDArray[np.integer[Any]]
"""Array of whole numbers; docstrings give shape and range."""

Reason: TypeAlias = Literal["accepted", "pattern_override", "below_threshold", "fallback"]
"""Why a result names the route that it names."""


@dataclass(frozen=True, slots=True)
class RouteScores:
    """The component scores of one route for one query.

    Only `confidence` is a probability. All fields can be read as attributes or as items.
    """

    semantic: float
    """Similarity to the route's examples, in [0, 1]."""
    keyword: float
    """BM25 against the route's words over the query's bound, in [0, 1]."""
    pattern: float
    """1.0 if one of the route's patterns matched, else 0.0."""
    total: float
    """Weighted combination, in [0, 1]; decides which route wins."""
    confidence: float
    """Probability, strictly inside (0, 1), that this route is right."""

    def keys(self) -> tuple[str, ...]:
        """Return the names of the components, so that ``dict(scores)`` works.

        Returns
        -------
        tuple of str
            Names in the published order.
        """
        return ("semantic", "keyword", "pattern", "total", "confidence")

    def __getitem__(self, key: str) -> float:
        if key not in self.keys():
            raise KeyError(key)
        value: float = getattr(self, key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def to_dict(self) -> dict[str, float]:
        """Return the components as a plain dictionary.

        Returns
        -------
        dict
            Component name to value.
        """
        return {key: self[key] for key in self.keys()}


@dataclass(frozen=True, slots=True)
class Alternative:
    """A route that came after the winner, or that was the best but not sure enough."""

    route_id: str
    """Id of the route."""
    scores: RouteScores
    """Its scores."""

    @property
    def confidence(self) -> float:
        """Probability that this route is the right one."""
        return self.scores.confidence

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data.

        Returns
        -------
        dict
            ``route_id``, ``confidence`` and ``scores``.
        """
        return {
            "route_id": self.route_id,
            "confidence": self.confidence,
            "scores": self.scores.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a query went where it went: nearest examples, shared words, patterns, runner-ups."""

    query: str
    """The query text."""
    summary: str
    """One sentence for people."""
    nearest_examples: tuple[tuple[str, str, float], ...]
    """(route id, example, cosine) of the most similar examples of the leading routes."""
    shared_words: tuple[tuple[str, float], ...]
    """(word, contribution) that the query shares with the best route, largest first."""
    matched_patterns: tuple[str, ...]
    """Patterns of the best route that matched."""
    ranking: tuple[Alternative, ...]
    """The best routes with their scores, best first."""

    def _repr_html_(self) -> str:
        from stratarouter.html import explanation_html

        return explanation_html(asdict(self))

    def __str__(self) -> str:
        lines = [self.summary]
        for rank, entry in enumerate(self.ranking, start=1):
            s = entry.scores
            lines.append(
                f"  {rank}. {entry.route_id}: confidence {entry.confidence:.3f} "
                f"(semantic {s.semantic:.3f}, keyword {s.keyword:.3f}, "
                f"pattern {s.pattern:.0f}, total {s.total:.3f})"
            )
        for route_id, example, cosine in self.nearest_examples:
            lines.append(f"  near: {example!r} [{route_id}] cosine {cosine:.3f}")
        if self.shared_words:
            words = ", ".join(f"{word} {weight:.2f}" for word, weight in self.shared_words)
            lines.append(f"  words: {words}")
        if self.matched_patterns:
            lines.append(f"  patterns: {', '.join(self.matched_patterns)}")
        return "\n".join(lines)


@dataclass(slots=True, eq=False, kw_only=True)
class RouteResult:
    """The answer to one query; the same type whether a route was found or not."""

    route_id: str | None
    """Chosen route, the fallback route, or None if nothing was sure enough."""
    confidence: float
    """Probability, strictly inside (0, 1), that the best candidate is right."""
    scores: RouteScores
    """Scores of the best candidate, accepted or not."""
    reason: Reason = "accepted"
    """Why `route_id` is what it is."""
    alternatives: tuple[Alternative, ...] = ()
    """Further candidates, best first; led by the best one if it was not accepted."""
    latency_ms: float = 0.0
    """Time that routing took, milliseconds; encoding included where the router encoded."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Metadata of the chosen route."""
    threshold: float = 0.0
    """The threshold that `confidence` was compared with: certified, else of route or settings."""
    calibrated: bool = False
    """Whether `confidence` comes from fitted data; False: a documented prior."""
    snapshot_version: int = 0
    """Version of the routes that answered."""
    head_stale: bool = False
    """Whether routes or examples changed since a head was learned: similarity alone decided."""
    query: str | None = field(default=None, repr=False)
    """The query text, so that the decision can be executed."""
    embedding: FloatArray | None = field(default=None, repr=False)
    """The query's unit embedding, shape (d,), never the caller's array but a copy; results of one
    batch share a matrix. Outside repr and JSON."""
    explainer: Callable[[RouteResult], Explanation] | None = field(default=None, repr=False)
    """Makes the explanation on demand; set by the router."""

    @property
    def matched(self) -> bool:
        """Whether a route was accepted, by confidence or by an override."""
        return self.reason in ("accepted", "pattern_override")

    def __bool__(self) -> bool:
        return self.matched

    def explain(self) -> Explanation:
        """Say why the query went where it went.

        Returns
        -------
        Explanation
            Its ``str()`` is a readable paragraph.

        Raises
        ------
        InvalidInputError
            If the result was made by hand, not by a router.
        """
        if self.explainer is None:
            raise InvalidInputError("this result was not made by a router, so it cannot explain")
        return self.explainer(self)

    def _repr_html_(self) -> str:
        from stratarouter.html import result_html

        return result_html(self.to_dict(), self.query)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data in the published shape, with `confidence` in both places.

        Returns
        -------
        dict
            Fields of the REST answer and the library's own, without embedding.
        """
        return {
            "route_id": self.route_id,
            "confidence": self.confidence,
            "scores": self.scores.to_dict(),
            "latency_ms": self.latency_ms,
            "alternatives": [entry.to_dict() for entry in self.alternatives],
            "reason": self.reason,
            "threshold": self.threshold,
            "calibrated": self.calibrated,
            "snapshot_version": self.snapshot_version,
            "head_stale": self.head_stale,
            "metadata": self.metadata,
        }


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RouteArrays:
    """The answers to many queries as arrays, without an object for each."""

    best: IntArray
    """Number of the best route of each query, accepted or not, shape (n,)."""
    chosen: IntArray
    """Number of the route that takes each query, -1 for none, shape (n,)."""
    confidence: FloatArray
    """Probability that the best route is right, shape (n,), in (0, 1)."""
    accepted: NDArray[np.bool_]
    """Whether the confidence reached the threshold of the route, shape (n,)."""
    route_ids: tuple[str, ...]
    """Id of each route number."""
    snapshot_version: int
    """Version of the routes that answered."""

    def __len__(self) -> int:
        return len(self.best)

    def chosen_ids(self) -> list[str | None]:
        """Return the ids of the routes that the queries go to.

        Returns
        -------
        list of str or None
            `RouteResult.route_id` of each query.
        """
        ids = (*self.route_ids, None)
        return [ids[number] for number in self.chosen.tolist()]
