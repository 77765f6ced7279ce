"""Fitting, certifying and evaluating a router on labelled queries."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.algorithms.vectors import as_unit_rows
from stratarouter.editing import RouteEditor
from stratarouter.errors import InvalidInputError
from stratarouter.inputs import checked_queries, owned
from stratarouter.serving import decide, decide_batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter.certifying import Certificate
    from stratarouter.evaluation import EvaluationReport
    from stratarouter.fitting import FitReport
    from stratarouter.snapshot import Snapshot
    from stratarouter.types import FloatArray

__all__ = ["RouteTuner"]


class RouteTuner(RouteEditor):
    """The part of a router that works with labelled queries; users meet it as part of `Router`."""

    def fit(
        self,
        queries: Sequence[str],
        labels: Sequence[str | None],
        embeddings: Any | None = None,
    ) -> FitReport:
        """Fit the score weights and the confidence to labelled queries; the routes stay.

        Certified thresholds belong to the earlier confidence and no longer apply: certify again.

        Parameters
        ----------
        queries : sequence of str
            Query texts, best such as users write.
        labels : sequence of str or None
            Right route of each query; None where no route is right.
        embeddings : array_like, shape (n, d), optional
            Vectors of the queries; None encodes the texts.

        Returns
        -------
        FitReport
            What was fitted, with held-out figures.

        Raises
        ------
        InvalidInputError
            If queries and labels differ in number, or there are none.
        RouteNotFoundError
            If a label is no registered route.
        """
        from stratarouter.fitting import fit_to_queries
        from stratarouter.thresholds import uncertified

        texts = checked_queries(queries)
        with self._registry.lock:
            snapshot, matrix = self._prepared(texts, embeddings)
            fitted, report = fit_to_queries(snapshot, texts, labels, matrix)
            self._registry.adopt(uncertified(fitted))
        return report

    def certify(
        self,
        alpha: float,
        delta: float,
        queries: Sequence[str],
        labels: Sequence[str | None],
        embeddings: Any | None = None,
        *,
        per_route: bool = True,
    ) -> Certificate:
        """Set thresholds at which P(wrong | accepted) <= `alpha` is shown on labelled queries.

        They hold until `fit`, `build_index`, or a change of routes in more than metadata and tags.
        Where nothing can be shown, the router stays as it is, and the certificate says how many
        more labels are needed.

        Parameters
        ----------
        alpha : float, in (0, 1)
            Largest share of wrong answers among the accepted.
        delta : float, in (0, 1)
            Probability with which the guarantee may fail.
        queries : sequence of str
            Query texts such as users write, none of which the router was built or fitted on.
        labels : sequence of str or None
            Right route of each query; None where no route is right.
        embeddings : array_like, shape (n, d), optional
            Vectors of the queries; None encodes the texts.
        per_route : bool, optional
            Whether routes with enough labels get thresholds of their own.

        Returns
        -------
        Certificate
            Thresholds, coverage, bound, and what is guaranteed.

        Raises
        ------
        InvalidInputError
            If queries and labels differ in number, or there are none.
        """
        from stratarouter.thresholds import certify_router

        texts = checked_queries(queries)
        with self._registry.lock:
            snapshot, matrix = self._prepared(texts, embeddings)
            results = list(decide_batch(snapshot, texts, matrix, 1))
            certified, certificate = certify_router(
                snapshot, results, labels, alpha=alpha, delta=delta, per_route=per_route
            )
            if certificate.holds:
                self._registry.adopt(certified)
        return certificate

    def evaluate(
        self,
        queries: Sequence[str],
        labels: Sequence[str | None],
        embeddings: Any | None = None,
    ) -> EvaluationReport:
        """Route labelled queries and report how well that went.

        Parameters
        ----------
        queries : sequence of str
            Query texts, none of which the router was fitted to.
        labels : sequence of str or None
            Right route of each query; None where no route is right.
        embeddings : array_like, shape (n, d), optional
            Vectors of the queries; None encodes the texts.

        Returns
        -------
        EvaluationReport
            Accuracy, coverage, calibration, out-of-scope figures, confusions, worst mistakes.

        Raises
        ------
        InvalidInputError
            If queries and labels differ in number, or there are none.
        RouteNotFoundError
            If a label is no registered route.
        """
        from stratarouter.evaluation import evaluate
        from stratarouter.fitting import check_labels

        texts = checked_queries(queries)
        snapshot, matrix = self._prepared(texts, embeddings)
        check_labels(snapshot, len(texts), labels)
        results = []
        for text, vector in zip(texts, matrix, strict=True):
            started = perf_counter()
            result = decide(snapshot, text, vector, 1)
            result.latency_ms = (perf_counter() - started) * 1e3
            results.append(result)
        return evaluate(results, labels, known=snapshot.positions)

    def _prepared(self, texts: list[str], embeddings: Any | None) -> tuple[Snapshot, FloatArray]:
        registry = self._registry
        snapshot = registry.snapshot
        if snapshot is None:
            snapshot = registry.ready(has_embedding=embeddings is not None)
        if embeddings is None:
            return snapshot, registry.encoder_for(snapshot).encode(texts)
        if not texts:
            return snapshot, np.empty((0, snapshot.dimension), dtype=np.float32)
        matrix = owned(as_unit_rows(embeddings, dimension=snapshot.dimension), embeddings)
        if len(matrix) != len(texts):
            raise InvalidInputError(f"need {len(texts)} vectors, one per query, got {len(matrix)}")
        return snapshot, matrix
