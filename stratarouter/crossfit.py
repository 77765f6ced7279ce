"""What the router would say of its own examples if it did not have them.

The examples are dealt into folds; each fold is routed by a router without it. The outcomes teach
the confidence how often the router is right, without any labelled query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.algorithms.tokenize import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratarouter.scoring.hybrid import HybridScorer, ScoredCandidates
    from stratarouter.types import FloatArray, IntArray

__all__ = ["MAX_FOLDS", "MAX_SAMPLES", "Examples", "OutcomeSample", "cross_fit", "outcome_features"]

MAX_FOLDS = 20
"""With this many folds a router lacks 5 % of its examples, which hardly lowers its accuracy."""
MAX_SAMPLES = 3_000
"""More outcomes would no longer move the fitted curve, but cost build time."""


@dataclass(frozen=True, slots=True)
class Examples:
    """The examples of a built router whose texts are known."""

    texts: Sequence[str]
    """Text of each example."""
    rows: IntArray
    """Row of each example in the router's vectors, shape (n,)."""
    routes: IntArray
    """Route of each example, shape (n,), ascending."""


@dataclass(frozen=True, slots=True)
class OutcomeSample:
    """Features of picked routes, and whether the picks were right."""

    features: FloatArray
    """(total, margin, semantic) of each pick, shape (n, 3)."""
    correct: FloatArray
    """1 where the pick was right, else 0, shape (n,)."""


def outcome_features(scored: ScoredCandidates, position: int) -> tuple[float, float, float]:
    """Return what the confidence of a candidate depends on.

    Parameters
    ----------
    scored : ScoredCandidates
        All candidates of a query.
    position : int
        Which of them.

    Returns
    -------
    tuple of float
        Total, margin to the best of the others, semantic score.
    """
    return (
        float(scored.total[position]),
        scored.margin(position),
        float(scored.semantic[position]),
    )


def cross_fit(scorer: HybridScorer, examples: Examples, seed: int) -> OutcomeSample:
    """Route a sample of the examples, each by a router without its fold.

    Every fold takes examples from all routes alike, so that no route is weakened against the
    others: leaving out single examples would make the router look worse than it is when routes have
    few.

    Parameters
    ----------
    scorer : HybridScorer
        Scorer of the built router.
    examples : Examples
        Its examples; those of routes with a single vector are passed over.
    seed : int
        Seed of the sample.

    Returns
    -------
    OutcomeSample
        At most `MAX_SAMPLES` outcomes; may be empty.
    """
    features: list[tuple[float, float, float]] = []
    correct: list[bool] = []
    for fold, sampled in _folds(scorer, examples, seed):
        texts = [
            (int(examples.routes[number]), words(examples.texts[number]))
            for number in fold.tolist()
        ]
        reduced = scorer.without(examples.rows[fold], texts)
        for number in sampled.tolist():
            embedding = scorer.semantic.vectors[examples.rows[number]]
            scored = reduced.score(examples.texts[number], embedding)
            leader = scored.leader()
            features.append(outcome_features(scored, leader))
            correct.append(bool(scored.routes[leader] == examples.routes[number]))
    return OutcomeSample(np.array(features).reshape(-1, 3), np.array(correct, dtype=float))


def _folds(
    scorer: HybridScorer, examples: Examples, seed: int
) -> Iterator[tuple[IntArray, IntArray]]:
    vectors_per_route = np.diff(scorer.semantic.offsets)
    eligible = np.flatnonzero(vectors_per_route[examples.routes] >= 2)
    if not len(eligible):
        return
    owners = examples.routes[eligible]
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    sizes = np.diff(starts, append=len(owners))
    rank = np.arange(len(owners)) - np.repeat(starts, sizes)
    n_folds = int(np.clip(sizes.max(), 2, MAX_FOLDS))
    chosen = np.ones(len(eligible), dtype=bool)
    if len(eligible) > MAX_SAMPLES:
        rng = np.random.default_rng(seed)
        chosen[rng.permutation(len(eligible))[MAX_SAMPLES:]] = False
    for number in range(n_folds):
        members = rank % n_folds == number
        sampled = eligible[members & chosen]
        if len(sampled):
            yield eligible[members], sampled
