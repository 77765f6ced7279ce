"""Thresholds with a guarantee: how often an accepted query may be wrong."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from stratarouter.algorithms.conformal import (
    binomial_tail,
    clopper_pearson_upper,
    labels_needed,
    lowest_safe_threshold,
    starting_counts,
)
from stratarouter.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stratarouter.algorithms.metrics import Outcomes
    from stratarouter.types import FloatArray, IntArray

__all__ = ["Certificate", "CertificateGroup", "LabelSource", "certify"]

LabelSource: TypeAlias = Literal["queries", "examples"]
"""Where labels come from: queries that were held out, or the routes' own examples, cross-fitted."""

_ACCEPTS_NOTHING = 1.0
# With this many times the labels that suffice without an error, some errors can be afforded.
_LABELS_OF_ITS_OWN = 4
_MAX_FURTHER_LABELS = 1_000_000
_MAX_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateGroup:
    """The routes that share a threshold, and what the threshold rests on."""

    route_id: str | None
    """The route that has this threshold to itself; None: all the others together."""
    threshold: float
    """Least confidence that is accepted; 1.0 accepts nothing."""
    n: int
    """Labelled queries whose best candidate is in the group."""
    n_accepted: int
    """How many of them reach the threshold."""
    n_wrong: int
    """How many of the accepted are wrong."""
    upper_bound: float
    """Upper bound of the risk, at the group's part of delta; 1.0 where nothing is accepted."""
    labels_needed: int | None
    """Further labels, over all routes, that would let something be accepted if they are like these:
    0 if something is, None if none of these labels suggests it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Thresholds at which P(wrong | accepted) <= alpha is shown, with probability 1 - delta.

    Accepted is a query whose best candidate has at least the threshold of that route as its
    confidence. Wrong is an accepted query whose label is another route or none, so out-of-scope
    queries that are accepted count. With probability at least ``1 - delta`` over the draw of the
    labelled queries, the bound holds in every group at once: for each route that has a threshold of
    its own, for the other routes together, and hence for all accepted queries together. It does not
    hold for each single route among the others, nor for queries that differ from the labelled ones.
    """

    alpha: float
    """Largest share of wrong ones among the accepted."""
    delta: float
    """Probability with which the guarantee may fail."""
    threshold: float
    """Least confidence for routes without a threshold of their own; 1.0 accepts nothing."""
    thresholds: Mapping[str, float]
    """Least confidence of the routes that have their own."""
    coverage: float
    """Share of the labelled queries that is accepted."""
    n: int
    """Number of labelled queries."""
    n_accepted: int
    """How many of them are accepted."""
    n_wrong: int
    """How many of the accepted are wrong."""
    upper_bound: float
    """Largest upper bound of a group that accepts something; at most alpha. 1.0 if none does."""
    holds: bool
    """Whether anything is certified; if not, nothing is accepted."""
    labels_needed: int | None
    """Further labels after which something would be certified if they are like these: 0 if
    something is, None if these suggest no threshold with a risk below alpha."""
    groups: tuple[CertificateGroup, ...]
    """Routes with their own threshold, then the others together."""
    source: LabelSource = "queries"
    """Where the labels come from."""

    def threshold_of(self, route_id: str) -> float:
        """Return the least confidence for a route.

        Parameters
        ----------
        route_id : str
            Id of any route, whether it occurred or not.

        Returns
        -------
        float, in [0, 1]
            0.0 accepts everything, 1.0 nothing.
        """
        return self.thresholds.get(route_id, self.threshold)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data.

        Returns
        -------
        dict
            Every figure by its field name.
        """
        return {
            **{entry.name: getattr(self, entry.name) for entry in fields(self)},
            "thresholds": dict(self.thresholds),
            "groups": [asdict(group) for group in self.groups],
        }

    def __str__(self) -> str:
        claim = (
            f"P(wrong | accepted) <= {100.0 * self.alpha:.4g}% "
            f"with confidence {100.0 * (1.0 - self.delta):.4g}%"
        )
        if self.holds:
            lines = [f"certified: {claim}", *self._evidence(), *self._refusals()]
        else:
            lines = [
                f"not certified: {claim} cannot be shown from {self.n:,} labelled queries",
                f"  nothing is accepted; {_more_labels(self.labels_needed)}",
            ]
        if self.source == "examples":
            lines.append(
                "  the labels are the routes' own examples: it holds for queries like them"
            )
        return "\n".join(lines)

    def _evidence(self) -> list[str]:
        own = [group for group in self.groups if group.route_id is not None and group.n_accepted]
        named = [f"{group.route_id} {group.threshold:.4f}" for group in own[:_MAX_NAMED]]
        if len(own) > _MAX_NAMED:
            named.append(f"{len(own) - _MAX_NAMED} routes more")
        if self.threshold < _ACCEPTS_NOTHING:
            named.append(f"{'other routes' if own else 'all routes'} {self.threshold:.4f}")
        return [
            f"  least confidence: {', '.join(named)}",
            f"  accepted {self.n_accepted:,} of {self.n:,} labelled queries ({self.coverage:.1%}), "
            f"{self.n_wrong:,} of them wrong ({self.n_wrong / self.n_accepted:.2%}); "
            f"upper bound {self.upper_bound:.2%}",
        ]

    def _refusals(self) -> list[str]:
        return [
            f"  {'the other routes' if group.route_id is None else group.route_id}: "
            f"nothing is accepted; {_more_labels(group.labels_needed)}"
            for group in self.groups
            if not group.n_accepted
        ]


def certify(
    confidences: FloatArray,
    correct: Outcomes,
    routes: Sequence[str] | None = None,
    *,
    alpha: float,
    delta: float,
    per_route: bool = True,
    source: LabelSource = "queries",
) -> Certificate:
    """Find the lowest thresholds at which P(wrong | accepted) <= `alpha` is shown.

    See `Certificate` for what is guaranteed, and `lowest_safe_threshold` for why. The labelled
    queries must be independent draws of the queries to come, and nothing of the router may have
    been fitted to them.

    A route has a threshold of its own if at least four times as many labelled queries chose it as
    would suffice without an error at its part of `delta`, and the rest has as many or is empty;
    `delta` is then divided evenly. The choice looks at the numbers of queries per route, never at
    what was right. As those numbers vary from sample to sample, the guarantee for the rest taken
    alone is exact only with ``per_route=False``.

    Parameters
    ----------
    confidences : FloatArray, shape (n,), in [0, 1]
        Confidence of the best candidate of each labelled query, accepted or not.
    correct : Outcomes, shape (n,)
        Whether that candidate is the label; false for every out-of-scope query.
    routes : sequence of str, optional
        That candidate; None puts all routes together.
    alpha : float, in (0, 1)
        Largest share of wrong ones among the accepted.
    delta : float, in (0, 1)
        Probability with which the guarantee may fail.
    per_route : bool, optional
        Whether routes with enough labels get a threshold of their own.
    source : {"queries", "examples"}, optional
        Where the labels come from; only noted.

    Returns
    -------
    Certificate
        Its `holds` is False, and nothing is accepted, where the labels do not suffice.

    Raises
    ------
    InvalidInputError
        If the arrays are empty, differ in length or hold impossible values, or `alpha` or `delta`
        is outside (0, 1).

    Examples
    --------
    >>> confidences = np.linspace(0.99, 0.2, 400)
    >>> print(certify(confidences, np.arange(400) % 50 < 48, alpha=0.1, delta=0.05))
    certified: P(wrong | accepted) <= 10% with confidence 95%
      least confidence: all routes 0.0000
      accepted 400 of 400 labelled queries (100.0%), 16 of them wrong (4.00%); upper bound 6.01%
    >>> print(certify(np.full(40, 0.9), np.ones(40), alpha=0.05, delta=0.05))
    not certified: P(wrong | accepted) <= 5% with confidence 95% cannot be shown from 40 \
