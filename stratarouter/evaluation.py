"""What labelled queries say about a router: figures, confusions and the worst mistakes."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.algorithms.metrics import (
    auroc,
    brier,
    calibrated_ece_quantiles,
    expected_calibration_error,
    rejection_recall,
)
from stratarouter.errors import InvalidInputError, RouteNotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from stratarouter.types import RouteResult

__all__ = ["Confusion", "EvaluationReport", "Mistake", "RouteFigures", "evaluate"]

_N_WORST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFigures:
    """How one route fared."""

    route_id: str
    """Id of the route."""
    n: int
    """Number of queries with this label."""
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
class EvaluationReport:
    """What labelled queries say about a router.

    The best candidate of a result is the accepted route, or else its first alternative. It is right
    if it is the label; for an out-of-scope query no candidate is right. `confidence` is judged as
    what it claims to be: the probability that the best candidate is right. Figures that need
    queries which are not there are None. ``str()`` gives a table for people.
    """

    n: int
    """Number of queries."""
    n_in_scope: int
    """Queries whose label is a route."""
    n_out_of_scope: int
    """Queries that belong to no route."""
    accuracy: float | None
    """Share of the in-scope queries whose best candidate is right, accepted or not."""
    coverage: float
    """Share of all queries that were accepted."""
    in_scope_coverage: float | None
    """Share of the in-scope queries that were accepted."""
    precision: float | None
    """Share of the accepted queries whose route is right."""
    out_of_scope_recall: float | None
    """Share of the out-of-scope queries that were not accepted."""
    out_of_scope_recall_at_95: float | None
    """The same at the threshold that accepts 95 % of the in-scope queries."""
    auroc: float | None
    """Probability that a right answer is more confident than an out-of-scope query."""
    ece: float
    """Expected calibration error over all queries, 15 bins; in [0, 1]."""
    ece_if_calibrated: float
    """Mean error that a perfectly calibrated model shows at the same confidences."""
    ece_if_calibrated_p95: float
    """Error below which a perfectly calibrated model stays in 95 % of all samples."""
    brier: float
    """Mean squared distance between confidence and outcome; in [0, 1]."""
    latency_p50_ms: float
    """Median time that routing took, milliseconds."""
    latency_p99_ms: float
    """Time that 99 % of the queries stayed below, milliseconds."""
    routes: tuple[RouteFigures, ...]
    """Figures of each route that is known or occurs, in that order."""
    confusions: tuple[Confusion, ...]
    """Wrong candidates of in-scope and accepted out-of-scope queries, most frequent first."""
    worst: tuple[Mistake, ...]
    """The most confident of the same mistakes, most confident first."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data.

        Returns
        -------
        dict
            Every figure by its field name.
        """
        return {
            **{entry.name: getattr(self, entry.name) for entry in fields(self)},
            "routes": [asdict(entry) for entry in self.routes],
            "confusions": [asdict(entry) for entry in self.confusions],
            "worst": [entry.to_dict() for entry in self.worst],
        }

    def __str__(self) -> str:
        lines = [
            f"{self.n} queries, {self.n_in_scope} in scope, {self.n_out_of_scope} out of scope",
            "",
            *(f"{name:<32}{value:>10}  {note}".rstrip() for name, value, note in self._figures()),
        ]
        if self.confusions:
            lines += ["", "most frequent confusions"]
            lines += [
                f"{entry.n:>6} x  {_name(entry.label)} -> {entry.route_id}"
                for entry in self.confusions[:_N_WORST]
            ]
        if self.worst:
            lines += ["", "most confident mistakes"]
            lines += [
                f"{entry.result.confidence:>8.3f}  {_name(entry.label)} -> {entry.route_id}"
                f"{'' if entry.result.matched else ' (not accepted)'}: {entry.result.query!r}"
                for entry in self.worst
            ]
        return "\n".join(lines)

    def _figures(self) -> Iterable[tuple[str, str, str]]:
        yield "in-scope accuracy", _percent(self.accuracy), "best candidate right, accepted or not"
        yield "coverage", _percent(self.coverage), "accepted, of all queries"
        yield "coverage in scope", _percent(self.in_scope_coverage), ""
        yield "precision of the accepted", _percent(self.precision), ""
        yield "out-of-scope recall", _percent(self.out_of_scope_recall), "not accepted"
        at_95 = _percent(self.out_of_scope_recall_at_95)
        yield "  at 95 % in-scope coverage", at_95, ""
        yield "AUROC", _number(self.auroc), "right answers against out-of-scope"
        calibrated = (
            f"calibrated: mean {_percent(self.ece_if_calibrated)}, "
            f"95 % below {_percent(self.ece_if_calibrated_p95)}"
        )
        yield "calibration error (ECE)", _percent(self.ece), calibrated
        yield "Brier score", _number(self.brier), ""
        yield "latency p50", f"{self.latency_p50_ms:.3f} ms", ""
        yield "latency p99", f"{self.latency_p99_ms:.3f} ms", ""


@dataclass(frozen=True, slots=True)
class _Judged:
    """One result beside the truth."""

    result: RouteResult
    label: str | None
    candidate: str

    @property
    def right(self) -> bool:
        return self.candidate == self.label

    @property
    def mistaken(self) -> bool:
        """Whether something went wrong; rejecting an out-of-scope query is no mistake."""
        return not self.right and (self.label is not None or self.result.matched)


def evaluate(
    results: Sequence[RouteResult],
    labels: Sequence[str | None],
    *,
    known: Collection[str] | None = None,
    seed: int = 0,
) -> EvaluationReport:
    """Compare results with labels.

    Parameters
    ----------
    results : sequence of RouteResult
        Answers of one router.
    labels : sequence of str or None
        The right route of each query, None for out-of-scope.
    known : collection of str, optional
        Ids of the router's routes; None takes every label as it comes.
    seed : int
        Seed of the draws behind `EvaluationReport.ece_if_calibrated`.

    Returns
    -------
    EvaluationReport
        The figures.

    Raises
    ------
    InvalidInputError
        If there are no results, the lengths differ, or a result names no candidate at all.
    RouteNotFoundError
        If a label is not in `known`.

    Examples
    --------
    >>> from stratarouter.types import RouteResult, RouteScores
    >>> scores = RouteScores(0.9, 0.5, 0.0, 0.8, confidence=0.75)
    >>> result = RouteResult(route_id="billing", confidence=0.75, scores=scores)
    >>> report = evaluate([result, result], ["billing", None])
    >>> report.accuracy, report.precision, report.ece
    (1.0, 0.5, 0.25)
    """
    judged = _judge(results, labels, known)
    confidence = np.array([entry.result.confidence for entry in judged])
    right = np.array([entry.right for entry in judged])
    accepted = np.array([entry.result.matched for entry in judged])
    in_scope = np.array([entry.label is not None for entry in judged])
    latency_ms = np.array([entry.result.latency_ms for entry in judged])
    calibrated, calibrated_p95 = calibrated_ece_quantiles(
        confidence, rng=np.random.default_rng(seed)
    )
    mistakes = [entry for entry in judged if entry.mistaken]
    separation, recall_at_95 = _separation(confidence, right, in_scope)
    return EvaluationReport(
        n=len(judged),
        n_in_scope=int(in_scope.sum()),
        n_out_of_scope=int((~in_scope).sum()),
        accuracy=_share(right[in_scope]),
        coverage=float(accepted.mean()),
        in_scope_coverage=_share(accepted[in_scope]),
        precision=_share(right[accepted]),
        out_of_scope_recall=_share(~accepted[~in_scope]),
        out_of_scope_recall_at_95=recall_at_95,
        auroc=separation,
        ece=expected_calibration_error(confidence, right),
        ece_if_calibrated=calibrated,
        ece_if_calibrated_p95=calibrated_p95,
        brier=brier(confidence, right),
        latency_p50_ms=float(np.quantile(latency_ms, 0.5)),
        latency_p99_ms=float(np.quantile(latency_ms, 0.99)),
        routes=_route_figures(judged, known),
        confusions=_confusions(mistakes),
        worst=tuple(
            Mistake(label=entry.label, route_id=entry.candidate, result=entry.result)
            for entry in sorted(mistakes, key=lambda entry: -entry.result.confidence)[:_N_WORST]
        ),
    )


def _judge(
    results: Sequence[RouteResult],
    labels: Sequence[str | None],
    known: Collection[str] | None,
) -> list[_Judged]:
    if len(results) != len(labels):
        raise InvalidInputError(
            f"need one label for each query, got {len(results)} results and {len(labels)} labels; "
            "the label of an out-of-scope query is None"
        )
    if not results:
        raise InvalidInputError("nothing to evaluate: there are no queries")
    if known is not None:
        for label in labels:
            if label is not None and label not in known:
                raise RouteNotFoundError(label, known)
    return [
        _Judged(result, label, _best_candidate(position, result))
        for position, (result, label) in enumerate(zip(results, labels, strict=True))
    ]


def _best_candidate(position: int, result: RouteResult) -> str:
    if result.matched and result.route_id is not None:
        return result.route_id
    if result.alternatives:
        return result.alternatives[0].route_id
    raise InvalidInputError(
        f"result {position} was not accepted and has no alternatives, so its best candidate is "
        "unknown; evaluate results as the router returned them"
    )


def _separation(
    confidence: np.ndarray, right: np.ndarray, in_scope: np.ndarray
) -> tuple[float | None, float | None]:
    """Return the AUROC and the out-of-scope recall at 95 % of in-scope, where they exist."""
    if in_scope.all() or not in_scope.any():
        return None, None
    out_of_scope = confidence[~in_scope]
    separation = auroc(confidence[right], out_of_scope) if right.any() else None
    return separation, rejection_recall(confidence[in_scope], out_of_scope)


def _route_figures(
    judged: Sequence[_Judged], known: Collection[str] | None
) -> tuple[RouteFigures, ...]:
    labelled = Counter(entry.label for entry in judged if entry.label is not None)
    accepted = Counter(entry.candidate for entry in judged if entry.result.matched)
    hits = Counter(entry.candidate for entry in judged if entry.result.matched and entry.right)
    route_ids = dict.fromkeys([*(known or ()), *labelled, *accepted])
    return tuple(
        RouteFigures(
            route_id=route_id,
            n=labelled[route_id],
            n_accepted=accepted[route_id],
            precision=hits[route_id] / accepted[route_id] if accepted[route_id] else None,
            recall=hits[route_id] / labelled[route_id] if labelled[route_id] else None,
        )
        for route_id in route_ids
    )


def _confusions(mistakes: Sequence[_Judged]) -> tuple[Confusion, ...]:
    pairs = Counter((entry.label, entry.candidate) for entry in mistakes)
    return tuple(
        Confusion(label=label, route_id=candidate, n=n)
        for (label, candidate), n in pairs.most_common()
    )


def _share(truths: np.ndarray) -> float | None:
    return float(truths.mean()) if len(truths) else None


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _name(label: str | None) -> str:
    return "out of scope" if label is None else label
