"""From scores to a probability.

The log-odds that a pick is right are those of its total against the other routes, less a penalty
where the query is untypically unlike the route. The first says whether the pick is better than the
others, the second whether the query belongs here at all: without it, out-of-scope queries that lean
to one side look certain. An isotonic curve then bends the sum to probabilities.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from stratarouter.algorithms.isotonic import isotonic_blocks
from stratarouter.algorithms.logistic import fit_logistic, sigmoid
from stratarouter.errors import CorruptSaveError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter.crossfit import Outcome
    from stratarouter.types import FloatArray

__all__ = [
    "MIN_OUTCOMES",
    "MIN_OUTCOMES_ISOTONIC",
    "PRIOR",
    "ConfidenceMap",
    "ConfidenceSource",
    "OutcomeSample",
    "fit_override",
    "fit_to_examples",
    "fit_to_labels",
    "outcome_sample",
]

ConfidenceSource: TypeAlias = Literal["prior", "examples", "queries"]
"""Where a confidence comes from: nothing fitted, the routes' own examples, labelled queries."""

MIN_OUTCOMES = 30
"""Below this many outcomes nothing is fitted."""
MIN_OUTCOMES_ISOTONIC = 200
"""Below this many labelled queries the straight line is kept: a curve would follow noise."""

_TAIL = 0.2
# How firmly the starting line is believed when labelled queries speak: intercept, slope, tail.
_LINE_PRECISION = np.array([1.0, 4.0, 0.25])
# At this many outcomes, what happened counts as much as what the shares of the totals say.
_EQUAL_TRUST = 2_000
_LARGEST_LOG_ODDS = 30.0
_SMALLEST_LEVEL = 1e-4
_MOST_KNOTS = 64
_SMALLEST_SPREAD = 0.02
_OVERRIDE_PRIOR_STRENGTH = 20.0
# The normal distribution function is the logistic one at 1.702 times the argument, within 0.01.
_NORMAL_TO_LOGISTIC = 1.702


