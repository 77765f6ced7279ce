"""The rows and columns of an evaluation: per route, per bin, per threshold, and who is confused."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.algorithms.metrics import coverage_risk

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from stratarouter.algorithms.metrics import Outcomes
    from stratarouter.types import FloatArray, IntArray, RouteResult

__all__ = [
    "Confusion",
    "ConfusionMatrix",
    "Judged",
    "Mistake",
    "ReliabilityBin",
    "RiskCurve",
    "RouteFigures",
    "confusion_matrix",
    "count_confusions",
    "reliability_bins",
    "risk_curve",
    "route_figures",
]

# As many as the calibration error has.
_N_BINS = 15
_MAX_JSON_POINTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFigures:
    """How one route fared."""

    route_id: str
    """Id of the route."""
    n: int
    """Number of queries with this label."""
    n_right: int
    """Those of them whose best candidate is this route, accepted or not."""
    n_accepted: int
    """Number of queries, of any label, accepted into this route."""
    precision: float | None
    """Share of the accepted that have this label; None if nothing was accepted."""
    recall: float | None
    """Share of the queries with this label that were accepted here; None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often queries of one label went to one wrong route."""

    label: str | None
    """The right route; None for out-of-scope."""
    route_id: str
    """The wrong best candidate."""
    n: int
    """Number of such queries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One query that went wrong."""

    label: str | None
    """The right route; None for out-of-scope."""
    route_id: str
    """The wrong best candidate."""
    result: RouteResult
    """The answer; ``result.explain()`` says how it came about."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data.

        Returns
        -------
        dict
            Query, label, candidate, confidence and whether it was accepted.
        """
        return {
            "query": self.result.query,
            "label": self.label,
            "route_id": self.route_id,
            "confidence": self.result.confidence,
            "accepted": self.result.matched,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """The queries whose confidence lies in one interval, open on its left."""

    lower: float
    """Where the interval starts."""
    upper: float
    """Where it ends."""
    n: int
    """Number of queries."""
    confidence: float | None
    """Their mean confidence; None if there are none."""
    accuracy: float | None
    """Share of them whose best candidate is right; None if there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCurve:
    """The share of wrong answers over the share of accepted queries, as columns."""

    thresholds: tuple[float, ...]
    """The distinct confidences, descending; a query is accepted from its threshold up."""
    coverage: tuple[float, ...]
    """Share of all queries that each threshold accepts, ascending, in (0, 1]."""
    risk: tuple[float, ...]
    """Share of wrong answers among the accepted, in [0, 1]."""

    def to_dict(self) -> dict[str, list[float]]:
        """Return JSON-ready data.

        Returns
        -------
        dict
            The three columns, thinned evenly to at most 200 rows; both ends stay.
        """
        n = len(self.thresholds)
        kept = np.unique(np.linspace(0, n - 1, min(n, _MAX_JSON_POINTS)).round().astype(int))
        columns = {"thresholds": self.thresholds, "coverage": self.coverage, "risk": self.risk}
        return {name: [column[i] for i in kept] for name, column in columns.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionMatrix:
    """Counts of labels against best candidates, for some routes."""

    labels: tuple[str | None, ...]
    """The right routes, one per row; None, if there, is out-of-scope."""
    candidates: tuple[str, ...]
    """The best candidates, one per column."""
    counts: tuple[tuple[int, ...], ...]
    """Number of queries per row and column."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One result beside the truth."""

    result: RouteResult
    """The answer."""
    label: str | None
    """The right route; None for out-of-scope."""
    candidate: str
    """The best candidate, accepted or not."""

    @property
    def right(self) -> bool:
        """Whether the best candidate is the label."""
        return self.candidate == self.label

    @property
    def mistaken(self) -> bool:
        """Whether something went wrong; rejecting an out-of-scope query is no mistake."""
        return not self.right and (self.label is not None or self.result.matched)


def route_figures(
    judged: Sequence[Judged], known: Collection[str] | None
) -> tuple[RouteFigures, ...]:
    """Count for each route.

    Parameters
    ----------
    judged : sequence of Judged
        Results beside the truth.
    known : collection of str, optional
        Routes to count even if they do not occur; they come first.

    Returns
    -------
    tuple of RouteFigures
        One per route.
    """
    labelled = Counter(entry.label for entry in judged if entry.label is not None)
    right = Counter(entry.candidate for entry in judged if entry.right)
    accepted = Counter(entry.candidate for entry in judged if entry.result.matched)
    hits = Counter(entry.candidate for entry in judged if entry.result.matched and entry.right)
    route_ids = dict.fromkeys([*(known or ()), *labelled, *accepted])
    return tuple(
        RouteFigures(
            route_id=route_id,
            n=labelled[route_id],
            n_right=right[route_id],
            n_accepted=accepted[route_id],
            precision=hits[route_id] / accepted[route_id] if accepted[route_id] else None,
            recall=hits[route_id] / labelled[route_id] if labelled[route_id] else None,
        )
        for route_id in route_ids
    )


def count_confusions(mistakes: Iterable[Judged]) -> tuple[Confusion, ...]:
    """Count the pairs of label and wrong candidate.

    Parameters
    ----------
    mistakes : iterable of Judged
        Results that are mistaken.

    Returns
    -------
    tuple of Confusion
        Most frequent first.
    """
    pairs = Counter((entry.label, entry.candidate) for entry in mistakes)
    return tuple(
        Confusion(label=label, route_id=candidate, n=n)
        for (label, candidate), n in pairs.most_common()
    )


def reliability_bins(
    confidence: FloatArray, right: Outcomes, n_bins: int = _N_BINS
) -> tuple[ReliabilityBin, ...]:
    """Compare confidence and accuracy in intervals of equal width.

    Parameters
    ----------
    confidence : FloatArray, shape (n,), in [0, 1]
        Stated probabilities of being right.
    right : Outcomes, shape (n,)
        Whether each answer was right.
    n_bins : int, >= 1
        Number of intervals.

    Returns
    -------
    tuple of ReliabilityBin
        One per interval, empty ones too.

    Examples
    --------
    >>> low, high = reliability_bins(np.array([0.8, 1.0]), np.array([True, False]), n_bins=2)
    >>> low.n, high.n, high.confidence, high.accuracy
    (0, 2, 0.9, 0.5)
    """
    number: IntArray = np.clip(np.ceil(confidence * n_bins).astype(np.intp) - 1, 0, n_bins - 1)
    n = np.bincount(number, minlength=n_bins)
    stated = np.bincount(number, weights=confidence, minlength=n_bins)
    true = np.bincount(number, weights=np.asarray(right, dtype=float), minlength=n_bins)
    return tuple(
        ReliabilityBin(
            lower=i / n_bins,
            upper=(i + 1) / n_bins,
            n=int(n[i]),
            confidence=float(stated[i] / n[i]) if n[i] else None,
            accuracy=float(true[i] / n[i]) if n[i] else None,
        )
        for i in range(n_bins)
    )


def risk_curve(confidence: FloatArray, right: Outcomes) -> RiskCurve:
    """Trace the risk over the coverage.

    Parameters
    ----------
    confidence : FloatArray, shape (n,), in [0, 1]
        Stated probabilities of being right.
    right : Outcomes, shape (n,)
        Whether each answer was right.

    Returns
    -------
    RiskCurve
        One row per distinct confidence.
    """
    thresholds, coverage, risk = coverage_risk(confidence, right)
    return RiskCurve(
        thresholds=tuple(thresholds.tolist()),
        coverage=tuple(coverage.tolist()),
        risk=tuple(risk.tolist()),
    )


def confusion_matrix(
    routes: Sequence[RouteFigures], confusions: Sequence[Confusion], n_routes: int
) -> ConfusionMatrix:
    """Choose the routes that are confused most often and count among them.

    Parameters
    ----------
    routes : sequence of RouteFigures
        Figures of all routes.
    confusions : sequence of Confusion
        Pairs of label and wrong candidate.
    n_routes : int, >= 1
        Most routes to choose.

    Returns
    -------
    ConfusionMatrix
        The chosen routes as rows and columns, ordered so that the worst pairs stand together; a
        last row for out-of-scope, if such queries went to one of them. Empty without confusions.

    Examples
    --------
    >>> figures = [
    ...     RouteFigures(route_id=name, n=9, n_right=7, n_accepted=9, precision=0.8, recall=0.8)
    ...     for name in ("a", "b", "c")
    ... ]
    >>> matrix = confusion_matrix(figures, [Confusion(label="c", route_id="a", n=2)], n_routes=5)
    >>> matrix.labels, matrix.counts
    (('c', 'a'), ((7, 2), (0, 7)))
    """
    # Pair by pair, so that no chosen route stands without the one it is confused with.
    chosen: dict[str, None] = {}
    for entry in confusions:
        pair = [name for name in (entry.label, entry.route_id) if name is not None]
        new = [name for name in pair if name not in chosen]
        if len(chosen) + len(new) <= n_routes:
            chosen.update(dict.fromkeys(new))
    candidates = tuple(chosen)
    counts = {(entry.label, entry.route_id): entry.n for entry in confusions}
    counts |= {(entry.route_id, entry.route_id): entry.n_right for entry in routes}
    labels: tuple[str | None, ...] = candidates
    if any((None, name) in counts for name in candidates):
        labels = (*candidates, None)
    return ConfusionMatrix(
        labels=labels,
        candidates=candidates,
        counts=tuple(
            tuple(counts.get((label, name), 0) for name in candidates) for label in labels
        ),
    )
