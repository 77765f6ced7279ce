"""Fitting a built router to labelled queries."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.algorithms.metrics import expected_calibration_error
from stratarouter.calibrating import MIN_OUTCOMES, fit_override, fit_to_labels
from stratarouter.calibration import outcome_sample
from stratarouter.crossfit import Outcome
from stratarouter.errors import InvalidInputError, RouteNotFoundError
from stratarouter.learning import reweigh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter.algorithms.fusion import FusionWeights
    from stratarouter.calibration import ConfidenceMap, OutcomeSample
    from stratarouter.snapshot import Snapshot
    from stratarouter.types import FloatArray

__all__ = ["FitReport", "check_labels", "fit_to_queries"]

_N_FOLDS = 5


@dataclass(frozen=True, slots=True)
class FitReport:
    """What a fit saw and how good the confidence is on queries that it was not fitted to."""

    n: int
    """Number of labelled queries."""
    n_out_of_scope: int
    """How many of them belong to no route."""
    accuracy: float | None
    """Share of the in-scope queries whose best candidate is right, in [0, 1]; None without any."""
    ece_before: float | None
    """Expected calibration error before the fit, in [0, 1]; None if patterns decided all."""
    ece_held_out: float | None
    """Expected calibration error after it, each query judged by a fit without its fold."""
    semantic_share: float
    """Weight of the semantic score that was chosen, in [0, 1]; the rest is the keyword score's."""
    method: str
    """"isotonic", "logistic", or "unchanged" where the queries were too few."""
    n_routes_corrected: int = 0
    """Routes whose confidence has an offset of its own, because they differ from the others."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data.

        Returns
        -------
        dict
            Fields by name.
        """
        return asdict(self)

    def _repr_html_(self) -> str:
        from stratarouter.html import report_html

        return report_html(str(self), self.to_dict())

    def __str__(self) -> str:
        if self.method == "unchanged":
            return (
                f"{self.n} labelled queries are too few to fit: at least {MIN_OUTCOMES} are needed"
            )
        corrected = self.n_routes_corrected
        return (
            f"fitted to {self.n} queries ({self.n_out_of_scope} out of scope) by {self.method} "
            f"regression: accuracy {_percent(self.accuracy)}, calibration error "
            f"{_percent(self.ece_before)} before, {_percent(self.ece_held_out)} after (held out)"
            + (f"; {corrected} routes corrected on their own" if corrected else "")
        )


def check_labels(snapshot: Snapshot, n_queries: int, labels: Sequence[str | None]) -> None:
    """Refuse labels that do not fit the queries or the routes.

    Parameters
    ----------
    snapshot : Snapshot
        Built router.
    n_queries : int
        Number of queries.
    labels : sequence of str or None
        Route id per query; None for out of scope.

    Raises
    ------
    InvalidInputError
        If there are not as many labels as queries, or none at all.
    RouteNotFoundError
        If a label is no route.
    """
    is_list = hasattr(labels, "__len__") and not isinstance(labels, (str, bytes))
    if not is_list or len(labels) != n_queries:
        given = f"{len(labels)} labels" if is_list else f"a {type(labels).__name__}"
        raise InvalidInputError(
            f"need one label per query (None for out of scope), got {given} for {n_queries} queries"
        )
    if not n_queries:
        raise InvalidInputError("need at least one labelled query")
    for label in labels:
        if not _is_label(label, snapshot):
            raise RouteNotFoundError(str(label), snapshot.positions)


