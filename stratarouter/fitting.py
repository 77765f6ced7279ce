"""Fitting the confidence to labelled queries."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.algorithms.metrics import expected_calibration_error
from stratarouter.calibration import (
    MIN_OUTCOMES,
    MIN_OUTCOMES_ISOTONIC,
    fit_confidence,
    fit_override,
)
from stratarouter.crossfit import OutcomeSample, outcome_features
from stratarouter.errors import InvalidInputError, RouteNotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter.calibration import ConfidenceMap, ConfidenceSource
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
    accuracy: float
    """Share of the in-scope queries whose best candidate is right, in [0, 1]; NaN without any."""
    ece_before: float
    """Expected calibration error before the fit, in [0, 1]."""
    ece_held_out: float
    """Expected calibration error after it, each query judged by a fit without its fold."""
    method: str
    """"isotonic", "logistic", or "unchanged" where the queries were too few."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data.

        Returns
        -------
        dict
            Fields by name.
        """
        return asdict(self)

    def __str__(self) -> str:
        if self.method == "unchanged":
            return (
                f"{self.n} labelled queries are too few to fit: at least {MIN_OUTCOMES} are needed"
            )
        return (
            f"fitted to {self.n} queries ({self.n_out_of_scope} out of scope) by {self.method} "
            f"regression: accuracy {self.accuracy:.1%}, calibration error "
            f"{self.ece_before:.1%} before, {self.ece_held_out:.1%} after (held out)"
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
    if isinstance(labels, str) or len(labels) != n_queries:
        raise InvalidInputError(
            f"need one label per query (None for out of scope), got {len(labels)} labels "
            f"for {n_queries} queries"
        )
    if not n_queries:
        raise InvalidInputError("need at least one labelled query")
    for label in labels:
        if label is not None and label not in snapshot.positions:
            raise RouteNotFoundError(str(label), snapshot.positions)


def fit_to_queries(
    snapshot: Snapshot, queries: Sequence[str], labels: Sequence[str | None], embeddings: FloatArray
) -> tuple[ConfidenceMap, FitReport]:
    """Fit the confidence to labelled queries.

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
    confidence : ConfidenceMap
        The fitted map.
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
    features: list[tuple[float, float, float]] = []
    correct: list[bool] = []
    overrides: list[bool] = []
    for query, label, embedding in zip(queries, labels, embeddings, strict=True):
        override = snapshot.scorer.pattern.override(query)
        if override is not None:
            overrides.append(snapshot.routes[override].id == label)
            continue
        scored = snapshot.scorer.score(query, embedding)
        leader = scored.leader()
        features.append(outcome_features(scored, leader))
        correct.append(snapshot.routes[int(scored.routes[leader])].id == label)
    sample = OutcomeSample(np.array(features).reshape(-1, 3), np.array(correct, dtype=float))
    start = snapshot.built_confidence
    confidence = fit_override(
        fit_confidence(sample, "queries", start=start), sum(overrides), len(overrides)
    )
    n_out_of_scope = sum(label is None for label in labels)
    n_in_scope = len(labels) - n_out_of_scope
    before = snapshot.confidence.confidences(sample.features)
    held_out = _held_out(sample, start, snapshot.config.seed)
    return confidence, FitReport(
        n=len(labels),
        n_out_of_scope=n_out_of_scope,
        accuracy=(sum(correct) + sum(overrides)) / n_in_scope if n_in_scope else float("nan"),
        ece_before=expected_calibration_error(before, sample.correct > 0.5) if features else 0.0,
        ece_held_out=expected_calibration_error(held_out, sample.correct > 0.5)
        if features
        else 0.0,
        method=_method(len(features)),
    )


def _held_out(sample: OutcomeSample, start: ConfidenceMap, seed: int) -> FloatArray:
    source: ConfidenceSource = "queries"
    n = len(sample.correct)
    fold = np.random.default_rng(seed).permutation(n) % _N_FOLDS
    confidences = np.zeros(n)
    for number in range(_N_FOLDS):
        inside = fold == number
        others = OutcomeSample(sample.features[~inside], sample.correct[~inside])
        fitted = fit_confidence(others, source, start=start)
        confidences[inside] = fitted.confidences(sample.features[inside])
    return confidences


def _method(n: int) -> str:
    if n < MIN_OUTCOMES:
        return "unchanged"
    return "logistic" if n < MIN_OUTCOMES_ISOTONIC else "isotonic"
