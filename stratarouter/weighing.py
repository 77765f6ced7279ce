"""Learning the weights of the scores from outcomes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.algorithms.stacking import fit_choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter.algorithms.fusion import FusionWeights
    from stratarouter.crossfit import Outcome
    from stratarouter.types import FloatArray, IntArray

__all__ = ["MIN_OUTCOMES", "learn_sharpness", "learn_weights", "log_losses"]

MIN_OUTCOMES = 30
"""Below this many outcomes nothing is learned."""

# How firmly the starting weights are believed: standard deviations of 5 for cosines and keywords,
# 20 for the head, whose scale depends on the data, and 2 for the residual.
_PRECISION = np.array([0.0025, 0.04, 0.04, 0.04, 0.25])
_SHARPNESS_PRECISION = np.array([0.01, 0.25])


def learn_weights(outcomes: Sequence[Outcome], start: FusionWeights) -> FusionWeights:
    """Find the weights under which the right routes get the largest shares.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Queries with their right routes; those of no route are passed over.
    start : FusionWeights
        What is believed beforehand; a weight of 0 for the head leaves the head out.

    Returns
    -------
    FusionWeights
        Learned weights and sharpness; `start` if there are fewer than `MIN_OUTCOMES` outcomes.
    """
    inside = [outcome for outcome in outcomes if outcome.target is not None]
    if len(inside) < MIN_OUTCOMES:
        return start
    features, chosen = _alternatives(inside, start)
    used = np.array([start.head > 0.0, True, True, True, True])
    mean = np.append(start.sharpness * _components(start), start.residual)
    fitted = np.zeros(5)
    fitted[used] = fit_choice(
        features[:, :, used],
        chosen,
        prior_mean=mean[used],
        prior_precision=_PRECISION[used],
        n_signed=1,
    )
    sharpness = float(fitted[:4].sum())
    if sharpness <= 0.0:
        return start
    head, nearest, prototype, keyword = (fitted[:4] / sharpness).tolist()
    return replace(
        start,
        head=head,
        nearest=nearest,
        prototype=prototype,
        keyword=keyword,
        sharpness=sharpness,
        residual=float(fitted[4]),
    )


def learn_sharpness(outcomes: Sequence[Outcome], start: FusionWeights) -> FusionWeights:
    """Keep the weights and find only how sharply they decide.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Queries with their right routes; those of no route are passed over.
    start : FusionWeights
        Weights that somebody chose on purpose.

    Returns
    -------
    FusionWeights
        The same weights; `start` if there are fewer than `MIN_OUTCOMES` outcomes.
    """
    inside = [outcome for outcome in outcomes if outcome.target is not None]
    if len(inside) < MIN_OUTCOMES:
        return start
    features, chosen = _alternatives(inside, start)
    totals = np.stack([features[:, :, :4] @ _components(start), features[:, :, 4]], axis=2)
    sharpness, residual = fit_choice(
        totals,
        chosen,
        prior_mean=np.array([start.sharpness, start.residual]),
        prior_precision=_SHARPNESS_PRECISION,
        n_signed=1,
    ).tolist()
    return replace(start, sharpness=max(sharpness, 1.0), residual=residual)


def log_losses(outcomes: Sequence[Outcome], weights: FusionWeights) -> FloatArray:
    """Return the negative log share of each right route.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Queries with their right routes; those of no route are passed over.
    weights : FusionWeights
        Weights to judge.

    Returns
    -------
    FloatArray, shape (n,), >= 0
        Nats per query with a route.
    """
    inside = [outcome for outcome in outcomes if outcome.target is not None]
    if not inside:
        return np.zeros(0)
    features, chosen = _alternatives(inside, weights)
    z = features @ np.append(weights.sharpness * _components(weights), weights.residual)
    z -= z.max(axis=1, keepdims=True)
    right = np.take_along_axis(z, chosen[:, None], axis=1)[:, 0]
    losses: FloatArray = np.log(np.exp(z).sum(axis=1)) - right
    return losses


def _components(weights: FusionWeights) -> FloatArray:
    return np.array([weights.head, weights.nearest, weights.prototype, weights.keyword])


def _alternatives(
    outcomes: Sequence[Outcome], weights: FusionWeights
) -> tuple[FloatArray, IntArray]:
    """Return the features of all alternatives, shape (n, a, 5), and which one was right.

    The last alternative stands for all routes that are no candidates, by the weakest candidate; its
    last feature is 1.
    """
    complete = outcomes[0].scored.complete
    own = _components(weights)
    features: list[FloatArray] = []
    chosen: list[int] = []
    for outcome in outcomes:
        scored = outcome.scored
        parts = np.column_stack([scored.components(), np.zeros(len(scored.routes))])
        place = np.flatnonzero(scored.routes == outcome.target)
        if not complete:
            weakest = parts[int((parts[:, :4] @ own).argmin())].copy()
            weakest[4] = 1.0
            parts = np.vstack([parts, weakest])
        features.append(parts)
        chosen.append(int(place[0]) if place.size else len(parts) - 1)
    return np.stack(features), np.array(chosen)