@dataclass(frozen=True, slots=True)
class ConfidenceMap:
    """Turns the log-odds and the similarity of a pick into the probability that it is right."""

    source: ConfidenceSource = "prior"
    """Where the numbers come from."""
    intercept: float = 0.0
    """Added to the log-odds."""
    slope: float = 1.0
    """Multiplies the log-odds."""
    tail: float = 4.0
    """Penalty per nat that the similarity is below its lower tail."""
    similarity_mean: float = 0.0
    """Mean similarity of right picks."""
    similarity_spread: float = math.inf
    """Their standard deviation; infinite: no similarity is untypical."""
    knots: tuple[float, ...] = ()
    """Log-odds at which the curve is known, ascending; empty: a straight line."""
    levels: tuple[float, ...] = ()
    """Log-odds of the curve there, ascending."""
    override: float = 0.99
    """Probability that a route is right whose overriding pattern matched."""

    @property
    def calibrated(self) -> bool:
        """Whether the numbers were fitted to data."""
        return self.source != "prior"

    def confidence(self, log_odds: float, similarity: float) -> float:
        """Return the probability that a pick is right.

        Parameters
        ----------
        log_odds : float
            Its log-odds against the other routes.
        similarity : float, in [-1, 1]
            Similarity of the query to it.

        Returns
        -------
        float, in (0, 1)
            Probability, never 0 or 1; continuous and rising in both arguments.
        """
        z = self.intercept + self.slope * log_odds + self.tail * self._shortfall(similarity)
        z = max(-_LARGEST_LOG_ODDS, min(_LARGEST_LOG_ODDS, self._bent(z)))
        return 1.0 / (1.0 + math.exp(-z))

    def confidences(self, sample: OutcomeSample) -> FloatArray:
        """Return the probability for many picks.

        Parameters
        ----------
        sample : OutcomeSample
            The picks.

        Returns
        -------
        FloatArray, shape (n,), in (0, 1)
            What `confidence` returns for each.
        """
        z = self.intercept + self.slope * sample.log_odds
        if self.similarity_spread != math.inf:
            z = z + self.tail * _shortfalls(self, sample.similarity)
        if self.knots:
            knots = np.array(self.knots)
            # Beyond the last knots the curve goes on with the slope of 1.
            z = np.interp(z, knots, self.levels) + (z - np.clip(z, knots[0], knots[-1]))
        return sigmoid(np.clip(z, -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data; infinity is written as None.

        Returns
        -------
        dict
            Fields by name.
        """
        fields = {name: getattr(self, name) for name in self.__slots__}
        if self.similarity_spread == math.inf:
            fields["similarity_spread"] = None
        return {**fields, "knots": list(self.knots), "levels": list(self.levels)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ConfidenceMap:
        """Rebuild a map from `to_dict`.

        Parameters
        ----------
        data : dict
            Fields by name.

        Returns
        -------
        ConfidenceMap
            An equal map.

        Raises
        ------
        CorruptSaveError
            If fields are missing, unknown or of the wrong type.
        """
        try:
            spread = data["similarity_spread"]
            numbers = {
                name: float(data[name])
                for name in ("intercept", "slope", "tail", "similarity_mean", "override")
            }
            saved = cls(
                source=data["source"],
                similarity_spread=math.inf if spread is None else float(spread),
                knots=tuple(map(float, data["knots"])),
                levels=tuple(map(float, data["levels"])),
                **numbers,
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise CorruptSaveError(f"the saved confidence is not usable: {error!r}") from error
        if len(data) != len(cls.__slots__) or not saved._is_usable():
            raise CorruptSaveError("the saved confidence is not usable: its numbers do not fit")
        return saved

    def _is_usable(self) -> bool:
        finite = (self.intercept, self.slope, self.tail, self.similarity_mean)
        return (
            str(self.source) in {"prior", "examples", "queries"}
            and all(map(math.isfinite, (*finite, *self.knots, *self.levels)))
            and min(self.slope, self.tail) >= 0.0
            and self.similarity_spread > 0.0
            and 0.0 < self.override < 1.0
            and len(self.knots) == len(self.levels)
            and all(a < b for a, b in pairwise(self.knots))
            and all(a <= b for a, b in pairwise(self.levels))
        )

    def _shortfall(self, similarity: float) -> float:
        if self.similarity_spread == math.inf:
            return 0.0
        u = _NORMAL_TO_LOGISTIC * (similarity - self.similarity_mean) / self.similarity_spread
        log_share = -math.log1p(math.exp(-u)) if u > 0.0 else u - math.log1p(math.exp(u))
        return min(0.0, log_share - math.log(_TAIL))

    def _bent(self, z: float) -> float:
        knots, levels = self.knots, self.levels
        if not knots:
            return z
        place = bisect_right(knots, z)
        if place == 0:
            return levels[0] + z - knots[0]
        if place == len(knots):
            return levels[-1] + z - knots[-1]
        left, right = knots[place - 1], knots[place]
        share = (z - left) / (right - left)
        return levels[place - 1] + share * (levels[place] - levels[place - 1])


PRIOR = ConfidenceMap(
    similarity_mean=0.35, similarity_spread=0.12, knots=(0.0, 3.0, 30.0), levels=(0.0, 2.0, 4.0)
)
"""What is believed before anything is fitted: the shares of the totals, bent towards even odds.

With few routes the shares are far from even, and what was never checked must not look certain.
Similarities are taken to be what they are for short English texts, which keeps a query that is like
no route at all from being sure of the best of two.
"""


@dataclass(frozen=True, slots=True)
class OutcomeSample:
    """What a confidence depends on, and whether the picks were right."""

    log_odds: FloatArray
    """Log-odds of each pick, shape (n,)."""
    similarity: FloatArray
    """Similarity of each query to its pick, shape (n,)."""
    correct: FloatArray
    """1 where the pick was right, else 0, shape (n,)."""


def outcome_sample(outcomes: Sequence[Outcome]) -> OutcomeSample:
    """Take from outcomes what the confidence depends on.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Routed queries with their right routes.

    Returns
    -------
    OutcomeSample
        In the same order.
    """
    leaders = [outcome.scored.leader() for outcome in outcomes]
    pairs = list(zip(outcomes, leaders, strict=True))
    return OutcomeSample(
        np.array([outcome.scored.log_odds(leader) for outcome, leader in pairs]),
        np.array([outcome.scored.similarity(leader) for outcome, leader in pairs]),
        np.array([float(outcome.correct) for outcome in outcomes]),
    )


def fit_to_examples(sample: OutcomeSample) -> ConfidenceMap:
    """Fit a map to cross-fitted outcomes of the routes' own examples.

    They hold nothing that is out of scope, so the weight of the penalty is fixed: left free, it
    would vanish. The curve is fitted to a mixture of what happened and what the shares of the
    totals say, which are calibrated among routes by themselves and carry no noise of single
    outcomes; the more outcomes there are, the more these count.

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
    trust = n / (n + _EQUAL_TRUST)
    targets = trust * sample.correct + (1.0 - trust) * sigmoid(sample.log_odds)
    return _curved(line, sample, targets, pseudo_outcomes=0.0)


def fit_to_labels(sample: OutcomeSample, start: ConfidenceMap) -> ConfidenceMap:
    """Fit a map to labelled queries, some of which may be out of scope.

    Parameters
    ----------
    sample : OutcomeSample
        Outcomes; a pick for an out-of-scope query is wrong.
    start : ConfidenceMap
        The map of the last build; it also keeps what is typical, where it knows.

    Returns
    -------
    ConfidenceMap
        The fitted map, or `start` below `MIN_OUTCOMES` outcomes.
    """
    n = len(sample.correct)
    if n < MIN_OUTCOMES:
        return start
    line = replace(start, source="queries", knots=(), levels=())
    if start.source == "prior":
        line = _typical(line, sample)
    design = np.column_stack([np.ones(n), sample.log_odds, _shortfalls(line, sample.similarity)])
    intercept, slope, tail = fit_logistic(
        design,
        sample.correct,
        prior_mean=np.array([start.intercept, start.slope, start.tail]),
        prior_precision=_LINE_PRECISION,
    ).tolist()
    # More evidence or likeness can never speak against a pick.
    line = replace(line, intercept=intercept, slope=max(slope, 0.01), tail=max(tail, 0.0))
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


def _shortfalls(line: ConfidenceMap, similarity: FloatArray) -> FloatArray:
    centred = (similarity - line.similarity_mean) / line.similarity_spread
    log_share = -np.logaddexp(0.0, -_NORMAL_TO_LOGISTIC * centred)
    shortfalls: FloatArray = np.minimum(0.0, log_share - math.log(_TAIL))
    return shortfalls


def _curved(
    line: ConfidenceMap, sample: OutcomeSample, targets: FloatArray, *, pseudo_outcomes: float
) -> ConfidenceMap:
    z = (
        line.intercept
        + line.slope * sample.log_odds
        + line.tail * _shortfalls(line, sample.similarity)
    )
    centres, values, sizes = _merged(*isotonic_blocks(z, targets))
    # Pseudo-outcomes keep a short run of right picks from becoming a certainty.
    shrunk = (values * sizes + pseudo_outcomes * sigmoid(centres)) / (sizes + pseudo_outcomes)
    bounded = np.clip(shrunk, _SMALLEST_LEVEL, 1.0 - _SMALLEST_LEVEL)
    rising = np.maximum.accumulate(bounded)
    kept = np.diff(rising, prepend=-1.0) > 1e-9
    levels = np.log(rising[kept]) - np.log1p(-rising[kept])
    return replace(line, knots=tuple(centres[kept].tolist()), levels=tuple(levels.tolist()))


def _merged(
    centres: FloatArray, values: FloatArray, sizes: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Join neighbouring steps until at most `_MOST_KNOTS` of about equal size are left."""
    if len(sizes) <= _MOST_KNOTS:
        return centres, values, sizes
    share = (np.cumsum(sizes) - 0.5 * sizes) / sizes.sum()
    _, group = np.unique((share * _MOST_KNOTS).astype(int), return_inverse=True)
    joined: FloatArray = np.bincount(group, weights=sizes).astype(float)
    return (
        np.bincount(group, weights=centres * sizes) / joined,
        np.bincount(group, weights=values * sizes) / joined,
        joined,
    )
