"""What the demo found out, as data, as tables and as text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratarouter import EvaluationReport, FitReport

__all__ = ["DemoReport", "Dialogue", "ExecutionFigures", "Promise", "Table", "tables", "transcript"]

Table: TypeAlias = tuple[str, tuple[str, ...], list[tuple[str, ...]]]
"""Title, names of the columns, rows."""

_LEAST_ACCURACY = 0.80
_LEAST_AUROC = 0.90
_MOST_EXCESS_ECE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """One message and its answer."""

    query: str
    """What the customer wrote."""
    route_id: str | None
    """Where it went; None if nothing was sure enough."""
    response: str | None
    """What the handler answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionFigures:
    """How carrying the decisions out went."""

    n: int
    """Messages carried out; each was sent twice."""
    n_handled: int
    """How many of them a handler answered; the others had no route that was sure enough."""
    latency_p50_ms: float
    """Median time from text to answer, milliseconds, encoding and routing included."""
    latency_p99_ms: float
    """Time that 99 % stayed below, milliseconds."""
    cache_hits: int
    """Answers of the second sending that were still there from the first."""
    n_cacheable: int
    """Messages of the second sending whose answer may be kept."""
    hit_latency_p50_ms: float
    """Median time of an answer from the cache, milliseconds."""
    dialogues: tuple[Dialogue, ...]
    """Some of the messages and answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A figure that the demo must reach."""

    name: str
    """What is promised."""
    value: str
    """What was measured."""
    kept: bool
    """Whether that is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport:
    """Everything that the demo measured."""

    n_routes: int
    """Number of routes."""
    n_examples: int
    """Number of example texts."""
    n_queries: int
    """Number of labelled messages, both halves."""
    dimension: int
    """Width of the hashing encoder."""
    threshold: float
    """Least confidence of a match."""
    build_s: float
    """Time to build the router, seconds."""
    unfitted: EvaluationReport
    """The second half, judged by what was learned from the examples alone."""
    fit: FitReport
    """The fit to the first half."""
    fitted: EvaluationReport
    """The second half after that fit."""
    executions: ExecutionFigures
    """The second half carried out."""
    explanations: tuple[str, ...]
    """Why the worst mistakes of `fitted` happened, in its order."""
    elapsed_s: float
    """Duration of the demo, seconds."""

    @property
    def promises(self) -> tuple[Promise, ...]:
        """The figures that must hold on the second half, after the fit."""
        report = self.fitted
        # The bundled messages have both kinds, so neither figure is missing.
        accuracy = 0.0 if report.accuracy is None else report.accuracy
        separation = 0.0 if report.auroc is None else report.auroc
        excess = report.ece - report.ece_if_calibrated
        return (
            Promise(
                name=f"in-scope accuracy >= {_LEAST_ACCURACY:.0%}",
                value=f"{accuracy:.1%}",
                kept=accuracy >= _LEAST_ACCURACY,
            ),
            Promise(
                name=f"AUROC >= {_LEAST_AUROC:.2f}",
                value=f"{separation:.3f}",
                kept=separation >= _LEAST_AUROC,
            ),
            Promise(
                name=f"ECE at most {100 * _MOST_EXCESS_ECE:.0f} points above a calibrated model's",
                value=f"{100 * excess:+.1f} points",
                kept=excess <= _MOST_EXCESS_ECE,
            ),
        )

    @property
    def holds(self) -> bool:
        """Whether every promise is kept."""
        return all(promise.kept for promise in self.promises)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data.

        Returns
        -------
        dict
            Every figure by its field name, and the promises.
        """
        return {
            "n_routes": self.n_routes,
            "n_examples": self.n_examples,
            "n_queries": self.n_queries,
            "dimension": self.dimension,
            "threshold": self.threshold,
            "build_s": self.build_s,
            "unfitted": self.unfitted.to_dict(),
            "fit": self.fit.to_dict(),
            "fitted": self.fitted.to_dict(),
            "executions": asdict(self.executions),
            "explanations": list(self.explanations),
            "promises": [asdict(promise) for promise in self.promises],
            "elapsed_s": self.elapsed_s,
        }


