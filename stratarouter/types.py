"""What users hold: routes, scores and results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stratarouter.errors import InvalidInputError, InvalidRouteError
from stratarouter.route_checks import (
    PatternMode,
    checked_description,
    checked_id,
    checked_metadata,
    checked_mode,
    checked_texts,
    checked_threshold,
    one_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = [
    "Alternative",
    "Explanation",
    "FloatArray",
    "IntArray",
    "Reason",
    "Route",
    "RouteResult",
    "RouteScores",
]

FloatArray: TypeAlias = NDArray[np.floating[Any]]
"""Array of floats; docstrings give shape and range."""

IntArray: TypeAlias = NDArray[np.integer[Any]]
"""Array of whole numbers; docstrings give shape and range."""

Reason: TypeAlias = Literal["accepted", "pattern_override", "below_threshold", "fallback"]
"""Why a result names the route that it names."""


class Route:
    """A destination for queries, described by example texts.

    Both published dialects are accepted: ``id``/``examples`` and ``name``/``utterances``. Routes
    are immutable values; two routes are equal if all their fields are.

    Parameters
    ----------
    id : str
        Unique name, stripped; not empty, at most 256 printable characters.
    examples : sequence of str, optional
        Texts that belong to this route. A route needs examples or a description.
    description : str, optional
        One sentence about the route; it is encoded as one more example.
    keywords : sequence of str, optional
        Words that speak for this route.
    patterns : sequence of str, optional
        Literals, matched anywhere and in any case, or regular expressions after ``re:``.
    tags : sequence of str, optional
        Labels for the user's own purposes.
    metadata : mapping, optional
        Anything; a result carries the metadata of its route. To be saved it must be JSON.
    threshold : float, optional
        Least confidence, in [0, 1], for this route; None takes the one of the router.
    pattern_mode : {"score", "override"}, optional
        Whether a matching pattern adds to the score or decides alone.
    name : str, optional
        Other name of `id`.
    utterances : sequence of str, optional
        Other name of `examples`.

    Raises
    ------
    InvalidRouteError
        If the id is empty, a text is blank, a string stands where a list is meant, there are
        neither examples nor a description, or the threshold is outside [0, 1].

    Examples
    --------
    >>> Route("billing", examples=["Where's my invoice?"]) == Route(
    ...     name="billing", utterances=["Where's my invoice?"]
    ... )
    True
    """

    __slots__ = (
        "description",
        "examples",
        "id",
        "keywords",
        "metadata",
        "pattern_mode",
        "patterns",
        "tags",
        "threshold",
    )

    id: str
    description: str
    examples: tuple[str, ...]
    keywords: tuple[str, ...]
    patterns: tuple[str, ...]
    tags: tuple[str, ...]
    metadata: Mapping[str, Any]
    threshold: float | None
    pattern_mode: PatternMode

    def __init__(
        self,
        id: str | None = None,  # noqa: A002 -- the published name of the field
        examples: Sequence[str] | None = None,
        description: str | None = None,
        keywords: Sequence[str] | None = None,
        patterns: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        threshold: float | None = None,
        pattern_mode: PatternMode = "score",
        *,
        name: str | None = None,
        utterances: Sequence[str] | None = None,
    ) -> None:
        route_id = checked_id(one_of("id", id, "name", name))
        examples = one_of("examples", examples, "utterances", utterances)
        set_field = object.__setattr__
        set_field(self, "id", route_id)
        set_field(self, "examples", checked_texts(route_id, "examples", examples))
        set_field(self, "description", checked_description(route_id, description))
        set_field(self, "keywords", checked_texts(route_id, "keywords", keywords))
        set_field(self, "patterns", checked_texts(route_id, "patterns", patterns))
        set_field(self, "tags", checked_texts(route_id, "tags", tags))
        set_field(self, "metadata", checked_metadata(route_id, metadata))
        set_field(self, "threshold", checked_threshold(route_id, threshold))
        set_field(self, "pattern_mode", checked_mode(route_id, pattern_mode))
        if not self.examples and not self.description:
            raise InvalidRouteError(
                f"route {route_id!r} has neither examples nor a description; give at least one"
            )

    @property
    def name(self) -> str:
        """The id, in the other dialect."""
        return self.id

    @property
    def utterances(self) -> tuple[str, ...]:
        """The examples, in the other dialect."""
        return self.examples

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that are encoded: the examples, then the description if there is one."""
        return (*self.examples, self.description) if self.description else self.examples

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready data, in the ``id`` dialect.

        Returns
        -------
        dict
            ``Route(**route.to_dict())`` equals the route.
        """
        return {
            "id": self.id,
            "description": self.description,
            "examples": list(self.examples),
            "keywords": list(self.keywords),
            "patterns": list(self.patterns),
            "tags": list(self.tags),
            "metadata": dict(self.metadata),
            "threshold": self.threshold,
            "pattern_mode": self.pattern_mode,
        }

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError(f"Route is immutable; build a new one to change {key!r}")

    def __delattr__(self, key: str) -> None:
        raise AttributeError(f"Route is immutable; cannot delete {key!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Route):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.id, self.examples))

    def __reduce__(self) -> tuple[Callable[[dict[str, Any]], Route], tuple[dict[str, Any]]]:
        return _route_from_dict, (self.to_dict(),)

    def __repr__(self) -> str:
        lists = {name: len(getattr(self, name)) for name in ("keywords", "patterns", "tags")}
        parts = [repr(self.id), f"examples={len(self.examples)}"]
        parts += [f"{name}={length}" for name, length in lists.items() if length]
        return f"Route({', '.join(parts)})"


def _route_from_dict(fields: dict[str, Any]) -> Route:
    return Route(**fields)


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
    """The threshold that `confidence` was compared with."""
    calibrated: bool = False
    """Whether `confidence` comes from fitted data; False: a documented prior."""
    snapshot_version: int = 0
    """Version of the routes that answered."""
    query: str | None = field(default=None, repr=False)
    """The query text, so that the decision can be executed."""
    embedding: FloatArray | None = field(default=None, repr=False)
    """The query's unit embedding, shape (d,); outside repr and JSON."""
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
            "metadata": self.metadata,
        }
