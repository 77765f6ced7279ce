"""Putting a certificate into force."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.building import thresholds_of
from stratarouter.certifying import Certificate, certify
from stratarouter.fitting import check_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter.snapshot import Snapshot
    from stratarouter.types import RouteResult

__all__ = ["certify_router", "uncertified"]


def certify_router(
    snapshot: Snapshot,
    results: Sequence[RouteResult],
    labels: Sequence[str | None],
    *,
    alpha: float,
    delta: float,
    per_route: bool = True,
) -> tuple[Snapshot, Certificate]:
    """Certify a router on labelled queries and set the thresholds that follow.

    Parameters
    ----------
    snapshot : Snapshot
        Built router.
    results : sequence of RouteResult
        Its answers to the queries.
    labels : sequence of str or None
        Right route of each query; None for out of scope.
    alpha : float, in (0, 1)
        Largest share of wrong answers among the accepted.
    delta : float, in (0, 1)
        Probability with which the guarantee may fail.
    per_route : bool, optional
        Whether routes with enough labels get thresholds of their own.

    Returns
    -------
    certified : Snapshot
        The next snapshot.
    certificate : Certificate
        What is guaranteed.

    Raises
    ------
    InvalidInputError
        If the number of labels is wrong.
    RouteNotFoundError
        If a label is no route.
    """
    check_labels(snapshot, len(results), labels)
    picks = [
        result.alternatives[0].route_id if not result.matched else str(result.route_id)
        for result in results
    ]
    certificate = certify(
        np.array([result.confidence for result in results]),
        np.array([pick == label for pick, label in zip(picks, labels, strict=True)]),
        picks,
        alpha=alpha,
        delta=delta,
        per_route=per_route,
    )
    thresholds = tuple(certificate.threshold_of(route.id) for route in snapshot.routes)
    certified = replace(snapshot, thresholds=thresholds, version=snapshot.version + 1)
    return certified, certificate


def uncertified(snapshot: Snapshot) -> Snapshot:
    """Return to the thresholds of routes and settings.

    Parameters
    ----------
    snapshot : Snapshot
        A router whose confidence has changed, so that no certificate applies to it.

    Returns
    -------
    Snapshot
        The same router without certified thresholds.
    """
    return replace(snapshot, thresholds=thresholds_of(snapshot.routes, snapshot.config))