def tables(report: DemoReport) -> tuple[Table, ...]:
    """Arrange the figures for people.

    Parameters
    ----------
    report : DemoReport
        What was measured.

    Returns
    -------
    tuple of Table
        Title, names of the columns and rows of each table.
    """
    return (
        _routing_table(report),
        _route_table(report.fitted),
        _execution_table(report),
        (
            "Must hold on the second half",
            ("figure", "measured", "verdict"),
            [
                (promise.name, promise.value, "holds" if promise.kept else "MISSED")
                for promise in report.promises
            ],
        ),
    )


def transcript(report: DemoReport) -> str:
    """Write down some dialogues and why the worst mistakes happened.

    Parameters
    ----------
    report : DemoReport
        What was measured.

    Returns
    -------
    str
        Plain text of several lines.
    """
    lines = ["Some messages and their answers"]
    for dialogue in report.executions.dialogues:
        answer = "(nobody is sure enough)" if dialogue.response is None else dialogue.response
        lines += [f"  > {dialogue.query}", f"    [{dialogue.route_id}] {_indented(answer)}"]
    lines += ["", "The most confident mistakes, explained"]
    for mistake, explanation in zip(report.fitted.worst, report.explanations, strict=True):
        right = "none, it is out of scope" if mistake.label is None else mistake.label
        lines += [f"  > {mistake.result.query}", f"    right: {right}"]
        lines.append(f"    {_indented(explanation)}")
    lines += ["", f"{report.fit}", f"Done in {report.elapsed_s:.1f} s."]
    return "\n".join(lines)


def _routing_table(report: DemoReport) -> Table:
    before, after = report.unfitted, report.fitted
    figures: Sequence[tuple[str, Callable[[EvaluationReport], str]]] = (
        ("in-scope accuracy, forced choice", lambda r: _percent(r.accuracy)),
        ("accepted, of in-scope messages", lambda r: _percent(r.in_scope_coverage)),
        ("precision of the accepted", lambda r: _percent(r.precision)),
        ("out-of-scope messages rejected", lambda r: _percent(r.out_of_scope_recall)),
        ("AUROC, right answers v. out-of-scope", lambda r: _number(r.auroc)),
        ("calibration error (ECE)", lambda r: _percent(r.ece)),
        ("  of a calibrated model, mean", lambda r: _percent(r.ece_if_calibrated)),
        ("  of a calibrated model, 95 % below", lambda r: _percent(r.ece_if_calibrated_p95)),
        ("text to decision, p50", lambda r: f"{r.latency_p50_ms:.2f} ms"),
        ("text to decision, p99", lambda r: f"{r.latency_p99_ms:.2f} ms"),
    )
    title = (
        f"{report.n_routes} routes with {report.n_examples} examples, hashing encoder of width "
        f"{report.dimension}, threshold {report.threshold}, built in {report.build_s:.2f} s; "
        f"{after.n} messages of the second half"
    )
    rows: list[tuple[str, ...]] = [(name, show(before), show(after)) for name, show in figures]
    return (title, ("figure", "examples only", "fitted on the first half"), rows)


def _route_table(report: EvaluationReport) -> Table:
    rows: list[tuple[str, ...]] = [
        (entry.route_id, str(entry.n), _percent(entry.precision), _percent(entry.recall))
        for entry in report.routes
    ]
    return ("Accepted messages by route", ("route", "messages", "precision", "recall"), rows)


def _execution_table(report: DemoReport) -> Table:
    figures = report.executions
    rows: list[tuple[str, ...]] = [
        ("messages sent", str(figures.n)),
        ("answered by a handler", str(figures.n_handled)),
        ("text to answer, p50", f"{figures.latency_p50_ms:.2f} ms"),
        ("text to answer, p99", f"{figures.latency_p99_ms:.2f} ms"),
        ("sent again: answer may be kept", str(figures.n_cacheable)),
        ("sent again: cache hits", str(figures.cache_hits)),
        ("text to kept answer, p50", f"{figures.hit_latency_p50_ms:.2f} ms"),
    ]
    return ("Carried out by the bridge", ("figure", "value"), rows)


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