def fit_to_queries(
    snapshot: Snapshot, queries: Sequence[str], labels: Sequence[str | None], embeddings: FloatArray
) -> tuple[Snapshot, FitReport]:
    """Fit the weights of the scores, then the confidence, to labelled queries.

    Parameters
    ----------
    snapshot : Snapshot
        Built router.
    queries : sequence of str
        Query texts.
    labels : sequence of str or None
        Route id per query; None for out of scope, where every pick counts as wrong.
    embeddings : FloatArray, shape (n, d)
        Unit vectors of the queries.

    Returns
    -------
    fitted : Snapshot
        The next snapshot.
    report : FitReport
        What was fitted, with held-out figures.

    Raises
    ------
    InvalidInputError
        If the number of labels is wrong.
    RouteNotFoundError
        If a label is no route.
    """
    check_labels(snapshot, len(queries), labels)
    targets = [None if label is None else snapshot.positions[label] for label in labels]
    overrides = [snapshot.scorer.pattern.override(query) for query in queries]
    outcomes = [
        Outcome(snapshot.scorer.score(query, embedding), target)
        for query, embedding, target, override in zip(
            queries, embeddings, targets, overrides, strict=True
        )
        if override is None
    ]
    hits = [
        override == target
        for override, target in zip(overrides, targets, strict=True)
        if override is not None
    ]
    before = outcome_sample(outcomes)
    before_confidences = snapshot.confidence.confidences(before)
    enough = len(outcomes) >= MIN_OUTCOMES
    weights = snapshot.scorer.weights
    if enough:
        weights = reweigh(outcomes, snapshot.built.weights, snapshot.config)
    sample = _reweighed_sample(outcomes, weights)
    n_in_scope = sum(target is not None for target in targets)
    right = float(sample.correct.sum()) + sum(hits)
    confidence = _fitted_confidence(snapshot, sample, hits)
    report = FitReport(
        n=len(labels),
        n_out_of_scope=len(labels) - n_in_scope,
        accuracy=right / n_in_scope if n_in_scope else None,
        ece_before=_ece(before_confidences, before),
        ece_held_out=_ece(_held_out(outcomes, snapshot) if enough else before_confidences, sample),
        semantic_share=weights.semantic,
        method=_method(confidence) if enough else "unchanged",
        n_routes_corrected=int(np.count_nonzero(confidence.offsets)) if enough else 0,
    )
    fitted = replace(
        snapshot,
        scorer=snapshot.scorer.revised(weights, snapshot.scorer.head),
        confidence=confidence,
        version=snapshot.version + 1,
    )
    return fitted, report


def _fitted_confidence(
    snapshot: Snapshot, sample: OutcomeSample, hits: Sequence[bool]
) -> ConfidenceMap:
    start = snapshot.built.confidence
    overridden = fit_override(start, sum(hits), len(hits)).override
    if len(sample.correct) >= MIN_OUTCOMES:
        fitted = fit_to_labels(sample, start, snapshot.scorer.n_routes)
        return replace(fitted, override=overridden)
    # Too few queries must not undo an earlier fit.
    return replace(snapshot.confidence, override=overridden) if hits else snapshot.confidence


def _is_label(label: object, snapshot: Snapshot) -> bool:
    return label is None or (isinstance(label, str) and label in snapshot.positions)


def _held_out(outcomes: Sequence[Outcome], snapshot: Snapshot) -> FloatArray:
    n = len(outcomes)
    fold = np.random.default_rng(snapshot.config.seed).permutation(n) % _N_FOLDS
    confidences = np.zeros(n)
    for number in range(_N_FOLDS):
        others = [outcomes[place] for place in np.flatnonzero(fold != number).tolist()]
        judged = [outcomes[place] for place in np.flatnonzero(fold == number).tolist()]
        weights = reweigh(others, snapshot.built.weights, snapshot.config)
        fitted = fit_to_labels(
            _reweighed_sample(others, weights),
            snapshot.built.confidence,
            snapshot.scorer.n_routes,
        )
        confidences[fold == number] = fitted.confidences(_reweighed_sample(judged, weights))
    return confidences


def _reweighed_sample(outcomes: Sequence[Outcome], weights: FusionWeights) -> OutcomeSample:
    return outcome_sample(
        [Outcome(outcome.scored.reweighed(weights), outcome.target) for outcome in outcomes]
    )


def _ece(confidences: FloatArray, sample: OutcomeSample) -> float | None:
    if not len(sample.correct):
        return None
    return expected_calibration_error(confidences, sample.correct > 0.5)


def _method(confidence: ConfidenceMap) -> str:
    return "isotonic" if confidence.knots else "logistic"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"
