"""From scores to a probability.

The log-odds that a pick is right are those of its total against the other routes, less a penalty
where the query is untypically unlike the route. The first says whether the pick is better than the
others, the second whether the query belongs here at all: without it, out-of-scope queries that lean
to one side look certain. A rising curve then bends the sum to probabilities, and routes that turned
out to be right more or less often than that have an offset of their own.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from stratarouter.algorithms.logistic import sigmoid
from stratarouter.errors import CorruptSaveError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter.crossfit import Outcome
    from stratarouter.types import FloatArray, IntArray

__all__ = [
    "PRIOR",
    "ConfidenceMap",
    "ConfidenceSource",
    "OutcomeSample",
    "outcome_sample",
]

ConfidenceSource: TypeAlias = Literal["prior", "examples", "queries"]
"""Where a confidence comes from: nothing fitted, the routes' own examples, labelled queries."""

_TAIL = 0.2
# From here on the logistic function is above the tail.
_TYPICAL = math.log(_TAIL / (1.0 - _TAIL))
_LARGEST_LOG_ODDS = 30.0
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
    offsets: tuple[float, ...] = ()
    """Added to the log-odds of the curve, by route number; empty: no route differs."""

    @property
    def calibrated(self) -> bool:
        """Whether the numbers were fitted to data."""
        return self.source != "prior"

    def confidence(self, log_odds: float, similarity: float, route: int | None = None) -> float:
        """Return the probability that a pick is right.

        Parameters
        ----------
        log_odds : float
            Its log-odds against the other routes.
        similarity : float, in [-1, 1]
            Similarity of the query to it.
        route : int, optional
            Number of its route; None for the confidence of routes at large.

        Returns
        -------
        float, in (0, 1)
            Probability, never 0 or 1; continuous and rising in both arguments.
        """
        z = self.intercept + self.slope * log_odds + self.tail * self._shortfall(similarity)
        z = self._bent(z)
        if route is not None and self.offsets:
            z += self.offsets[route]
        z = max(-_LARGEST_LOG_ODDS, min(_LARGEST_LOG_ODDS, z))
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
            z = z + self.tail * self.shortfalls(sample.similarity)
        if self.knots:
            knots = np.array(self.knots)
            # Beyond the last knots the curve goes on with the slope of 1.
            z = np.interp(z, knots, self.levels) + (z - np.clip(z, knots[0], knots[-1]))
        if self.offsets and sample.routes is not None:
            z = z + np.array(self.offsets)[sample.routes]
        confidences: FloatArray = sigmoid(np.clip(z, -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS))
        return confidences

    def shortfalls(self, similarity: FloatArray) -> FloatArray:
        """Return how far similarities are below the lower tail.

        Parameters
        ----------
        similarity : FloatArray, in [-1, 1]
            Similarities of queries to their picks.

        Returns
        -------
        FloatArray, <= 0
            Nats, same shape; 0 for typical similarities.
        """
        centred = (similarity - self.similarity_mean) / self.similarity_spread
        log_share = -np.logaddexp(0.0, -_NORMAL_TO_LOGISTIC * centred)
        shortfalls: FloatArray = np.minimum(0.0, log_share - math.log(_TAIL))
        return shortfalls

    def moved(self, earlier: Sequence[int | None]) -> ConfidenceMap:
        """Return the map for routes of other numbers.

        Parameters
        ----------
        earlier : sequence of int or None
            For each route its number in this map; None for a route that is new.

        Returns
        -------
        ConfidenceMap
            New routes have no offset.
        """
        if not self.offsets:
            return self
        offsets = [0.0 if number is None else self.offsets[number] for number in earlier]
        return replace(self, offsets=tuple(offsets))

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
        for name in ("knots", "levels", "offsets"):
            fields[name] = list(fields[name])
        return fields

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
                offsets=tuple(map(float, data["offsets"])),
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
            and all(map(math.isfinite, (*finite, *self.knots, *self.levels, *self.offsets)))
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
        if u >= _TYPICAL:
            return 0.0
        return min(0.0, u - math.log1p(math.exp(u)) - math.log(_TAIL))

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
    routes: IntArray | None = None
    """Number of the picked route, shape (n,); None if routes are not told apart."""


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
        np.array([outcome.scored.routes[leader] for outcome, leader in pairs], dtype=int),
    )
