"""From scores to a probability.

The log-odds that a pick is right are linear in its margin, its semantic score and a penalty for
totals that are untypically low; isotonic regression then bends them to the observed frequencies.
The margin says whether the pick is better than the others, the penalty whether the query belongs
here at all: without it, out-of-scope queries with a lucky margin look certain.
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
    from collections.abc import Mapping

    from stratarouter.crossfit import OutcomeSample
    from stratarouter.types import FloatArray

__all__ = [
    "MIN_OUTCOMES",
    "MIN_OUTCOMES_ISOTONIC",
    "PRIOR",
    "ConfidenceMap",
    "ConfidenceSource",
    "fit_confidence",
    "fit_override",
]

ConfidenceSource: TypeAlias = Literal["prior", "examples", "queries"]
"""Where a confidence comes from: nothing fitted, the routes' own examples, labelled queries."""

MIN_OUTCOMES = 30
"""Below this many outcomes nothing is fitted."""
MIN_OUTCOMES_ISOTONIC = 200
"""Below this many outcomes the straight line is kept: isotonic regression would follow noise."""

_TAIL = 0.1
# How firmly the starting coefficients are believed: intercept, margin, semantic, tail. The routes'
# own examples hold nothing that is out of scope, so they cannot teach the weight of the tail: left
# free, it would vanish, and out-of-scope queries with a lucky margin would look certain.
_PRECISION: Mapping[ConfidenceSource, tuple[float, ...]] = {
    "examples": (1.0, 0.04, 0.25, 1e9),
    "queries": (1.0, 0.04, 0.25, 0.25),
}
_LARGEST_LOG_ODDS = 30.0
_SMALLEST_SPREAD = 0.02
_OVERRIDE_PRIOR_STRENGTH = 20.0
# The normal distribution function is the logistic one at 1.702 times the argument, within 0.01.
_NORMAL_TO_LOGISTIC = 1.702


@dataclass(frozen=True, slots=True)
class ConfidenceMap:
    """Turns the features of a pick into the probability that it is right; immutable."""

    source: ConfidenceSource = "prior"
    """Where the numbers come from."""
    intercept: float = -1.4
    """Log-odds at margin 0 and semantic score 0."""
    margin: float = 18.0
    """Log-odds per unit of margin."""
    semantic: float = 1.0
    """Log-odds per unit of semantic score."""
    tail: float = 2.0
    """Log-odds per nat that the total is below its lower tail."""
    total_mean: float = 0.0
    """Mean total of the outcomes that were fitted."""
    total_spread: float = math.inf
    """Their standard deviation; infinite: no total is untypical."""
    knots: tuple[float, ...] = ()
    """Log-odds at which the isotonic curve is known, ascending; empty: a straight line."""
    levels: tuple[float, ...] = ()
    """Log-odds of the curve there, ascending."""
    override: float = 0.99
    """Probability that a route is right whose overriding pattern matched."""

    @property
    def calibrated(self) -> bool:
        """Whether the numbers were fitted to data."""
        return self.source != "prior"

    def confidence(self, total: float, margin: float, semantic: float) -> float:
        """Return the probability that a pick is right.

        Parameters
        ----------
        total : float, in [0, 1]
            Its total.
        margin : float, in [-1, 1]
            Its lead over the best of the others.
        semantic : float, in [0, 1]
            Its semantic score.

        Returns
        -------
        float, in (0, 1)
            Probability, never 0 or 1; continuous in all arguments.
        """
        z = self.intercept + self.margin * margin + self.semantic * semantic
        if self.total_spread != math.inf:
            u = _NORMAL_TO_LOGISTIC * (total - self.total_mean) / self.total_spread
            shortfall = _log_sigmoid(u) - math.log(_TAIL)
            if shortfall < 0.0:
                z += self.tail * shortfall
        z = max(-_LARGEST_LOG_ODDS, min(_LARGEST_LOG_ODDS, self._bent(z)))
        return 1.0 / (1.0 + math.exp(-z))

    def confidences(self, features: FloatArray) -> FloatArray:
        """Return the probability for many picks.

        Parameters
        ----------
        features : FloatArray, shape (n, 3)
            (total, margin, semantic) of each pick.

        Returns
        -------
        FloatArray, shape (n,), in (0, 1)
            Probabilities.
        """
        return np.array([self.confidence(*row) for row in features.tolist()])

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data; infinity is written as None.

        Returns
        -------
        dict
            Fields by name.
        """
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields["total_spread"] = None if self.total_spread == math.inf else self.total_spread
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
            spread = data["total_spread"]
            numbers = {
                name: float(data[name])
                for name in ("intercept", "margin", "semantic", "tail", "total_mean", "override")
            }
            saved = cls(
                source=data["source"],
                total_spread=math.inf if spread is None else float(spread),
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
        finite = (self.intercept, self.margin, self.semantic, self.tail, self.total_mean)
        return (
            str(self.source) in {"prior", "examples", "queries"}
            and all(map(math.isfinite, (*finite, *self.knots, *self.levels)))
            and min(self.margin, self.semantic, self.tail) >= 0.0
            and self.total_spread > 0.0
            and 0.0 < self.override < 1.0
            and len(self.knots) == len(self.levels)
            and all(a < b for a, b in pairwise(self.knots))
            and all(a <= b for a, b in pairwise(self.levels))
        )

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


PRIOR = ConfidenceMap(knots=(0.0, 3.0, 30.0), levels=(0.0, 2.0, 4.0))
"""What is believed before anything is fitted.

