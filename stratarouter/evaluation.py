"""What labelled queries say about a router: figures, confusions and the worst mistakes."""

from __future__ import annotations

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
from stratarouter.evaluation_tables import (
    Confusion,
    ConfusionMatrix,
    Judged,
    Mistake,
    ReliabilityBin,
    RiskCurve,
    RouteFigures,
    confusion_matrix,
    count_confusions,
    reliability_bins,
    risk_curve,
    route_figures,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterable, Sequence

    from matplotlib.figure import Figure

    from stratarouter.types import RouteResult

__all__ = [
    "Confusion",
    "ConfusionMatrix",
    "EvaluationReport",
    "Mistake",
    "ReliabilityBin",
    "RiskCurve",
    "RouteFigures",
    "evaluate",
]

_N_WORST = 5


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
    reliability: tuple[ReliabilityBin, ...]
    """Confidence beside accuracy over all queries, in 15 intervals."""
    risk: RiskCurve
    """Share of wrong answers at each share of accepted queries, over all queries."""
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
            Every figure by its field name; the risk curve thinned to at most 200 rows.
        """
        return {
            **{entry.name: getattr(self, entry.name) for entry in fields(self)},
            "reliability": [asdict(entry) for entry in self.reliability],
            "risk": self.risk.to_dict(),
            "routes": [asdict(entry) for entry in self.routes],
            "confusions": [asdict(entry) for entry in self.confusions],
            "worst": [entry.to_dict() for entry in self.worst],
        }

    def confusion_matrix(self, n_routes: int = 10) -> ConfusionMatrix:
        """Count labels against best candidates, for the routes that are confused most often.

        Parameters
        ----------
        n_routes : int, >= 1
            Most routes to choose.

        Returns
        -------
        ConfusionMatrix
            The chosen routes as rows and columns; a last row for out-of-scope, if such queries
            went to one of them. Empty if nothing was confused.
        """
        return confusion_matrix(self.routes, self.confusions, n_routes)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw reliability, confusions and the coverage-risk curve side by side.

        Parameters
        ----------
        path : str or path-like, optional
            File to write as well; its ending (``.png``, ``.svg``, ``.pdf``) says what kind.

        Returns
        -------
        matplotlib.figure.Figure
            The drawing; a notebook shows it.

        Raises
        ------
        MissingExtraError
            If the extra ``viz`` is not installed.
        InvalidInputError
            If the file cannot be written.
        """
        from stratarouter.plotting import draw_evaluation, save_figure

        accepted = None if self.precision is None else (self.coverage, 1.0 - self.precision)
        figure = draw_evaluation(
            reliability=self.reliability,
            matrix=self.confusion_matrix(),
            risk=self.risk,
            ece=self.ece,
            operating_point=accepted,
            title=self._headline(),
        )
        if path is not None:
            save_figure(figure, path)
        return figure

    def _repr_html_(self) -> str:
        from stratarouter.html import evaluation_html

        return evaluation_html(self._headline(), list(self._figures()), self.to_dict())

    def __str__(self) -> str:
        lines = [
            self._headline(),
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

    def _headline(self) -> str:
        return f"{self.n} queries, {self.n_in_scope} in scope, {self.n_out_of_scope} out of scope"

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
        reliability=reliability_bins(confidence, right),
        risk=risk_curve(confidence, right),
        routes=route_figures(judged, known),
        confusions=count_confusions(mistakes),
        worst=tuple(
            Mistake(label=entry.label, route_id=entry.candidate, result=entry.result)
            for entry in sorted(mistakes, key=lambda entry: -entry.result.confidence)[:_N_WORST]
        ),
    )


def _judge(
    results: Sequence[RouteResult],
    labels: Sequence[str | None],
    known: Collection[str] | None,
) -> list[Judged]:
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
        Judged(result, label, _best_candidate(position, result))
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


def _share(truths: np.ndarray) -> float | None:
    return float(truths.mean()) if len(truths) else None


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _name(label: str | None) -> str:
    return "out of scope" if label is None else label
