"""Fitting the confidence: to the routes' own examples, or to labelled queries."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.algorithms.isotonic import isotonic_blocks, thinned
from stratarouter.algorithms.logistic import fit_logistic, sigmoid
from stratarouter.algorithms.offsets import fit_offsets
from stratarouter.calibration import PRIOR

if TYPE_CHECKING:
    from stratarouter.calibration import ConfidenceMap, OutcomeSample
    from stratarouter.types import FloatArray

__all__ = [
    "MIN_OUTCOMES",
    "MIN_OUTCOMES_ISOTONIC",
    "MIN_OUTCOMES_PER_ROUTE",
    "fit_override",
    "fit_to_examples",
    "fit_to_labels",
]

MIN_OUTCOMES = 30
"""Below this many outcomes nothing is fitted."""
MIN_OUTCOMES_ISOTONIC = 200
"""Below this many labelled queries the straight line is kept: a curve would follow noise."""
MIN_OUTCOMES_PER_ROUTE = 20
"""Below this many labelled queries that picked a route, it is taken to be like the others."""

# How firmly the starting line is believed when labelled queries speak: intercept, slope, tail.
_LINE_PRECISION = np.array([1.0, 4.0, 0.25])
# How firmly the shares of the totals are believed to be calibrated: standard deviations of 0.2 for
# the shift and the stretch of their log-odds.
_SHARE_PRECISION = np.array([25.0, 25.0])
_LEAST_SLOPE = 0.01
_SMALLEST_LEVEL = 1e-4
# A curve may be this far, in log-odds, from the one that was fitted: a quarter of a per cent of
# probability at most.
_THINNING = 0.01
_SMALLEST_SPREAD = 0.02
_OVERRIDE_PRIOR_STRENGTH = 20.0


def fit_to_examples(sample: OutcomeSample) -> ConfidenceMap:
    """Fit a map to cross-fitted outcomes of the routes' own examples.

    They hold nothing that is out of scope, so the weight of the penalty is fixed: left free, it
    would vanish. The shares of the totals are nearly calibrated among routes by themselves and
    carry no noise of single outcomes, so an isotonic curve is fitted to them; what happened then
    only shifts and stretches its log-odds, by two numbers that few outcomes suffice for.

    Parameters
    ----------
    sample : OutcomeSample
        Outcomes.

    Returns
    -------
    ConfidenceMap
        The fitted map, or the prior below `MIN_OUTCOMES` outcomes.
    """
    n = len(sample.correct)
    if n < MIN_OUTCOMES:
        return PRIOR
    line = _typical(replace(PRIOR, source="examples", knots=(), levels=()), sample)
    shape = _curved(line, sample, sigmoid(sample.log_odds), pseudo_outcomes=0.0)
    shares = _stated_log_odds(shape, sample)
    shift, stretch = fit_logistic(
        np.column_stack([np.ones(n), shares]),
        sample.correct,
        prior_mean=np.array([0.0, 1.0]),
        prior_precision=_SHARE_PRECISION,
    ).tolist()
    levels = shift + max(stretch, _LEAST_SLOPE) * np.array(shape.levels)
    return replace(shape, levels=tuple(levels.tolist()))


def fit_to_labels(sample: OutcomeSample, start: ConfidenceMap, n_routes: int = 0) -> ConfidenceMap:
    """Fit a map to labelled queries, some of which may be out of scope.

    Routes that were picked often enough get an offset of their own, shrunk towards none, if the
    picks show that routes differ (see `fit_offsets`).

    Parameters
    ----------
    sample : OutcomeSample
        Outcomes; a pick for an out-of-scope query is wrong.
    start : ConfidenceMap
        The map of the last build; it also keeps what is typical, where it knows.
    n_routes : int, >= 0
        Number of routes that the sample tells apart; 0 fits no offsets.

    Returns
    -------
    ConfidenceMap
        The fitted map, or `start` below `MIN_OUTCOMES` outcomes.
    """
    if len(sample.correct) < MIN_OUTCOMES:
        return start
    pooled = _pooled(sample, replace(start, offsets=()))
    if sample.routes is None or not n_routes:
        return pooled
    offsets = fit_offsets(
        _stated_log_odds(pooled, sample),
        sample.correct,
        sample.routes,
        n_groups=n_routes,
        least=MIN_OUTCOMES_PER_ROUTE,
    )
    return replace(pooled, offsets=tuple(offsets.tolist())) if offsets.any() else pooled


def _pooled(sample: OutcomeSample, start: ConfidenceMap) -> ConfidenceMap:
    n = len(sample.correct)
    line = replace(start, source="queries", knots=(), levels=())
    if start.source == "prior":
        line = _typical(line, sample)
    design = np.column_stack([np.ones(n), sample.log_odds, line.shortfalls(sample.similarity)])
    intercept, slope, tail = fit_logistic(
        design,
        sample.correct,
        prior_mean=np.array([start.intercept, start.slope, start.tail]),
        prior_precision=_LINE_PRECISION,
    ).tolist()
    # More evidence or likeness can never speak against a pick.
    line = replace(line, intercept=intercept, slope=max(slope, _LEAST_SLOPE), tail=max(tail, 0.0))
    # Picks that are all right or all wrong show no curve.
    if n < MIN_OUTCOMES_ISOTONIC or sample.correct.min() == sample.correct.max():
        return line
    return _curved(line, sample, sample.correct, pseudo_outcomes=2.0)


def fit_override(confidence: ConfidenceMap, n_right: int, n: int) -> ConfidenceMap:
    """Adjust the probability of overriding patterns to what was observed.

    Parameters
    ----------
    confidence : ConfidenceMap
        Map to adjust.
    n_right : int
        How many overrides were right.
    n : int
        How many overrides there were.

    Returns
    -------
    ConfidenceMap
        Map whose `override` is the mean of a beta distribution that starts at the old value.
    """
    strength = _OVERRIDE_PRIOR_STRENGTH
    share = (n_right + strength * confidence.override) / (n + strength)
    return replace(confidence, override=share)


def _typical(line: ConfidenceMap, sample: OutcomeSample) -> ConfidenceMap:
    # Wrong picks include out-of-scope queries, which must not define what is typical.
    right = sample.similarity[sample.correct > 0.5]
    known = right if len(right) >= MIN_OUTCOMES else sample.similarity
    return replace(
        line,
        similarity_mean=float(known.mean()),
        similarity_spread=max(float(known.std()), _SMALLEST_SPREAD),
    )


def _stated_log_odds(confidence: ConfidenceMap, sample: OutcomeSample) -> FloatArray:
    stated = confidence.confidences(sample)
    log_odds: FloatArray = np.log(stated) - np.log1p(-stated)
    return log_odds


def _straight(line: ConfidenceMap, sample: OutcomeSample) -> FloatArray:
    """Return the log-odds before the curve bends them."""
    straight: FloatArray = (
        line.intercept
        + line.slope * sample.log_odds
        + line.tail * line.shortfalls(sample.similarity)
    )
    return straight


def _curved(
    line: ConfidenceMap, sample: OutcomeSample, targets: FloatArray, *, pseudo_outcomes: float
) -> ConfidenceMap:
    centres, values, sizes = isotonic_blocks(_straight(line, sample), targets)
    # Pseudo-outcomes keep a short run of right picks from becoming a certainty.
    shrunk = (values * sizes + pseudo_outcomes * sigmoid(centres)) / (sizes + pseudo_outcomes)
    bounded = np.clip(shrunk, _SMALLEST_LEVEL, 1.0 - _SMALLEST_LEVEL)
    rising = np.maximum.accumulate(bounded)
    kept = np.diff(rising, prepend=-1.0) > 1e-9
    levels = np.log(rising[kept]) - np.log1p(-rising[kept])
    places = thinned(centres[kept], levels, _THINNING)
    return replace(
        line,
        knots=tuple(centres[kept][places].tolist()),
        levels=tuple(levels[places].tolist()),
    )