Logistic regression pooled over BANKING77 and CLINC150 with 1 to 3 examples per route and MiniLM
embeddings, rounded; then bent towards even odds, because with few routes margins are far larger
than there, and what was never checked must not look certain: no probability exceeds 0.96."""


def fit_confidence(
    sample: OutcomeSample, source: ConfidenceSource, *, start: ConfidenceMap = PRIOR
) -> ConfidenceMap:
    """Fit a map to outcomes.

    The coefficients are the most probable ones under a normal prior around those of `start`, so few
    outcomes change little. From `MIN_OUTCOMES_ISOTONIC` outcomes on, an isotonic curve follows,
    each of its steps shrunk by two pseudo-outcomes towards the straight line and joined linearly.

    Parameters
    ----------
    sample : OutcomeSample
        Features and outcomes.
    source : {"examples", "queries"}
        Where the outcomes come from.
    start : ConfidenceMap, optional
        What is believed beforehand; it also keeps what is typical, where it knows.

    Returns
    -------
    ConfidenceMap
        The fitted map, or `start` if there are fewer than `MIN_OUTCOMES` outcomes.
    """
    if len(sample.correct) < MIN_OUTCOMES:
        return start
    typical = start
    if start.total_spread == math.inf:
        # Wrong picks include out-of-scope queries, which must not define what is typical.
        right = sample.features[sample.correct > 0.5, 0]
        totals = right if len(right) >= MIN_OUTCOMES else sample.features[:, 0]
        typical = replace(
            start,
            total_mean=float(totals.mean()),
            total_spread=max(float(totals.std()), _SMALLEST_SPREAD),
        )
    design = _design(sample.features, typical)
    prior = np.array([start.intercept, start.margin, start.semantic, start.tail])
    weights = fit_logistic(
        design, sample.correct, prior_mean=prior, prior_precision=np.array(_PRECISION[source])
    ).tolist()
    # More margin, similarity or typicality can never speak against a pick.
    intercept, margin, semantic, tail = weights[0], *(max(weight, 0.0) for weight in weights[1:])
    line = replace(
        typical,
        source=source,
        intercept=intercept,
        margin=margin,
        semantic=semantic,
        tail=tail,
        knots=(),
        levels=(),
    )
    if len(sample.correct) < MIN_OUTCOMES_ISOTONIC:
        return line
    z = design @ np.array([intercept, margin, semantic, tail])
    knots, levels = _isotonic_curve(z, sample.correct)
    return replace(line, knots=knots, levels=levels)


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


def _design(features: FloatArray, typical: ConfidenceMap) -> FloatArray:
    u = _NORMAL_TO_LOGISTIC * (features[:, 0] - typical.total_mean) / typical.total_spread
    shortfall = np.minimum(0.0, -np.logaddexp(0.0, -u) - math.log(_TAIL))
    return np.column_stack([np.ones(len(features)), features[:, 1], features[:, 2], shortfall])


def _isotonic_curve(
    z: FloatArray, correct: FloatArray
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    centres, values, sizes = isotonic_blocks(z, correct)
    # Right and wrong are counted apart: a share within rounding of 0 or 1 would have no log-odds.
    expected = np.clip(centres, -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS)
    right = values * sizes + 2.0 * sigmoid(expected)
    wrong = (1.0 - values) * sizes + 2.0 * sigmoid(-expected)
    rising = np.maximum.accumulate(np.log(right) - np.log(wrong))
    kept = np.diff(rising, prepend=-np.inf) > 1e-9
    return tuple(centres[kept].tolist()), tuple(rising[kept].tolist())


def _log_sigmoid(u: float) -> float:
    return -math.log1p(math.exp(-u)) if u > 0.0 else u - math.log1p(math.exp(u))
