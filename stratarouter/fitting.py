"""Fitting a built router to labelled queries."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.algorithms.metrics import expected_calibration_error
from stratarouter.building import build_snapshot, entries_of
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

    from stratarouter.algorithms.fusion import FusionWeights
    from stratarouter.calibration import ConfidenceMap, ConfidenceSource
    from stratarouter.scoring.hybrid import ScoredCandidates
    from stratarouter.snapshot import Snapshot
    from stratarouter.types import FloatArray

__all__ = ["FitReport", "best_share", "check_labels", "fit_to_queries"]

_N_FOLDS = 5
_SHARES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


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
    semantic_share: float
    """Weight of the semantic score that was chosen, in [0, 1]; the rest is the keyword score's."""
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
    scored = [
        snapshot.scorer.score(query, embedding)
        for query, embedding in zip(queries, embeddings, strict=True)
    ]
    overrides = [snapshot.scorer.pattern.override(query) for query in queries]
    targets = [None if label is None else snapshot.positions[label] for label in labels]
    before = _outcomes(scored, targets, overrides)
    reweighed = _reweighed(snapshot, best_share(scored, targets, snapshot.scorer.weights))
    weights = reweighed.scorer.weights
    sample = _outcomes([entry.reweighed(weights) for entry in scored], targets, overrides)
    start = reweighed.built_confidence
    hits = [
        override == target
        for override, target in zip(overrides, targets, strict=True)
        if override is not None
    ]
    # Too few to learn from must not undo what was learned from enough.
    confidence = reweighed.confidence
    if len(sample.correct) >= MIN_OUTCOMES:
        confidence = fit_confidence(sample, "queries", start=start)
    if hits:
        unfitted = replace(confidence, override=start.override)
        confidence = fit_override(unfitted, sum(hits), len(hits))
    n_in_scope = sum(target is not None for target in targets)
    right = float(sample.correct.sum()) + sum(hits)
    report = FitReport(
        n=len(labels),
        n_out_of_scope=len(labels) - n_in_scope,
        accuracy=right / n_in_scope if n_in_scope else float("nan"),
        ece_before=_ece(snapshot.confidence.confidences(before.features), before),
        ece_held_out=_ece(_held_out(sample, start, snapshot.config.seed), sample),
        semantic_share=weights.semantic_share,
        method=_method(len(sample.correct)),
    )
    fitted = replace(reweighed, confidence=confidence, version=snapshot.version + 1)
    return fitted, report


def best_share(
    scored: Sequence[ScoredCandidates],
    targets: Sequence[int | None],
    weights: FusionWeights,
) -> float:
    """Choose the weight of the semantic score among the two that are always present.

    The share that is nearest to the present one is taken among those whose accuracy is within one
    standard error of the best, so that chance does not move it.

    Parameters
    ----------
    scored : sequence of ScoredCandidates
        Candidates of each query.
    targets : sequence of int or None
        Right route of each query.
    weights : FusionWeights
        Present weights.

    Returns
    -------
    float, in [0, 1]
        The chosen share; the present one if there are fewer than `MIN_OUTCOMES` in-scope queries.
    """
    present = weights.semantic_share
    inside = [
        (entry, target) for entry, target in zip(scored, targets, strict=True) if target is not None
    ]
    if len(inside) < MIN_OUTCOMES:
        return present
    shares = sorted((present, *_SHARES), key=lambda share: abs(share - present))
    accuracies: list[float] = []
    for share in shares:
        trial = replace(weights, semantic=share, keyword=1.0 - share)
        right = 0
        for entry, target in inside:
            again = entry.reweighed(trial)
            right += int(again.routes[again.leader()]) == target
        accuracies.append(right / len(inside))
    best = max(accuracies)
    # With two more right and two more wrong, else a perfect share would have no error at all.
    likely = (best * len(inside) + 2.0) / (len(inside) + 4.0)
    error = (likely * (1.0 - likely) / len(inside)) ** 0.5
    good = [accuracy >= best - error for accuracy in accuracies]
    return shares[good.index(True)]


def _is_label(label: object, snapshot: Snapshot) -> bool:
    return label is None or (isinstance(label, str) and label in snapshot.positions)


def _reweighed(snapshot: Snapshot, share: float) -> Snapshot:
    if share == snapshot.scorer.weights.semantic_share:
        return snapshot
    config = replace(snapshot.config, dense_weight=share, bm25_weight=1.0 - share)
    return build_snapshot(
        entries_of(snapshot),
        config,
        encoder_id=snapshot.encoder_id,
        version=snapshot.version,
        earlier=snapshot,
    )


def _outcomes(
    scored: Sequence[ScoredCandidates],
    targets: Sequence[int | None],
    overrides: Sequence[int | None],
) -> OutcomeSample:
    features: list[tuple[float, float, float]] = []
    correct: list[bool] = []
    for entry, target, override in zip(scored, targets, overrides, strict=True):
        if override is None:
            leader = entry.leader()
            features.append(outcome_features(entry, leader))
            correct.append(int(entry.routes[leader]) == target)
    return OutcomeSample(np.array(features).reshape(-1, 3), np.array(correct, dtype=float))


def _ece(confidences: FloatArray, sample: OutcomeSample) -> float:
    if not len(sample.correct):
        return float("nan")
    return expected_calibration_error(confidences, sample.correct > 0.5)


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