labelled queries
      nothing is accepted; about 19 more labels are needed
    """
    scores, wrong = _checked(confidences, correct)
    n = len(scores)
    if routes is not None and (isinstance(routes, str) or len(routes) != n):
        raise InvalidInputError(f"need one route for each of the {n} confidences")
    parts = _partition(routes if per_route else None, n, alpha, delta)
    groups = tuple(
        _group(route_id, scores[rows], wrong[rows], n=n, alpha=alpha, delta=delta / len(parts))
        for route_id, rows in parts
    )
    accepting = [group for group in groups if group.n_accepted]
    further = [group.labels_needed for group in groups if group.labels_needed is not None]
    n_accepted = sum(group.n_accepted for group in groups)
    thresholds = {group.route_id: group.threshold for group in groups}
    return Certificate(
        alpha=alpha,
        delta=delta,
        # Without a labelled query of any other route nothing is known about those.
        threshold=thresholds.pop(None, _ACCEPTS_NOTHING),
        thresholds={str(route_id): cut for route_id, cut in thresholds.items()},
        coverage=n_accepted / n,
        n=n,
        n_accepted=n_accepted,
        n_wrong=sum(group.n_wrong for group in groups),
        upper_bound=max((group.upper_bound for group in accepting), default=1.0),
        holds=bool(accepting),
        labels_needed=min(further, default=None),
        groups=groups,
        source=source,
    )


def _checked(confidences: FloatArray, correct: Outcomes) -> tuple[FloatArray, IntArray]:
    """Return confidences and the numbers 1 for wrong and 0 for right."""
    scores = np.asarray(confidences, dtype=float)
    outcomes = np.asarray(correct, dtype=float)
    if scores.ndim != 1 or not len(scores) or outcomes.shape != scores.shape:
        raise InvalidInputError(
            "need at least one confidence and one outcome for each, got shapes "
            f"{scores.shape} and {outcomes.shape}"
        )
    if not ((scores >= 0.0) & (scores <= 1.0)).all():
        raise InvalidInputError("confidences must be in [0, 1] and not NaN")
    if not np.isin(outcomes, (0.0, 1.0)).all():
        raise InvalidInputError("an outcome must be true or false, or 1 or 0")
    return scores, (outcomes == 0.0).astype(np.intp)


def _partition(
    routes: Sequence[str] | None, n: int, alpha: float, delta: float
) -> list[tuple[str | None, NDArray[np.bool_]]]:
    """Divide the queries into those of each route with its own threshold, and the others."""
    own = [] if routes is None else _routes_of_their_own(Counter(routes), alpha, delta)
    picks = np.asarray(routes)
    parts: list[tuple[str | None, NDArray[np.bool_]]] = [(name, picks == name) for name in own]
    others = ~np.isin(picks, own) if own else np.ones(n, dtype=bool)
    return [*parts, (None, others)] if others.any() else parts


def _routes_of_their_own(counts: Counter[str], alpha: float, delta: float) -> list[str]:
    """Return the most frequent routes, as many as have enough labels and leave enough."""
    by_count = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    n = sum(counts.values())
    most = n // (_LABELS_OF_ITS_OWN * labels_needed(alpha, delta))
    for n_own in range(min(most, len(by_count)), 0, -1):
        n_others = sum(count for _, count in by_count[n_own:])
        n_parts = n_own + (n_others > 0)
        enough = _LABELS_OF_ITS_OWN * labels_needed(alpha, delta / n_parts)
        if by_count[n_own - 1][1] >= enough and (n_others == 0 or n_others >= enough):
            return [route_id for route_id, _ in by_count[:n_own]]
    return []


def _group(
    route_id: str | None, scores: FloatArray, wrong: IntArray, *, n: int, alpha: float, delta: float
) -> CertificateGroup:
    safe = lowest_safe_threshold(scores, wrong, alpha=alpha, delta=delta)
    if safe is not None:
        return CertificateGroup(
            route_id=route_id,
            threshold=safe.threshold,
            n=len(scores),
            n_accepted=safe.n_accepted,
            n_wrong=safe.n_wrong,
            upper_bound=clopper_pearson_upper(safe.n_wrong, safe.n_accepted, safe.level),
            labels_needed=0,
        )
    further = _further_labels(scores, wrong, alpha, delta)
    return CertificateGroup(
        route_id=route_id,
        threshold=_ACCEPTS_NOTHING,
        n=len(scores),
        n_accepted=0,
        n_wrong=0,
        upper_bound=1.0,
        labels_needed=None if further is None else -(-further * n // len(scores)),
    )


def _further_labels(scores: FloatArray, wrong: IntArray, alpha: float, delta: float) -> int | None:
    """Return how many labels more would let a threshold pass, if they are like these."""
    n = len(scores)
    accepted = np.arange(1, n + 1)
    errors = np.cumsum(wrong[np.argsort(-scores, kind="stable")])
    least = max(1, labels_needed(alpha, delta) - n)
    # The median of a Poisson rate after k events lies at k + 2/3: at least even odds are asked for,
    # so that a handful of right answers at the top counts for nothing.
    hopeful = errors + 2 / 3 < alpha * accepted
    if not hopeful.any():
        return least if n < labels_needed(alpha, delta) else None
    # By the normal approximation a count passes with the fewest labels where this is largest.
    share = errors / accepted
    best = int(np.argmax(np.where(hopeful, (alpha - share) ** 2 * accepted, -1.0)))
    count, risk = best + 1, float(share[best])

    def suffices(further: int) -> bool:
        reached = count * (n + further) // n
        starts = starting_counts(n + further, alpha, delta)
        return (
            bool(starts)
            and reached >= starts[0]
            and binomial_tail(math.ceil(risk * reached), reached, alpha) <= delta / len(starts)
        )

    low, high = least - 1, least
    while not suffices(high):
        low, high = high, 2 * high
        if high > _MAX_FURTHER_LABELS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high


def _more_labels(further: int | None) -> str:
    if further is None:
        return "these labels suggest no confidence with a risk below alpha, so more may not help"
    return f"about {further:,} more labels are needed"
